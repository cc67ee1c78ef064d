"""How fast the tool is, each figure beside what it stands for: `python -m benchmarks [LINE...]`."""
