"""Makes cards of people: from the rows of a table, or to quotas; a model writes what these do not say."""
