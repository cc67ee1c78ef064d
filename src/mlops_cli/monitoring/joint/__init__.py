"""Drift that no column shows by itself: tests of whole rows."""
