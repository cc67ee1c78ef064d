"""Alerts: what monitoring saw is held to the conditions of `monitor.alerts`, and people are told.

`notify` of `notify.py` is the way in; `base.py` has what it takes and what it returns.
"""
