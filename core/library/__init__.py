"""Documents as text, passages and quotes; no models, no database, no sentences for people."""
