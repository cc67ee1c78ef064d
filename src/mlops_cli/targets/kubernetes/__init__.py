"""A cluster as a target: manifests rendered here, applied by kubectl, judged by the server."""
