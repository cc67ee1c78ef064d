"""What was decided and done, and what came of it."""
