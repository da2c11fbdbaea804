"""Manners of a desktop program: command palette, shortcuts, quick actions, notifications, leaving."""
