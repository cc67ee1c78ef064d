"""Contracts: what a table's columns must be; written once, held by every run."""
