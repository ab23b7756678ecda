"""Sample calls of every primitive: ``table.load()`` gives them all.

They need SciPy and mpmath, whose functions are the oracles of some: ``pip install "cotan[testing]"``.
"""
