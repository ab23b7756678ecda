"""Workloads timed side by side with JAX and NumPy in one run; see ``__main__``."""
