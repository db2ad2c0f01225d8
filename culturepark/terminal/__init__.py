"""Text of any script on a terminal: what is safe to show, how wide it is, where lines break."""
