"""A backend of cotan in 150 lines."""
