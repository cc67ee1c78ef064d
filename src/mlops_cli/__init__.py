"""The command line of tabular models: from a notebook to production."""
