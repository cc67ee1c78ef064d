"""The log that was collected: written by the day, and read by the window."""
