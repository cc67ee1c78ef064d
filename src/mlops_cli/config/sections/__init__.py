"""The sections of `mlops.yaml`: a file each; the published JSON Schema is made from them."""
