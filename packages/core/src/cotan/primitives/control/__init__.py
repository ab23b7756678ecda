"""Structured control flow: branches, loops until a condition fails, loops over an axis; each a primitive of jaxprs."""

from cotan.primitives.control import cond, scan, while_loop

__all__ = ["cond", "scan", "while_loop"]
