"""Object code in files: it is found again, never trusted blindly, and its loss harms nothing."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import warnings

import pytest

from cotan.config import config
from cotan_cpu.codegen import jit, object_cache

_TEXT = "define i64 @answer() {\n ret i64 41\n}\n"
_CALLING = (
    "declare i64 @given()\ndefine i64 @twice() {\n %x = call i64 @given()\n %y = add i64 %x, %x\n ret i64 %y\n}\n"
)


@pytest.fixture
def directory(tmp_path):
    object_cache.forget_warnings()
    path = tmp_path / "not made yet"
    with config.override(compilation_cache_dir=str(path)):
        yield path


def _call(module, name):
    return ctypes.CFUNCTYPE(ctypes.c_int64)(module.address(name))()


def _entries(directory):
    return sorted(directory.glob("*"))


@pytest.fixture
def compiled(monkeypatch):
    """How often text was compiled."""
    counted = []
    original = jit.Engine._compile

    def counting(self, text):
        counted.append(text)
        return original(self, text)

    monkeypatch.setattr(jit.Engine, "_compile", counting)
    return counted


def test_what_was_compiled_is_found_again(directory, compiled):
    first = jit.load(_TEXT)
    again = jit.load(_TEXT)
    assert len(compiled) == 1
    assert _call(first, "answer") == _call(again, "answer") == 41
    assert first.nbytes == again.nbytes > 0
    assert len(_entries(directory)) == 1


def test_symbols_are_those_of_the_later_load(directory, compiled):
    keep = [ctypes.CFUNCTYPE(ctypes.c_int64)(lambda n=n: n) for n in (3, 50)]
    found = [
        _call(jit.load(_CALLING, {"given": ctypes.cast(f, ctypes.c_void_p).value, "unused": 1}), "twice") for f in keep
    ]
    assert found == [6, 100]
    assert len(compiled) == 1


def test_texts_levels_and_processors_have_entries_of_their_own(directory, compiled):
    target = jit.host_target()
    jit.load(_TEXT)
    jit.load(_TEXT + "; another")
    jit.Engine(level=0).load(_TEXT)
    jit.Engine(type(target).from_features("x86-64", []) if "x86" in jit.llvm.get_default_triple() else target).load(
        _TEXT
    )
    assert len(compiled) == len(_entries(directory)) >= 3


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "foreign"])
def test_a_damaged_entry_is_told_and_made_anew(directory, compiled, damage):
    jit.load(_TEXT)
    (path,) = _entries(directory)
    whole = path.read_bytes()
    spoiled = {
        "cut": whole[:-10],
        "flip": whole[:-1] + bytes([whole[-1] ^ 1]),
        "empty": b"",
        "foreign": b"something else altogether, as long as it likes to be" * 10,
    }[damage]
    path.write_bytes(spoiled)
    with pytest.warns(RuntimeWarning, match="damaged entry"):
        module = jit.load(_TEXT)
    assert _call(module, "answer") == 41
    assert len(compiled) == 2
    assert path.read_bytes() == whole
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jit.load(_TEXT)
    assert len(compiled) == 2


def test_an_entry_under_another_name_is_not_taken_for_it(directory, compiled):
    jit.load(_TEXT)
    (first,) = _entries(directory)
    jit.load(_CALLING, {"given": 1})
    (second,) = (path for path in _entries(directory) if path != first)
    first.write_bytes(second.read_bytes())
    with pytest.warns(RuntimeWarning, match="damaged entry"):
        assert _call(jit.load(_TEXT), "answer") == 41


def test_a_directory_that_cannot_be_used_is_told_once(tmp_path, compiled):
    object_cache.forget_warnings()
    file = tmp_path / "file"
    file.write_text("in the way")
    with config.override(compilation_cache_dir=str(file)):
        with pytest.warns(RuntimeWarning) as told:
            assert _call(jit.load(_TEXT), "answer") == 41
        assert {str(w.message).split("'")[2].split("(")[0] for w in told} == {" cannot be read ", " cannot be written "}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            jit.load(_TEXT)
    assert file.read_text() == "in the way"


def test_nothing_is_left_behind_where_writing_fails(directory, monkeypatch):
    def fails(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(object_cache.Path, "replace", fails)
    with pytest.warns(RuntimeWarning, match="No space left"):
        assert _call(jit.load(_TEXT), "answer") == 41
    assert _entries(directory) == []


@pytest.mark.parametrize("flag", [{"enable_compilation_cache": False}, {"persistent_cache_min_compile_time_secs": 100}])
def test_flags_keep_code_out_of_the_directory(directory, compiled, flag):
    with config.override(**flag):
        assert _call(jit.load(_TEXT), "answer") == _call(jit.load(_TEXT), "answer") == 41
    assert len(compiled) == 2
    assert _entries(directory) == []


def test_without_a_directory_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with config.override(compilation_cache_dir=None):
        jit.load(_TEXT)
    assert list(tmp_path.iterdir()) == []


_PROGRAM = """
import cotan, cotan.numpy as cnp
from cotan_cpu.codegen import jit
compiled = []
original = jit.Engine._compile
jit.Engine._compile = lambda *args: compiled.append(1) or original(*args)
f = cotan.jit(cotan.grad(lambda x: cnp.sum(cnp.tanh(x @ x.T) * cnp.linalg.cholesky(x @ x.T + 9 * cnp.eye(8)))))
print(len(compiled), repr(f(cnp.linspace(0, 1, 64).reshape(8, 8)).sum()), len(compiled))
"""


def test_a_later_process_compiles_nothing(tmp_path):
    environment = {**os.environ, "COTAN_COMPILATION_CACHE_DIR": str(tmp_path / "cache")}

    def run():
        command = [sys.executable, "-W", "error::RuntimeWarning", "-c", _PROGRAM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.rsplit(" ", 1)

    (first, made), (second, again) = run(), run()
    assert int(made) > 0
    assert int(again) == 0
    assert first == second
