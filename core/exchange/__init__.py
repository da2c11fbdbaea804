"""Conversations on their way out of the history and into it: our JSON, pages to read, other programs' exports."""
