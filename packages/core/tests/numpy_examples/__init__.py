"""NumPy's own docstring examples, run against cotan.numpy. ``python -m numpy_examples`` prints the figures."""
