"""A run pays for its imports once: one warm parent forks a child for each stage that DVC starts.

`leader` is `mlops run`, `parent` the process that keeps the modules, `client` the command that
DVC starts. Only Linux has what this needs; elsewhere every command works by itself.
"""
