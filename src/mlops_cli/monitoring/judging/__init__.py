"""A window is judged: what it is held to, and what is found of it."""
