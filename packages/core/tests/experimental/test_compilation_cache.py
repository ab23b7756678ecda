"""Where compiled programs are kept is said by functions, flags and the environment alike."""

from __future__ import annotations

import pathlib

import cotan
from cotan.experimental.compilation_cache import compilation_cache


def test_directories_are_set_and_reset(tmp_path, monkeypatch):
    monkeypatch.delenv("COTAN_COMPILATION_CACHE_DIR", raising=False)
    try:
        compilation_cache.set_cache_dir(pathlib.Path(tmp_path) / "cache")
        assert cotan.config.compilation_cache_dir == str(tmp_path / "cache")
        # A constant of its own, so that the program is not known to the process yet.
        assert float(cotan.jit(lambda x: x * 7.03125)(2.0)) == 14.0625
        assert list((tmp_path / "cache").iterdir())
        compilation_cache.reset_cache()
        assert cotan.config.compilation_cache_dir is None
        monkeypatch.setenv("COTAN_COMPILATION_CACHE_DIR", "elsewhere")
        compilation_cache.reset_cache()
        assert cotan.config.compilation_cache_dir == "elsewhere"
        cotan.config.update("jax_compilation_cache_dir", str(tmp_path))
        assert cotan.config.compilation_cache_dir == str(tmp_path)
    finally:
        cotan.config.update("compilation_cache_dir", None)
