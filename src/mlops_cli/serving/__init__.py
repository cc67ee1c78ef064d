"""The runtime that answers: what an image holds beside the bundle, and nothing else."""
