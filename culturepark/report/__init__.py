"""One page that shows a run to people who were not there."""
