"""The window of the person's documents: collections, their files, and search over all of them."""
