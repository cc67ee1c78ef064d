"""What other systems run on: their own files, made from the configuration of a project."""

from __future__ import annotations
