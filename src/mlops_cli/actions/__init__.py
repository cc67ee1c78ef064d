"""What a person asks for outside the pipeline: one plain function a file."""
