"""cotan.memory: the memory spaces in which arrays may lie."""

from cotan.runtime.memories import Space as Space
