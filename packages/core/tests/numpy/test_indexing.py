"""Indexing and .at updates against NumPy, on a table of index expressions; out of bounds, modes, tracing and errors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import cotan.primitives.cast
import cotan.primitives.reduce  # noqa: F401  rules of what derivatives emit
from cotan.errors import NonConcreteBooleanIndexError
from cotan.ir.avals import get_aval
from cotan.ir.check import check_jaxpr
from cotan.ir.evaluate import eval_jaxpr
from cotan.ir.trace import slots
from cotan.numpy.index_update import IndexUpdateHelper
from cotan.numpy.indexing import getitem
from cotan.testing.operators.table import eager
from cotan.transforms.batch import AxisData, batch_flat
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.partial_eval import linearize_flat
from cotan.transforms.stage import stage_to_jaxpr
from cotan.transforms.transpose import backward_pass

S = np.s_
I = np.int32


@pytest.fixture(autouse=True)
def by_reference(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(slots, "eager", eager)
    return


def at(x: Any) -> Any:
    return IndexUpdateHelper(x)


X = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4) - 5
V = np.arange(6, dtype=np.float32) * 2 - 3
MASK = X > 2

EXPRESSIONS: list[tuple[Any, Any]] = [
    # slices and integers
    (V, S[2]),
    (V, S[-1]),
    (V, S[1:4]),
    (V, S[::2]),
    (V, S[::-1]),
    (V, S[4:1:-2]),
    (V, S[-2:]),
    (V, S[:-2]),
    (V, S[10:]),
    (V, S[3:1]),
    (V, S[5:0:-4]),
    (V, S[...]),
    (V, S[()]),
    (V, S[:]),
    (V, S[None]),
    (V, S[None, 2]),
    (V, S[1:3, None]),
    (V, S[-100:100:3]),
    (V, S[np.int64(3)]),
    (V, S[np.uint8(3)]),
    (V, S[np.array(2)]),
    (V, S[5:5:-1]),
    (X, S[1]),
    (X, S[1, 2]),
    (X, S[1, 2, 3]),
    (X, S[..., 1]),
    (X, S[0, ..., 1]),
    (X, S[:, 1]),
    (X, S[:, ::-1, 1:3]),
    (X, S[None, ..., None]),
    (X, S[:, None, 1, ::2]),
    (X, S[-1, -2, -3]),
    (X, S[1, ..., None, 0]),
    (X, S[..., ::-2]),
    (X, S[:, 3:3]),
    (X, S[1, ..., 2:0:-1, 1]),
    (X, S[1:, 1:, 1:]),
    (X, S[::2, ::2, ::2]),
    (np.array(3.0, np.float32), S[None]),
    (np.array(3.0, np.float32), S[...]),
    (np.zeros((0, 3), np.float32), S[:, 1]),
    (np.zeros((0, 3), np.float32), S[::-1]),
    # index arrays
    (V, S[I([0, 2])]),
    (V, S[I([-1, 5, -6])]),
    (V, S[I([[0, 1], [2, 3]])]),
    (V, S[np.array([], int)]),
    (V, S[np.int64([1, 1])]),
    (V, S[np.uint8([1, 5])]),
    (V, S[I([2])]),
    (V, S[None, I([2, 1])]),
    (X, S[I([1, 0])]),
    (X, S[:, I([2, 0])]),
    (X, S[..., I([3, 1, 1])]),
    (X, S[I([1, 0]), I([2, 1])]),
    (X, S[I([1, 0]), :, I([2, 1])]),
    (X, S[:, I([0, 2]), I([1, 3])]),
    (X, S[0, :, I([0, 1])]),
    (X, S[:, 0, I([0, 1])]),
    (X, S[0, I([0, 1])]),
    (X, S[I([0, 1]), 0]),
    (X, S[I([[0], [1]]), I([0, 2])]),
    (X, S[I([[0], [1]]), :, I([0, 2, 3])]),
    (X, S[I([0, 1]), 1:, ::2]),
    (X, S[I([1]), ::-1, None, 2]),
    (X, S[:, None, I([0, 2])]),
    (X, S[I([0, 1]), None, I([1, 2])]),
    (X, S[None, I([0, 1]), I([1, 2])]),
    (X, S[1:, I([2, 0]), 1:3]),
    (X, S[::-1, I([2, 0]), ::2]),
    (X, S[np.array(1), I([0, 2])]),
    (X, S[I([0, 1]), ..., I([3, 2])]),
    (X, S[I([-1, -2]), -1]),
    (np.zeros((0, 3), np.float32), S[np.array([], int)]),
    (np.zeros((0, 3), np.float32), S[:, I([2, 1])]),
    # masks and flags
    (V, S[V > 0]),
    (V, S[V > 100]),
    (X, S[MASK]),
    (X, S[np.array([True, False])]),
    (X, S[:, np.array([True, False, True])]),
    (X, S[..., np.array([True, False, True, True])]),
    (X, S[MASK[:, :, 0]]),
    (X, S[:, MASK[0]]),
    (X, S[np.array([True, False]), 1]),
    (X, S[np.array([True, True]), I([0, 2])]),
    (X, S[np.array([False, True]), :, I([1, 2])]),
    (V, S[True]),
    (V, S[False]),
    (V, S[np.array(True)]),
    (V, S[True, None]),
    (X, S[True, 1]),
    (X, S[True, I([0, 1])]),
    (X, S[:, True]),
    (V, S[None, True, ::2]),
]


def names() -> list[Any]:
    return [pytest.param(x, index, id=f"{n}:{x.shape}{index!r:.60}") for n, (x, index) in enumerate(EXPRESSIONS)]


def staged(function: Any, *args: Any) -> Any:
    """The function run as a checked program, whose index arrays are traced where they are arguments."""
    jaxpr, consts = stage_to_jaxpr(lambda *xs: [function(*xs)], [get_aval(a) for a in args])
    check_jaxpr(jaxpr)
    return eval_jaxpr(jaxpr, consts, *args)[0]


def is_traceable(item: Any) -> bool:
    integer = isinstance(item, int | np.integer) and not isinstance(item, bool | np.bool_)
    return integer or (isinstance(item, np.ndarray) and item.dtype.kind in "iu")


def split(index: Any) -> tuple[list[Any], Any]:
    """The integers and index arrays of an expression, and how to put others in their places."""
    items = index if isinstance(index, tuple) else (index,)
    places = [k for k, item in enumerate(items) if is_traceable(item)]

    def rebuild(values: Any) -> Any:
        found = list(items)
        for k, value in zip(places, values, strict=True):
            found[k] = value
        return tuple(found)

    return [I(items[k]) for k in places], rebuild


def same(actual: Any, expected: Any) -> None:
    actual = np.asarray(actual)
    assert actual.shape == np.shape(expected)
    assert actual.dtype == np.asarray(expected).dtype
    np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize(("x", "index"), names())
def test_reading_agrees_with_numpy(x: Any, index: Any) -> None:
    same(getitem(x, index), x[index])
    same(at(x)[index].get(mode="fill"), x[index])
    same(at(x)[index].get(mode="clip"), x[index])


@pytest.mark.parametrize(("x", "index"), names())
def test_reading_traced_agrees_with_numpy(x: Any, index: Any) -> None:
    values, rebuild = split(index)
    same(staged(lambda y, *ids: getitem(y, rebuild(ids)), x, *values), x[index])
    same(staged(lambda y, *ids: at(y)[rebuild(ids)].get(mode="fill"), x, *values), x[index])


UPDATES: dict[str, Any] = {
    "set": lambda x, i, v: x.__setitem__(i, v),
    "add": lambda x, i, v: np.add.at(x, i, v),
    "subtract": lambda x, i, v: np.subtract.at(x, i, v),
    "multiply": lambda x, i, v: np.multiply.at(x, i, v),
    "min": lambda x, i, v: np.minimum.at(x, i, v),
    "max": lambda x, i, v: np.maximum.at(x, i, v),
}


@pytest.mark.parametrize("method", UPDATES)
@pytest.mark.parametrize(("x", "index"), names())
def test_updates_agree_with_numpy(x: Any, index: Any, method: str) -> None:
    shape = x[index].shape
    full = (np.arange(int(np.prod(shape)), dtype=np.float32).reshape(shape) * 3) % 7 - 2
    for values in (full, np.float32(2), full[..., :1] if full.ndim else full):
        expected = x.copy()
        UPDATES[method](expected, index, values)
        same(getattr(at(x)[index], method)(values), expected)
    known, rebuild = split(index)
    expected = x.copy()
    UPDATES[method](expected, index, full)
    same(staged(lambda y, v, *ids: getattr(at(y)[rebuild(ids)], method)(v), x, full, *known), expected)


def test_reading_out_of_bounds_clamps_after_wrapping_once() -> None:
    x = np.float32([5, 6, 7])
    for i, expected in ((10, 7), (-4, 5), (-3, 5), (3, 7), (2**40, 7)):
        same(getitem(x, i), np.float32(expected))
    same(getitem(x, I([10, -4, -1])), np.float32([7, 5, 7]))
    same(staged(getitem, x, I(10)), np.float32(7))
    same(staged(getitem, x, I(-9)), np.float32(5))
    same(staged(getitem, x, np.uint32(2**32 - 1)), np.float32(7))
    same(getitem(x, np.int64([2**40, -(2**40)])), np.float32([7, 5]))
    same(getitem(np.arange(200, dtype=np.float32), np.int8([-100, 100])), np.float32([100, 100]))
    same(staged(getitem, np.arange(200, dtype=np.float32), np.int8([-100, 100])), np.float32([100, 100]))


def test_modes_of_reading() -> None:
    x = np.float32([5, 6, 7])
    for run in (lambda f, *a: f(*a), staged):
        same(run(lambda y: at(y)[7].get(mode="fill"), x), np.float32(np.nan))
        same(run(lambda y: at(y)[7].get(mode="fill", fill_value=-1), x), np.float32(-1))
        same(
            run(lambda y, i: at(y)[i].get(mode="fill", fill_value=-1), x, I([0, 3, -4, -3])), np.float32([5, -1, -1, 5])
        )
        same(run(lambda y, i: at(y)[i].get(mode="clip"), x, I([0, 3, -4])), np.float32([5, 7, 5]))
        same(run(lambda y, i: at(y)[i].get(mode="one_hot"), x, I([0, 3])), np.float32([5, 0]))
        same(
            run(lambda y, i: at(y)[i].get(mode="fill", wrap_negative_indices=False), x, I([-1, 1])),
            np.float32([np.nan, 6]),
        )
        same(run(lambda y: at(y)[-1].get(mode="clip", wrap_negative_indices=False), x), np.float32(5))
    same(at(np.int8([1]))[I([4])].get(mode="fill"), np.int8([-128]))
    same(at(np.uint8([1]))[I([4])].get(mode="fill"), np.uint8([255]))
    same(at(np.array([False]))[I([4])].get(mode="fill"), np.array([True]))
    x2 = np.arange(6, dtype=np.float32).reshape(2, 3)
    same(at(x2)[I([0, 5]), 7].get(mode="fill", fill_value=9), np.float32([9, 9]))
    same(at(x2)[I([0, 5]), 1].get(mode="fill", fill_value=9), np.float32([1, 9]))
    same(at(x2)[9, 1:].get(mode="fill", fill_value=9), np.float32([9, 9]))


def test_writing_out_of_bounds_drops() -> None:
    x = np.float32([5, 6, 7])
    for run in (lambda f, *a: f(*a), staged):
        same(run(lambda y: at(y)[7].set(1.0), x), x)
        same(run(lambda y: at(y)[-9].add(1.0), x), x)
        same(run(lambda y: at(y)[7].set(1.0, mode="promise_in_bounds"), x), x)
        same(run(lambda y: at(y)[7].set(1.0, mode="clip"), x), np.float32([5, 6, 1]))
        same(run(lambda y, i: at(y)[i].set(1.0), x, I([1, 3, -4, -1])), np.float32([5, 1, 1]))
        same(run(lambda y, i: at(y)[i].add(1.0, mode="clip"), x, I([1, 3, -4, -1])), np.float32([6, 7, 9]))
        same(run(lambda y, i: at(y)[i].set(1.0, wrap_negative_indices=False), x, I([-1, 0])), np.float32([1, 6, 7]))
    same(at(np.zeros((0, 3), np.float32))[I([1])].set(2.0), np.zeros((0, 3), np.float32))


def test_of_several_writes_to_one_element_the_last_stays() -> None:
    same(at(V)[I([1, 1, 1])].set(np.float32([7, 8, 9])), np.float32([-3, 9, 1, 3, 5, 7]))


def test_divide_power_and_apply() -> None:
    from cotan.numpy import indexing

    x = np.float32([1, 2, 3])
    same(at(x)[I([1, 1])].divide(2.0), np.float32([1, 0.5, 3]))
    same(at(x)[1].power(3.0), np.float32([1, 8, 3]))
    same(at(x)[1].mul(3.0), np.float32([1, 6, 3]))
    same(at(x)[1:].apply(indexing.arithmetic.neg), np.float32([1, -2, -3]))


def test_updates_are_cast_to_the_dtype_of_the_array() -> None:
    x = np.int32([1, 2, 3])
    same(at(x)[0].set(True), np.int32([1, 2, 3]))
    same(at(x)[0].set(np.int8(7)), np.int32([7, 2, 3]))
    same(at(np.int8([1, 2]))[0].set(300), np.int8([44, 2]))
    same(at(np.float32([1, 2]))[0].set(3), np.float32([3, 2]))
    with pytest.warns(FutureWarning, match="does not fit into an array of dtype int32"):
        same(at(x)[0].set(np.float32(1.5)), np.int32([1, 2, 3]))
    with pytest.raises(OverflowError):
        at(x)[0].set(2**40)


def test_programs_are_short() -> None:
    """Known indices are slices, one traced integer is a dynamic slice, and index arrays are one gather."""

    def primitives(function: Any, *args: Any) -> list[str]:
        jaxpr, _ = stage_to_jaxpr(lambda *xs: [function(*xs)], [get_aval(a) for a in args])
        return [eqn.primitive.name for eqn in jaxpr.eqns]

    assert primitives(lambda x: getitem(x, S[:, 1]), X) == ["slice", "squeeze"]
    assert primitives(lambda x: getitem(x, S[...]), X) == []
    assert primitives(lambda x: getitem(x, S[::-2]), V) == ["slice", "rev"]
    assert primitives(lambda x, i: getitem(x, i), X, I(1)) == ["lt", "add", "select_n", "dynamic_slice", "squeeze"]
    assert primitives(lambda x: getitem(x, I([1, 0])), X) == ["gather"]
    assert primitives(lambda x: at(x)[1, 1:].set(0.0), X) == ["broadcast_in_dim", "dynamic_update_slice"]
    assert primitives(lambda x: at(x)[I([1, 0])].add(0.0), X) == ["broadcast_in_dim", "scatter_add"]


def test_derivatives() -> None:
    """Reading out of bounds has no gradient; elements read twice gather theirs."""
    x = np.float32([5, 6, 7])
    i = I([1, 9, 1, -1])
    linear = linearize_flat(lambda y: [getitem(y, i)], [x])
    [gradient] = backward_pass(linear.jaxpr, linear.residuals, [np.float32([1, 10, 100, 1000])])
    same(gradient, np.float32([0, 101, 1000]))
    [out], [tangent] = jvp_flat(
        lambda y, v: [at(y)[i].add(v)], [x, np.float32(2)], [np.float32([1, 2, 3]), np.float32(10)]
    )
    same(out, np.float32([5, 10, 9]))
    same(tangent, np.float32([1, 22, 13]))


def test_mapped_over_array_and_index() -> None:
    i = I([2, 0])
    for dims in ((0, 0), (None, 0), (0, None)):
        x = X if dims[0] == 0 else X[0]
        outs, places = batch_flat(
            lambda y, k: [getitem(y, k)], AxisData(None, 2), dims, [x, i if dims[1] == 0 else i[0]]
        )
        expected = [getitem(x[n] if dims[0] == 0 else x, int(i[n]) if dims[1] == 0 else 2) for n in range(2)]
        same(np.moveaxis(np.asarray(outs[0]), places[0], 0), np.stack(expected))


ERRORS: list[tuple[Any, Any, type[Exception], str]] = [
    (V, [0, 1], TypeError, "a list alone is no index"),
    (X, (slice(None), [0.5]), TypeError, "integer or boolean type, got f32 at position 1"),
    (V, 1.0, TypeError, "integer or boolean type, got f32 at position 0"),
    (V, np.float32([1]), TypeError, "integer or boolean type"),
    (V, "a", TypeError, "not indexed by strings"),
    (V, object(), IndexError, "only integers, slices"),
    (V, (0, 0), IndexError, "too many indices: the array has 1 dimensions, but 2 were indexed"),
    (V, (..., ...), IndexError, "single ellipsis"),
    (V, np.array([True, False]), IndexError, r"boolean index must have the shape.*\(6,\), got \(2,\)"),
    (X, (I([0, 1]), I([0, 1, 2])), IndexError, "do not broadcast together"),
    (V, slice(0.5, 2), TypeError, "slice bounds must be integers"),
    (np.zeros((0, 3), np.float32), 1, IndexError, "out of bounds for axis 0 with size 0"),
    (np.zeros((0,), np.float32), I([0]), IndexError, "out of bounds for axis 0 with size 0"),
]


@pytest.mark.parametrize(("x", "index", "error", "text"), ERRORS)
def test_bad_indices_are_refused(x: Any, index: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        getitem(x, index)


def test_bad_updates_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(3,\) does not broadcast.*shape \(\)"):
        at(V)[0].set(np.float32([1, 2, 3]))
    with pytest.raises(ValueError, match="unknown gather/scatter mode 'wrap'"):
        at(V)[0].get(mode="wrap")


def test_what_must_be_known_while_tracing() -> None:
    with pytest.raises(NonConcreteBooleanIndexError, match=r"cotan\.numpy\.where"):
        staged(lambda x, m: getitem(x, m), V, V > 0)
    with pytest.raises(NonConcreteBooleanIndexError):
        staged(lambda x, m: at(x)[m].set(0.0), V, V > 0)
    with pytest.raises(IndexError, match="bounds of a slice must be known"):
        staged(lambda x, i: getitem(x, slice(i, None)), V, I(1))
