"""The preferences: one window made from the table of settings."""
