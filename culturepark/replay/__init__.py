"""Stored dialogues, shown again."""
