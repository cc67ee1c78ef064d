"""The model as a container."""
