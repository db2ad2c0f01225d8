"""The report: a run, or several beside each other, as one HTML page."""
