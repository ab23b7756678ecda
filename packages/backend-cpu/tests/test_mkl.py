"""MKL where it is installed: when it is chosen, and its Fourier transforms against NumPy's."""

from __future__ import annotations

import ctypes
import itertools
import platform
import sys
import threading

import numpy as np
import pytest
from fresh_interpreter import python

import cotan
import cotan.numpy as cnp
from cotan.config import config
from cotan.primitives.fft import FftType
from cotan_cpu import driver
from cotan_cpu.lower import dfti, fft

needs_mkl = pytest.mark.skipif(driver.numerics().name != "MKL", reason="MKL is not installed here; nox -s mkl has it")


# ---- The choice


class Fake:
    """Stands for libmkl_rt: which layers are in force whatever is asked for, and how good its reproducible code is."""

    def __init__(self, interface=0, threading=1, branch=14):
        self.answers = {"MKL_Set_Interface_Layer": interface, "MKL_Set_Threading_Layer": threading}
        self.answers.update(MKL_CBWR_Get_Auto_Branch=branch, MKL_CBWR_Set=0)
        self.calls = []

    def __getattr__(self, name):
        def function(*values):
            self.calls.append((name, *values))
            return self.answers[name]

        return function


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with two versions of MKL, on a system that has it."""
    for version in (2, 3):
        (tmp_path / f"libmkl_rt.so.{version}").write_bytes(b"no library")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    return tmp_path


def test_the_newest_is_taken_with_layers_of_ours(folder, monkeypatch):
    fake, opened = Fake(), []
    monkeypatch.setattr(ctypes, "CDLL", lambda path: opened.append(path) or fake)
    library = driver.mkl_in(folder)
    assert (library.name, library.prefix, library.handle) == ("MKL", "", fake)
    assert opened == [str(folder / "libmkl_rt.so.3")]
    assert fake.calls[:2] == [("MKL_Set_Interface_Layer", 0), ("MKL_Set_Threading_Layer", 1)]
    assert ("MKL_CBWR_Set", 2) in fake.calls


def test_reproducible_code_is_not_asked_for_where_it_is_slow(folder, monkeypatch):
    fake = Fake(branch=3)
    monkeypatch.setattr(ctypes, "CDLL", lambda path: fake)
    assert driver.mkl_in(folder).name == "MKL"
    assert "MKL_CBWR_Set" not in [name for name, *_ in fake.calls]


@pytest.mark.parametrize("layers", [{"interface": 1}, {"threading": 0}, {"threading": 3}])
def test_other_layers_in_force(folder, monkeypatch, layers):
    monkeypatch.setattr(ctypes, "CDLL", lambda path: Fake(**layers))
    assert driver.mkl_in(folder) is None


def test_where_there_is_none(folder, tmp_path, monkeypatch):
    assert driver.mkl_in(tmp_path / "empty") is None
    assert driver.mkl_in(folder) is None  # files that are no libraries
    monkeypatch.setattr(ctypes, "CDLL", lambda path: Fake())
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert driver.mkl_in(folder) is None
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(sys, "platform", "darwin")
    assert driver.mkl_in(folder) is None


_CHOSEN = """
from cotan_cpu import driver
from cotan.backend import get_backend
print(driver.numerics().name, get_backend("cpu").platform_version.split(", ")[1].split(" ")[0])
"""


def test_switched_off():
    assert python(_CHOSEN, COTAN_CPU_MKL="0") == ["OpenBLAS OpenBLAS"]


@needs_mkl
def test_it_is_chosen_at_first_use_and_no_earlier():
    loaded = "any('libmkl' in line for line in open('/proc/self/maps'))"
    program = f"""
import cotan, cotan.numpy as cnp, cotan_cpu.backend
cnp.ones(3) + 1
print({loaded})
cnp.ones((700, 700)) @ cnp.ones((700, 700))
print({loaded})
"""
    assert python(program) == ["False", "True"]
    assert python(_CHOSEN) == ["MKL MKL"]


@needs_mkl
def test_a_process_that_has_it_with_longer_integers_goes_on_with_openblas():
    begin = """
import ctypes, pathlib, sys
mkl = ctypes.CDLL(str(max(pathlib.Path(sys.prefix, "lib").glob("libmkl_rt.so.*"))))
mkl.MKL_Set_Interface_Layer(1)
mkl.MKL_Get_Version_String(ctypes.create_string_buffer(200), 200)
"""
    assert python(begin + _CHOSEN) == ["OpenBLAS OpenBLAS"]


@needs_mkl
def test_both_libraries_share_a_directory_of_compiled_programs(tmp_path):
    program = """
import cotan, cotan.numpy as cnp
x = cnp.arange(6400.0).reshape(80, 80) % 97
x = x + x.T
f = cotan.jit(lambda x: (cnp.linalg.eigh(x)[0], cnp.linalg.svd(x)[1], cnp.linalg.qr(x @ x)[1]))
w, s, r = f(x)
print(bool(cnp.allclose(cnp.sort(abs(w))[::-1], s, rtol=1e-4, atol=1e-2)), bool(cnp.isfinite(r).all()))
"""
    where = {"COTAN_COMPILATION_CACHE_DIR": str(tmp_path)}
    for choice in ("1", "0", "1"):
        assert python(program, COTAN_CPU_MKL=choice, **where) == ["True True"]


# ---- Fourier transforms

DTYPES = {np.dtype(np.complex64): 3e-6, np.dtype(np.complex128): 3e-15}
KINDS = ("FFT", "IFFT", "RFFT", "IRFFT")


@pytest.fixture
def at_any_size(monkeypatch):
    """Small transforms by MKL as well."""
    monkeypatch.setattr(dfti, "_FEWEST", 0)
    dfti._plan.cache_clear()
    yield
    dfti._plan.cache_clear()


def operand(kind, batch, lengths, dtype):
    rng = np.random.default_rng(7)
    stored = (*lengths[:-1], lengths[-1] // 2 + 1) if kind == "IRFFT" else lengths
    x = rng.standard_normal((*batch, *stored)) + 1j * rng.standard_normal((*batch, *stored))
    return x.real.astype(dtype.char.lower()) if kind == "RFFT" else x.astype(dtype)


def by_numpy(kind, x, lengths):
    axes = tuple(range(-len(lengths), 0))
    return getattr(np.fft, f"{kind.lower()}n")(x.astype(np.complex128 if kind != "RFFT" else float), lengths, axes)


def by_mkl(kind, x, lengths, threads=1):
    want = by_numpy(kind, x, lengths)
    single = x.dtype in (np.float32, np.complex64)
    out = np.full(want.shape, np.nan, want.dtype if not single else "f" if kind == "IRFFT" else "F")
    assert dfti.into(x, out, kind, lengths, threads)
    return out


def assert_transformed(kind, batch, lengths, dtype):
    x = operand(kind, batch, lengths, dtype)
    before = x.copy()
    want = by_numpy(kind, x, lengths)
    out = by_mkl(kind, x, lengths)
    np.testing.assert_array_equal(x, before)
    assert abs(out - want).max() <= DTYPES[dtype] * max(abs(want).max(), abs(x).max() / len(x.ravel()))
    np.testing.assert_array_equal(by_mkl(kind, x, lengths, 2), out)


@needs_mkl
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_lengths(at_any_size, kind, dtype):
    for n in (1, 2, 3, 4, 5, 7, 8, 9, 10, 13, 16, 60, 64, 65, 127, 128, 1000, 1024, 2047, 4096, 4999, 20000):
        if dtype == np.complex128 and dfti._largest_factor(n) > dfti._EXACT:
            continue
        for batch in ((), (1,), (3,), (5, 2), (33,)):
            assert_transformed(kind, batch, (n,), dtype)


@needs_mkl
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_axes(at_any_size, kind, dtype):
    """Those that are done at once, and those that are done axis by axis; with blocks of columns that are not full."""
    shapes = [(4, 6), (1, 8), (8, 1), (2, 3, 4), (5, 1, 7), (12, 10, 9), (200, 180), (260, 125), (64, 33, 20)]
    shapes += [(2, 2, 2, 2, 2, 2, 2, 2), (300, 1, 200)]
    for lengths in shapes:
        for batch in ((), (3,), (2, 2)):
            if batch and len(lengths) + len(batch) > 8:
                continue
            assert_transformed(kind, batch, lengths, dtype)


@needs_mkl
def test_many_blocks(at_any_size):
    for kind, dtype in itertools.product(KINDS, DTYPES):
        assert_transformed(kind, (5000,), (8,), dtype)
        assert_transformed(kind, (100,), (16, 12), dtype)


@needs_mkl
@pytest.mark.parametrize("threads", [1, 2])
def test_arrays_of_any_layout(threads):
    x = operand("FFT", (40,), (64, 50), np.dtype(np.complex64))
    with config.override(num_threads=threads):
        for layout in (x[::2], x[:, :, ::-1], x.transpose(2, 0, 1), np.asfortranarray(x), x[:, 1:, 3:]):
            for axes in ((-1,), (0,), (1, 2), (2, 0)):
                want = np.fft.fftn(layout, axes=axes)
                for function in (cnp.fft.fftn, cotan.jit(cnp.fft.fftn, static_argnames="axes")):
                    np.testing.assert_allclose(function(layout, axes=axes), want, atol=3e-6 * abs(want).max())


@needs_mkl
def test_a_place_that_is_not_contiguous():
    x = operand("FFT", (64,), (64,), np.dtype(np.complex64))
    out = np.empty((64, 128), np.complex64)[:, ::2]
    assert fft._into(x, out, fft_type=FftType.FFT, fft_lengths=(64,))
    np.testing.assert_allclose(out, np.fft.fft(x), atol=1e-4)


@needs_mkl
def test_results_do_not_depend_on_where_arrays_begin(at_any_size):
    for lengths, dtype in itertools.product([(60,), (1024,), (30, 20)], DTYPES):
        x = operand("FFT", (7,), lengths, dtype)
        want = by_mkl("FFT", x, lengths)
        for offset in (16, 32, 48):
            memory = np.empty(x.nbytes + 128, np.uint8)
            start = -memory.ctypes.data % 64 + offset
            moved = memory[start : start + x.nbytes].view(dtype).reshape(x.shape)
            moved[...] = x
            np.testing.assert_array_equal(by_mkl("FFT", moved, lengths), want)


@needs_mkl
def test_at_once_and_compiled_are_the_same_bits():
    for kind, dtype in itertools.product(("fft", "ifft", "rfft", "irfft"), (np.complex64,)):
        x = operand(kind.upper(), (9,), (2000,), np.dtype(dtype))
        function = getattr(cnp.fft, kind)
        np.testing.assert_array_equal(function(x), cotan.jit(function)(x))


def test_zero_sizes():
    assert cnp.fft.fft(np.zeros((0, 4), np.complex64)).shape == (0, 4)
    assert cnp.fft.fft2(np.zeros((3, 0, 8192), np.complex64), axes=(0, 2)).shape == (3, 0, 8192)


@needs_mkl
def test_lengths_at_which_its_results_are_worse_are_left_to_pocketfft():
    x = operand("FFT", (8,), (1236,), np.dtype(np.complex128))
    out = np.empty_like(x)
    assert not dfti.into(x, out, "FFT", (1236,), 1)
    with config.override(enable_x64=True):
        np.testing.assert_allclose(cnp.fft.fft(x), np.fft.fft(x), atol=1e-12)


@needs_mkl
def test_threads_of_python(at_any_size):
    """More lengths than plans are kept, each in several threads at once."""
    lengths = [64 + 8 * k for k in range(48)]
    operands = {n: operand("FFT", (40,), (n,), np.dtype(np.complex64)) for n in lengths}
    wants = {n: by_mkl("FFT", x, (n,)) for n, x in operands.items()}
    wrong = []

    def work(seed):
        order = np.random.default_rng(seed).permutation(lengths * 4).tolist()
        wrong.extend(n for n in order if not np.array_equal(by_mkl("FFT", operands[n], (n,), 2), wants[n]))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert dfti._plan.cache_info().currsize <= 32


class Refusing:
    """Stands for an MKL that makes descriptors and does not commit them."""

    def __init__(self):
        self.made = self.freed = 0

    def __getattr__(self, name):
        def function(handle, *values):
            if name.startswith("DftiCreateDescriptor"):
                self.made += 1
                handle._obj.value = 4096
            self.freed += name == "DftiFreeDescriptor"
            return int(name == "DftiCommitDescriptor")

        return function


def test_what_it_refuses_is_done_by_pocketfft(monkeypatch):
    library = Refusing()
    monkeypatch.setattr(driver, "numerics", lambda: driver.Library("MKL", library))
    dfti._plan.cache_clear()
    x = operand("FFT", (3,), (1024,), np.dtype(np.complex64))
    np.testing.assert_allclose(cnp.fft.fft(x), np.fft.fft(x), atol=1e-3)
    dfti._plan.cache_clear()
    assert (library.made, library.freed) == (1, 1)


def test_what_fails_is_done_by_pocketfft(monkeypatch):
    fails = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(lambda *_: 3)
    address = ctypes.cast(fails, ctypes.c_void_p).value
    stage = dfti.Stage((0, 1), 2, (0, 0, address, 2, 0, 0, 0, 0, 0), (None, None))
    monkeypatch.setattr(dfti, "_plan", lambda *_: dfti.Plan((stage,), 0))
    monkeypatch.setattr(driver, "numerics", lambda: driver.Library("MKL", None))
    x = operand("FFT", (3,), (1024,), np.dtype(np.complex64))
    np.testing.assert_allclose(cnp.fft.fft(x), np.fft.fft(x), atol=1e-3)
