"""The stages as a DVC pipeline: `dvc.yaml` made from the table, run, and asked for its state."""
