"""The image that serves a model: its build context, from the bundle and the runtime."""
