"""cotan.experimental.compilation_cache: compiled programs in files. Its functions stand in the module of that name."""

from cotan.experimental.compilation_cache import compilation_cache as compilation_cache
