"""cotan.scipy: SciPy's functions over cotan arrays."""

from cotan.scipy import special as special
