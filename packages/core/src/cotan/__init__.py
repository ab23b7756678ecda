"""cotan: composable transformations of Python + NumPy programs."""
