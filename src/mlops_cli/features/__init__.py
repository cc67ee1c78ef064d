"""What the model sees: columns, expressions of one row, and columns as they were known then."""
