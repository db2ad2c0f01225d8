"""Files become nouns here. Every error names file:line, key and what is allowed."""
