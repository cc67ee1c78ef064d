"""May this model become the champion: gates, and the decision that says why."""
