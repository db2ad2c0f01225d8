"""Kept samples as files that others train on."""
