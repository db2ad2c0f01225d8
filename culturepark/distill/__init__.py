"""From talk to samples: extract, verify, deduplicate, shape."""
