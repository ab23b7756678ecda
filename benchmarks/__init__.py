"""Workloads timed side by side with JAX, PyTorch and NumPy in one run; see ``__main__``."""
