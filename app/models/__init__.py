"""Getting models, keeping them and removing them in the window; what was ever connected to."""
