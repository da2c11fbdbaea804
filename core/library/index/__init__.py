"""The search index over collections of documents: a disposable database of its own, made again whenever it must be."""
