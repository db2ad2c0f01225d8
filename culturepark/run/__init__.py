"""Carries a run from its plan to its samples."""
