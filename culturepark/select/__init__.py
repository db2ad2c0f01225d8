"""Choosing: a balanced set of rows out of runs, by quotas and gates, with a funnel that says what fell where."""
