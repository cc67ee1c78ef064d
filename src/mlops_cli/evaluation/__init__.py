"""What a model is worth: metrics, their intervals, and two models on the same rows."""
