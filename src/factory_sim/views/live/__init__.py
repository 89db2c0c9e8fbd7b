"""The live page: static files, and the marks of states."""
