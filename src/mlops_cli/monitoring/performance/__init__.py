"""What a model is worth: by labels, before they come, and against what they meant."""
