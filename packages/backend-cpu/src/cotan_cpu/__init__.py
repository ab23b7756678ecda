"""The CPU backend of cotan."""
