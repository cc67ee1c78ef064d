"""A fitted model as a bundle: what it was fitted on, its files, and the proof of them."""
