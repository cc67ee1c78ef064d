"""The evaluation of a new model on the hold-out: how it is made, and its page."""
