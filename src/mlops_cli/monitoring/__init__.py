"""Is the data still what the model was fitted on? Profiles and drift."""
