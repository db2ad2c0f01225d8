"""Text of any script on a terminal: made safe, laid out in lines, and put into visual order."""
