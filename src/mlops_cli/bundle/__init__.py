"""The model bundle: what training knew, in files whose digests stand in one manifest."""
