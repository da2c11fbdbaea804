"""The readers of all formats. Only the extraction child loads them: they take files of strangers apart."""
