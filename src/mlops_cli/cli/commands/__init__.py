"""The commands of the terminal: parse, load, call, render; one a file."""
