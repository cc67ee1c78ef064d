"""Conformance suites for whoever writes an estimator or a target: pytest classes to inherit.

`from mlops_cli.testing.estimator import EstimatorConformance`; they need pytest.
"""
