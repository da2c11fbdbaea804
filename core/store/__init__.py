"""History on disk: one SQLite file, one writer, forward-only migrations."""
