"""The replay of stored dialogues: a terminal app, and plain text."""
