"""Windows on their grid, and the record of what was found of each."""
