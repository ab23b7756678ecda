"""Every function of the standard is there and is called as it says: by position, by name, and with its defaults."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import array_api.standard as standard
import cotan
import cotan.numpy as cnp

X = np.array([[4.0, 1.0, 2.0], [1.0, 5.0, 3.0], [2.0, 3.0, 6.0]])
V = np.array([3.0, 1.0, 2.0])
GIVEN = object()
TABLES = [
    *(("", *item) for item in standard.signatures(standard.MAIN).items()),
    *(("", *item) for item in standard.elementwise().items()),
    *(("linalg", *item) for item in standard.signatures(standard.LINALG).items()),
    *(("fft", *item) for item in standard.signatures(standard.FFT).items()),
]
IDS = [f"{space}.{name}" if space else name for space, name, _ in TABLES]

# Arguments where `x`, `x1` ... are not enough.
ARGUMENTS = {
    "arange": (5,),
    "astype": (X, np.float32),
    "broadcast_to": (V, (2, 3)),
    "can_cast": (np.int8, np.int16),
    "concat": ([X, X],),
    "cross": (V, V + 1),
    "empty": ((2, 3),),
    "expand_dims": (V,),
    **dict.fromkeys(("cumulative_prod", "cumulative_sum"), (V,)),
    "eye": (3,),
    "fftfreq": (5,),
    "finfo": (np.float32,),
    "full": ((2, 3), 7.0),
    "full_like": (X, 7.0),
    "iinfo": (np.int8,),
    "isdtype": (np.dtype(np.int8), "integral"),
    "linspace": (0.0, 1.0, 5),
    "matrix_power": (X, 3),
    "moveaxis": (X, 0, 1),
    "ones": ((2, 3),),
    "outer": (V, V),
    "permute_dims": (X, (1, 0)),
    "repeat": (X, 2),
    "reshape": (X, (9,)),
    "rfftfreq": (5,),
    "roll": (X, 2),
    "searchsorted": (np.sort(V), V),
    "squeeze": (X[None], 0),
    "stack": ([X, X],),
    "take": (V, np.array([2, 0])),
    "take_along_axis": (X, np.array([[0], [1], [2]])),
    "tile": (X, (2, 1)),
    "where": (X > 2, X, -X),
    "zeros": ((2, 3),),
    **dict.fromkeys(("logical_and", "logical_or", "logical_xor"), (X > 2, X > 3)),
    **dict.fromkeys(("bitwise_and", "bitwise_or", "bitwise_xor"), (X.astype(int), X.T.astype(int))),
    **dict.fromkeys(("bitwise_left_shift", "bitwise_right_shift"), (X.astype(int), X.astype(int) - 1)),
    **dict.fromkeys(("bitwise_invert",), (X.astype(int),)),
    "logical_not": (X > 2,),
}


def find(space, name):
    return getattr(getattr(cnp, space) if space else cnp, name)


def arguments(name, asked):
    """A value for each parameter without a default."""
    if name in ARGUMENTS:
        return ARGUMENTS[name]
    if name in ("__array_namespace_info__",):
        return ()
    several = [p for p in asked.parameters.values() if p.kind is p.VAR_POSITIONAL]
    needed = [p for p in asked.parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_ONLY]
    return (V, V) if several else tuple([X, X.T, X][: len(needed)])


def assert_same(a, b):
    if isinstance(a, tuple | list):
        assert type(a) is type(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, cnp.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif not type(a).__name__.endswith(("info", "Info")):
        assert a == b


@pytest.mark.parametrize(("space", "name", "asked"), TABLES, ids=IDS)
def test_parameters_are_accepted(space, name, asked):
    function = find(space, name)
    try:
        ours = inspect.signature(function)
    except ValueError:  # a builtin of NumPy without a signature
        pytest.fail(f"{name} says nothing about its parameters")
    parameters = list(asked.parameters.values())
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    named = {p.name: GIVEN for p in parameters if p.kind is p.KEYWORD_ONLY}
    several = [GIVEN, GIVEN] if any(p.kind is p.VAR_POSITIONAL for p in parameters) else []
    ours.bind(*(GIVEN for _ in positional), *several, **named)
    ours.bind(*(GIVEN for p in positional if p.default is p.empty), *several)
    alone = [GIVEN for p in positional if p.kind is p.POSITIONAL_ONLY]
    ours.bind(*alone, *several, **{p.name: GIVEN for p in positional if p.kind is p.POSITIONAL_OR_KEYWORD}, **named)


@pytest.mark.parametrize(("space", "name", "asked"), TABLES, ids=IDS)
def test_defaults_mean_what_the_standard_says(space, name, asked):
    """A call without any option equals one with all of them at the standard's defaults."""
    function, given = find(space, name), arguments(name, asked)
    filled = [p for p in asked.parameters.values() if p.default is not p.empty]
    positional = [p.default for p in filled if p.kind is p.POSITIONAL_ONLY]
    named = {p.name: p.default for p in filled if p.kind is not p.POSITIONAL_ONLY}
    with cotan.enable_x64():
        arrays = [cnp.asarray(a) if isinstance(a, np.ndarray) else a for a in given]
        plain = function(*arrays)
        assert_same(function(*arrays, *positional, **named), plain)


@pytest.mark.parametrize("name", standard.CONSTANTS)
def test_constants(name):
    value = getattr(cnp, name)
    expected = {"e": 2.718281828459045, "inf": float("inf"), "newaxis": None, "pi": 3.141592653589793}.get(name, value)
    assert value == expected or value != value
    assert value is None or type(value) is float


def test_methods_accept_their_parameters():
    for name, asked in standard.signatures(standard.METHODS).items():
        ours = inspect.signature(getattr(cnp.ndarray, name))
        positional = [GIVEN for p in asked.parameters.values() if p.kind is p.POSITIONAL_ONLY]
        ours.bind(*positional, **{p.name: GIVEN for p in asked.parameters.values() if p.kind is p.KEYWORD_ONLY})


def test_the_version():
    assert cnp.__array_api_version__ == standard.VERSION
    for version in (None, "2021.12", "2022.12", "2023.12", standard.VERSION):
        assert cnp.zeros(2).__array_namespace__(api_version=version) is cnp
    with pytest.raises(ValueError, match=r"version '1999\.12' of the array API standard is not here"):
        cnp.zeros(2).__array_namespace__(api_version="1999.12")
