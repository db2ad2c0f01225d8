"""People judge rows one at a time, in the terminal or in a browser."""
