"""The one place that talks to models. Every request that leaves here has a row in the call log."""
