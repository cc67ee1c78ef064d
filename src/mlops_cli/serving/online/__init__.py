"""Features that are looked up by key, as they were known at a moment."""
