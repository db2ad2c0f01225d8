"""Rows are judged one at a time."""
