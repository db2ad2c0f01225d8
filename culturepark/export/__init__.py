"""Training files from kept samples, with a card and a manifest."""
