"""Which models there are on this computer and where."""
