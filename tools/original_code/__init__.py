"""The original implementations, imported from clones: a file for each project."""
