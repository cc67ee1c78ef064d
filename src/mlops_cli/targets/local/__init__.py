"""The model as a supervised process of this machine."""
