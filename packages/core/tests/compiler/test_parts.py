"""Complex numbers in kernels: fused like others, and with NumPy's values, those of C99 where it has special ones."""

from __future__ import annotations

import cmath
import itertools
import math
from typing import Any

import mpmath
import numpy as np
import pytest
from compiler.compiling import by_reference, check, kinds, staged
from program_interpreter import run_program

from cotan.compiler import compile_to_program, explain
from cotan.config import config
from cotan.ir.program import KernelStep
from cotan.primitives import arithmetic, compare, cumulative, fft, scatter, shape, transcendental
from cotan.primitives import slice as slicing
from cotan.structural import broadcast_in_dim, convert_element_type, reduce_sum, transpose

RNG = np.random.default_rng(0)
INF, NAN = math.inf, math.nan
C64, C128 = np.dtype(np.complex64), np.dtype(np.complex128)


def array(*extents: int, dtype: Any = C64) -> Any:
    return (RNG.normal(size=extents) + 1j * RNG.normal(size=extents)).astype(dtype)


def chain(z: Any, w: Any) -> list[Any]:
    product = arithmetic.mul(transcendental.exp(z), arithmetic.conj(w))
    chosen = compare.select_n(compare.gt(arithmetic.imag(product), 0.0), product, arithmetic.div(z, w))
    return [arithmetic.add(chosen, 1 - 2j), arithmetic.abs(chosen)]


@pytest.mark.parametrize("dtype", [C64, C128])
@pytest.mark.parametrize("extents", [(), (1,), (7,), (3, 5), (2, 1, 4), (0,), (3, 0)])
def test_a_chain_is_one_kernel(dtype: Any, extents: tuple[int, ...]) -> None:
    with config.override(enable_x64=True):
        program = check(chain, array(*extents, dtype=dtype), array(*extents, dtype=dtype))
    assert kinds(program) == ((0, 0, 0) if 0 in extents else (1, 0, 0))


def test_moves_fuse() -> None:
    def moved(z: Any, row: Any) -> list[Any]:
        spread = broadcast_in_dim(row, (4, 3), (1,))
        return [arithmetic.mul(transpose(z, (1, 0)), shape.rev(spread, (0, 1)))]

    assert kinds(check(moved, array(3, 4), array(3))) == (1, 0, 0)


def test_a_part_alone_is_no_array_of_its_own() -> None:
    """What lies in every second number is copied where it is a result or goes to the host."""

    def parts(z: Any) -> list[Any]:
        return [arithmetic.real(z), transpose(arithmetic.imag(z), (1, 0)), fft.fft(arithmetic.imag(z), "RFFT", (4,))]

    program = check(parts, array(3, 4))
    assert kinds(program)[2] == 1


def test_between_steps_on_the_host() -> None:
    def filtered(x: Any, response: Any) -> list[Any]:
        spectrum = arithmetic.mul(fft.fft(x, "FFT", (8,)), broadcast_in_dim(response, (3, 8), (1,)))
        return [fft.fft(spectrum, "IFFT", (8,)), reduce_sum(spectrum, (1,))]

    assert kinds(check(filtered, array(3, 8), array(8)))[2] == 2


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1), (2,), (0, 1, 2)])
@pytest.mark.parametrize("extents", [(5, 9, 3), (1, 40, 2), (2, 3, 1)])
def test_sums_and_products(axes: tuple[int, ...], extents: tuple[int, ...]) -> None:
    from cotan.primitives.reduce import reduce_prod

    program = check(lambda z: [reduce_sum(z, axes), reduce_prod(z, axes)], array(*extents), rtol=2e-4)
    assert kinds(program)[2] == 0


def test_a_big_sum_is_done_in_two_stages() -> None:
    z = array(1 << 15, dtype=C128)
    with config.override(enable_x64=True):
        program = check(lambda z: [reduce_sum(z, (0,))], z)
    assert sum(isinstance(step, KernelStep) for step in program.steps) == 2


def test_a_donated_argument_is_not_read_after_it_is_written() -> None:
    """A part is computed from both: neither may be gone when the other one is."""
    z = array(3, 4)
    for donated in (False, True):
        check(lambda z: [arithmetic.mul(z, z)], z, donated=[donated])
        check(lambda z: [arithmetic.mul(shape.rev(z, (0,)), z)], z, donated=[donated])


def test_wider_numbers_are_not_written_over_parts_that_others_read() -> None:
    def widened(x: Any) -> list[Any]:
        spectrum = fft.fft(x, "FFT", (8,))
        half = slicing.slice(arithmetic.real(spectrum), (0,), (4,), (1,))
        wide = broadcast_in_dim(convert_element_type(half, np.dtype(np.float64)), (4, 2), (0,))
        return [fft.fft(wide, "RFFT", (2,))]

    with config.override(enable_x64=True):
        check(widened, array(8))


def test_results_that_are_read_again() -> None:
    def again(z: Any) -> list[Any]:
        product = arithmetic.mul(z, z)
        total = reduce_sum(product, (0, 1))
        return [product, arithmetic.sub(product, broadcast_in_dim(total, (3, 4), ())), arithmetic.imag(product)]

    check(again, array(3, 4))


OTHERS = [np.bool_, np.int32, np.float32, np.float16, C64, C128]


@pytest.mark.parametrize(("given", "to"), [pair for x in (C64, C128) for o in OTHERS for pair in ((x, o), (o, x))])
def test_conversions(given: Any, to: Any) -> None:
    x = np.array([0, 1, 0, 3, 2]).astype(given)
    if np.dtype(given).kind == "c":
        x.imag = [0, 0, 1, 2, -0.0]
    with config.override(enable_x64=True):
        check(lambda x: [convert_element_type(x, np.dtype(to))], x)


def test_what_is_not_written_out_is_done_on_the_host() -> None:
    program = check(lambda z: [arithmetic.mul(cumulative.cumprod(z, 0, False), z)], array(5))
    assert kinds(program) == (1, 0, 1)


NUMBERS = scatter.ScatterDimensionNumbers((), (0,), (0,))
WHERE = np.array([[1], [3], [1]], np.int32)


@pytest.mark.parametrize("donated", [False, True])
def test_updates_of_complex_arrays(donated: bool) -> None:
    def added(z: Any, w: Any) -> list[Any]:
        return [scatter.scatter_add(arithmetic.mul(z, z), WHERE, w, NUMBERS), arithmetic.mul(w, 2j)]

    def begun(z: Any, w: Any) -> list[Any]:
        zeros = broadcast_in_dim(np.complex64(1j), (5,), ())
        return [scatter.scatter_add(zeros, WHERE, arithmetic.mul(w, w), NUMBERS), scatter.scatter(z, WHERE, w, NUMBERS)]

    def part(z: Any, w: Any) -> list[Any]:
        return [slicing.dynamic_update_slice(z, w, (np.int32(1),)), arithmetic.real(z)]

    for fun in (added, begun, part):
        program = check(fun, array(5), array(3), donated=[donated, False])
        assert kinds(program)[2] == 0
    assert kinds(check(lambda z, w: [scatter.scatter_mul(z, WHERE, w, NUMBERS)], array(5), array(3)))[2] == 1


@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(reverse: bool) -> None:
    program = check(lambda z: [arithmetic.mul(cumulative.cumsum(z, 1, reverse), z)], array(3, 40))
    assert kinds(program)[2] == 0


def test_a_sum_into_few_places_is_done_in_copies() -> None:
    z, where = array(40_000), RNG.integers(0, 3, (40_000, 1)).astype(np.int32)
    program = check(lambda z: [scatter.scatter_add(np.zeros(3, np.complex64), where, z, NUMBERS)], z, rtol=2e-3)
    assert kinds(program)[2] == 0


def test_explain_names_the_arrays_by_their_own_types() -> None:
    text = explain(compile_to_program(staged(chain, array(3), array(3))))
    assert "c64[3]" in text
    assert "HOST" not in text


# ---- Values


def found(fun: Any, *args: Any) -> np.ndarray:
    with config.override(enable_x64=True):
        return run_program(compile_to_program(staged(fun, *args)), [np.asarray(a) for a in args])[0]


EDGES = (0.0, -0.0, 1.0, -2.5, INF, -INF, NAN)
GRID = np.array([complex(a, b) for a, b in itertools.product(EDGES, EDGES)])


@pytest.mark.parametrize("dtype", [C64, C128])
def test_the_exponential_function_at_its_limits(dtype: Any) -> None:
    """As C99, annex G, has it; where the sign of a zero or an infinity is left open there, any is right."""
    z = GRID.astype(dtype)
    actual = found(lambda z: [transcendental.exp(z)], z)
    for x, y in zip(z, actual, strict=True):
        with np.errstate(all="ignore"):
            expected = np.exp(x.astype(C128))
        if np.isinf(x.real) and x.real > 0 and not np.isfinite(x.imag):
            assert np.isinf(y.real), x
            assert np.isnan(y.imag), x
        elif np.isinf(x.real) and not np.isfinite(x.imag):
            assert y == 0, x
        else:
            np.testing.assert_allclose([y.real, y.imag], [expected.real, expected.imag], rtol=1e-6, err_msg=str(x))


@pytest.mark.parametrize("dtype", [C64, C128])
def test_the_size_of_edges_is_that_of_numpy(dtype: Any) -> None:
    z = GRID.astype(dtype)
    np.testing.assert_allclose(found(lambda z: [arithmetic.abs(z)], z), np.abs(z), rtol=1e-6)
    tiny = np.finfo(dtype).tiny
    for scale in (tiny, tiny * 2.0**10, float(np.finfo(dtype).max) / 4):
        x = (np.array([3 + 4j, -4 + 3j, 1 + 0j, 1e-3 - 1j]) * scale).astype(dtype)
        np.testing.assert_allclose(found(lambda z: [arithmetic.abs(z)], x), np.abs(x), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", [C64, C128])
def test_quotients_are_those_of_numpy(dtype: Any) -> None:
    finite = GRID[np.isfinite(GRID)].astype(dtype)
    z, w = (x.ravel() for x in np.meshgrid(GRID.astype(dtype), finite))
    with np.errstate(all="ignore"):
        expected = z / w
    actual = found(lambda z, w: [arithmetic.div(z, w)], z, w)
    np.testing.assert_allclose(actual.real, expected.real, rtol=1e-6)
    np.testing.assert_allclose(actual.imag, expected.imag, rtol=1e-6)


def test_quotients_of_large_and_small_numbers_do_not_overflow() -> None:
    for scale in (1e-160, 1e160):
        z, w = np.array([(3 - 2j) * scale]), np.array([(1 + 4j) * scale])
        np.testing.assert_allclose(found(lambda z, w: [arithmetic.div(z, w)], z, w), [(3 - 2j) / (1 + 4j)], rtol=1e-15)


@pytest.mark.parametrize(("dtype", "low", "high"), [(C64, -104, 89.4), (C128, -745, 710.4)])
def test_the_exponential_function_is_within_three_ulp_of_the_larger_part(dtype: Any, low: float, high: float) -> None:
    """Also where that of the real part alone overflows."""
    z = (RNG.uniform(low, high, 300) + 1j * RNG.uniform(-9, 9, 300)).astype(dtype)
    z[:4] = [high + 1.5707j, high - 1.5709j, high + 0.0j, low + 3j]
    actual = found(lambda z: [transcendental.exp(z)], z)
    for x, y in zip(z, actual, strict=True):
        exact = mpmath.exp(mpmath.mpc(complex(x)))
        if abs(exact) > np.finfo(dtype).max:
            continue
        ulp = float(np.spacing(np.finfo(dtype).dtype.type(abs(exact))))
        assert abs(mpmath.mpf(float(y.real)) - exact.real) <= 3 * ulp, x
        assert abs(mpmath.mpf(float(y.imag)) - exact.imag) <= 3 * ulp, x


def test_sizes_are_within_two_ulp() -> None:
    z = array(300) * 10.0 ** RNG.uniform(-20, 20, 300)
    for x, y in zip(z.astype(C64), found(lambda z: [arithmetic.abs(z)], z.astype(C64)), strict=True):
        exact = mpmath.sqrt(mpmath.mpf(float(x.real)) ** 2 + mpmath.mpf(float(x.imag)) ** 2)
        assert abs(mpmath.mpf(float(y)) - exact) <= 2 * float(np.spacing(np.float32(exact)))


def test_a_number_times_its_conjugate_is_real() -> None:
    z = array(500)
    assert not found(lambda z: [arithmetic.mul(z, arithmetic.conj(z))], z).imag.any()


def test_what_the_reference_computes_is_what_python_does() -> None:
    """The oracle of these tests, held against another one."""
    z = array(20, dtype=C128)
    closed = staged(lambda z: [transcendental.exp(z)], z)
    np.testing.assert_allclose(by_reference(closed, [z])[0], [cmath.exp(x) for x in z], rtol=1e-14)
