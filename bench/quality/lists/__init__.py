"""Whose words a sentence holds, by English word lists: what the product did before it asked a model. A baseline."""
