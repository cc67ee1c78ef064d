"""Have columns moved from what the model was fitted on? Profiles, tests, and the verdict."""
