"""The conversation: who sits there, who speaks next, and whether what was said may stand."""
