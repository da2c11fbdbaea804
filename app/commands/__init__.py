"""The terminal commands, one module each, thin over core. Nothing here may import Qt, nor numpy before it is needed."""
