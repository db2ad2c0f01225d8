"""Models made from what people and judges said of rows."""
