"""What can be counted of a run, and how its people differ. Read-only."""
