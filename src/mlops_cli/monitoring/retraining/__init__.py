"""When a model is to be trained again, and what that would have been worth."""
