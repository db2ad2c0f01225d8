"""The figures of a run. Read-only."""
