"""Traffic between two versions: who answers what, in this process and in that of a candidate."""
