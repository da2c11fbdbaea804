"""Tern's core: models, inference, history and documents. No Qt, no printing, no sentences for people."""
