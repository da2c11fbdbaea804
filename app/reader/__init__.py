"""The window that shows a document at the place of a passage."""
