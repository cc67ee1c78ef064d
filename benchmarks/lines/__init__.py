"""One file a benchmark: `measure(work)` gives its figures."""
