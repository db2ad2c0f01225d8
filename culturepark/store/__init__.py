"""The database of runs: turns, calls, statements, verdicts, samples and reviews."""
