"""Rollouts and experiments: two versions side by side, and what can be concluded of them."""
