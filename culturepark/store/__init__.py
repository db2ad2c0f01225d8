"""Everything a run says, asks, finds and decides, in one database."""
