"""How a server may be asked: a file a protocol, each with its table of routes."""
