"""Row expressions: their tree, and its compilation to Python closures; ships in the image."""
