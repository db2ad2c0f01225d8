"""Data without a talk: survey questions in other words, and norms of a topic, asked of a model alone.

A mine is a run. What a model answers stands as a turn, and each sentence or norm of it as a statement, so that it is
verified, compared, reviewed and exported like what people said at a table.
"""
