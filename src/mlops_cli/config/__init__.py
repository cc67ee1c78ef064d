"""The project's configuration: `mlops.yaml`, checked once, frozen."""
