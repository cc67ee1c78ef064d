"""Conformance suites for whoever writes an estimator or a target: pytest classes to inherit.

`from mlops_cli.testing.estimator import EstimatorConformance`; `testing.releases` has the fixtures
of bundles that a target's suite deploys. They need pytest.
"""
