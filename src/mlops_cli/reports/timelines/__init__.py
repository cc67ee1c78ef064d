"""Time lines of what monitoring found, as places and paths that a page draws."""
