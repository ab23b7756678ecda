"""Fixtures of this folder."""

from backend.plugins import site

__all__ = ["site"]
