"""What is counted of columns, and how far two counts lie apart."""
