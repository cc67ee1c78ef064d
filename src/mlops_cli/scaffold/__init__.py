"""New projects: what a data file says about itself, written down as a project."""
