"""Predictions for a file, in chunks."""
