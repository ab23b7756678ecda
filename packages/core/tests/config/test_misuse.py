"""Arguments that Python or NumPy stops inside of cotan: the text names the call, and what the function takes."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import dtypes, image, lax, nn, tree, tree_util
from cotan.config import config
from cotan.errors import ShapeError
from cotan.scipy import linalg, special, stats

ROOM = str(Path(cotan.__file__).parent)
X = cnp.ones((2, 3))

CASES: dict[str, tuple[Callable[[], Any], type[Exception], list[str]]] = {
    "no axes": (
        lambda: lax.reduce_sum(X, None),
        TypeError,
        ["reduce_sum(f32[2,3], None): 'NoneType' object is not iterable", "reduce_sum(operand, axes, *,"],
    ),
    "an axis of a scalar": (
        lambda: nn.glu(1.0),
        ValueError,
        ["glu(1.0): tuple index out of range", "what it takes, glu(x, axis=-1)"],
    ),
    "an item that is missing": (
        lambda: lax.conv_shape_tuple({}, (1, 1), (), ()),
        ValueError,
        ["conv_shape_tuple({}, (1, 1), (), ()): there is no 0"],
    ),
    "no enum": (
        lambda: lax.round(X, rounding_method="up"),
        ValueError,
        ["round(f32[2,3], rounding_method='up'): 'up' is not a valid RoundingMethod"],
    ),
    "nothing for a number": (lambda: nn.elu(X, alpha=None), TypeError, ["elu(f32[2,3], alpha=None): "]),
    "a list of arrays": (lambda: lax.stack([X, X], axis="0"), TypeError, ["stack([f32[2,3], f32[2,3]], axis='0')"]),
    "NumPy's own kind of error": (lambda: nn.one_hot(X, 3, axis=np.array(["a"])), TypeError, ["one_hot(f32[2,3], 3"]),
    "a fraction for an axis": (lambda: lax.cumsum(X, 0.7), TypeError, ["cumsum(f32[2,3], 0.7, False): 'float' object"]),
    "a fraction for a power": (lambda: lax.integer_pow(X, 1.7), TypeError, ["integer_pow(f32[2,3], 1.7)"]),
    "a fraction of elements": (lambda: lax.top_k(X, 1.7), TypeError, ["top_k(f32[2,3], 1.7)"]),
    "text for a number of elements": (lambda: lax.top_k(X, "1"), TypeError, ["top_k(f32[2,3], '1')"]),
    "a fraction of keys": (lambda: lax.sort((X, X), num_keys=1.7), TypeError, ["num_keys=1.7)"]),
    "a fraction of bits": (lambda: lax.reduce_precision(X, 5.5, 2), TypeError, ["reduce_precision(f32[2,3], 5.5, 2)"]),
    "a fraction of groups": (
        lambda: lax.conv_general_dilated(
            cnp.ones((1, 2, 4)), cnp.ones((2, 1, 2)), (1,), "SAME", feature_group_count=2.0
        ),
        TypeError,
        ["feature_group_count=2.0)"],
    ),
    "a fraction of places": (lambda: cnp.round(X, 1.7), TypeError, ["round(f32[2,3], 1.7)"]),
    "a fraction of turns": (lambda: cnp.rot90(X, 1.7), TypeError, ["rot90(f32[2,3], 1.7)"]),
    "a fraction of axes": (lambda: cnp.array(1.0, ndmin=1.7), TypeError, ["array(1.0, ndmin=1.7)"]),
    "a fraction of columns": (lambda: cnp.tril_indices(3, 0, 1.7), TypeError, ["tril_indices(3, 0, 1.7)"]),
    "a fraction of an extent": (lambda: cnp.unravel_index(1, [1.7]), TypeError, ["unravel_index(1, [1.7])"]),
    "a fraction of bins": (lambda: cnp.histogram_bin_edges(X, 1.7), TypeError, ["bins must be an integer, edges or"]),
    "a fraction of rows": (lambda: linalg.hilbert(1.7), TypeError, ["hilbert(1.7)"]),
    "a fraction of frequencies": (lambda: linalg.dft(1.7), TypeError, ["dft(1.7)"]),
    "a method": (lambda: X.diagonal(None), TypeError, ["diagonal(f32[2,3], None): ", "diagonal(a, offset=0,"]),
    "a method of its own": (lambda: round(X, "a"), TypeError, ["round(f32[2,3], 'a'): ", "round(self, ndigits=None)"]),
    "an exponent": (lambda: X ** cnp.ones(0), ShapeError, ["power got incompatible shapes"]),
    "an index for item": (
        lambda: X.item("a"),
        TypeError,
        ["item('a') of an array of type f32[2,3]: "],
    ),
    "several elements as one": (lambda: X.item(), ValueError, ["item() of an array of type f32[2,3]: "]),
    "a large index for item": (lambda: X.item(10**30), OverflowError, ["item(1000", "An array of one element"]),
    "an order of bytes": (lambda: X.tobytes(3), ValueError, ["order must be 'C', 'F', 'A' or 'K', got 3"]),
    "no device's part": (lambda: X.addressable_data(None), TypeError, ["takes the number of a device, not a NoneType"]),
    "no dtype": (lambda: X.view(3), TypeError, ["view: 3 is not a dtype"]),
    "a dtype that is no float": (
        lambda: cnp.finfo(int),
        ValueError,
        ["finfo takes", "not int64; iinfo is for integers"],
    ),
    "a dtype that is no integer": (lambda: cnp.iinfo(X), ValueError, ["iinfo takes a dtype of integers, not float32"]),
    "a cast": (lambda: cnp.can_cast(None, "int8"), TypeError, ["can_cast(None, 'int8'): "]),
    "no dtypes": (lambda: cnp.result_type(), ValueError, ["result_type: at least one"]),
    "labels of a sum": (lambda: cnp.einsum({"a": 1}), TypeError, ["einsum takes subscripts as text", "KeyError('a')"]),
    "arrays for labels": (lambda: cnp.einsum_path(X, None), TypeError, ["einsum_path takes subscripts as text"]),
    "more than fits": (lambda: cnp.zeros(1 << 50), MemoryError, ["zeros(1125899906842624) needs more memory than"]),
    "no function for leaves": (lambda: tree.map(None, [1]), TypeError, ["tree_map(None, [1]): 'NoneType' object"]),
    "no question to nodes": (lambda: tree_util.tree_leaves([1], is_leaf=3), TypeError, ["tree_leaves([1], is_leaf=3)"]),
    "no key path": (lambda: tree_util.keystr(None), TypeError, ["keystr(None): ", "keystr(keys, *, simple=False"]),
    "no structure": (lambda: tree_util.treedef_children(3), TypeError, ["treedef_children takes a structure"]),
    "no structure of a leaf": (lambda: tree_util.treedef_is_leaf(3), TypeError, ["treedef_is_leaf takes a structure"]),
    "no structures": (lambda: tree_util.treedef_tuple([3]), TypeError, ["treedef_tuple takes a structure"]),
    "a class": (
        lambda: stats.gaussian_kde(X, bw_method={}),
        TypeError,
        ["gaussian_kde(f32[2,3], bw_method={}): ", "gaussian_kde(dataset, bw_method=None, weights=None)"],
    ),
    "a class's own refusal": (lambda: lax.Tolerance(), ValueError, ["Tolerance: no result is exact"]),
    "a division of axes": (lambda: cotan.P({"a": 1}), TypeError, ["PartitionSpec({'a': 1}): unhashable"]),
    "a fraction of dimensions": (lambda: special.multigammaln(3.0, 1.7), TypeError, ["multigammaln(3.0, 1.7)"]),
}


def raised(call: Callable[[], Any]) -> Exception:
    with pytest.raises(Exception) as info:  # noqa: PT011  the type is compared by the callers
        call()
    return info.value


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("mode", ["auto", "off"])
def test_the_call_is_named(name: str, mode: str) -> None:
    call, kind, words = CASES[name]
    with config.override(traceback_filtering=mode):
        error = raised(call)
    assert type(error) is kind
    assert str(error).startswith("test_misuse.py:"), str(error)
    assert str(error).count("test_misuse.py:") == 1
    for word in words:
        assert word in str(error), str(error)
    if mode == "auto":
        shown = "".join(traceback.format_exception(error))
        assert f'"{ROOM}' not in shown
        assert "During handling" not in shown
        whole = traceback.extract_tb(error.__cotan_unfiltered__)  # type: ignore[attr-defined]
        assert [frame for frame in whole if frame.filename.startswith(ROOM)]


def test_the_function_that_the_user_called_is_named() -> None:
    """Not one of those that it calls, which are public as well."""
    error = raised(lambda: nn.standardize(X, epsilon=None))
    assert ": standardize(f32[2,3], epsilon=None): " in str(error)
    error = raised(lambda: lax.slice_in_dim(X, 0, 2, axis=None))
    assert ": slice_in_dim(f32[2,3], 0, 2, axis=None): " in str(error)


def test_what_a_function_of_the_user_raises_stays() -> None:
    def wrong(x: Any) -> Any:
        return {}["missing"] if x is not None else x

    for call in (
        lambda: lax.map(wrong, X),
        lambda: cnp.apply_along_axis(wrong, 0, X),
        lambda: cotan.eval_shape(wrong, X),
    ):
        error = raised(call)
        assert type(error) is KeyError
        assert error.args == ("missing",)


def test_texts_of_ours_stay() -> None:
    for call in (lambda: lax.concatenate([X], "x"), lambda: cnp.reshape(X, (7,)), lambda: nn.one_hot("x", 3)):
        assert "Compare these arguments" not in str(raised(call))


def test_calls_that_do_not_fit_the_signature_say_so_themselves() -> None:
    text = str(raised(lambda: cnp.pad(X)))  # type: ignore[call-arg]
    assert text.endswith("pad() missing 1 required positional argument: 'pad_width'")


def test_long_values_are_named_by_their_type() -> None:
    text = str(raised(lambda: lax.broadcast(X, {"a" * 50: 1})))
    assert "broadcast(f32[2,3], <dict>): " in text


def test_a_thread_that_runs_nothing_of_the_users() -> None:
    caught: list[BaseException] = []
    hook, threading.excepthook = threading.excepthook, lambda given: caught.append(given.exc_value)
    try:
        thread = threading.Thread(target=nn.glu, args=(1.0,))
        thread.start()
        thread.join()
    finally:
        threading.excepthook = hook
    assert "glu(1.0): tuple index out of range" in str(caught[0])


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda f: cotan.explain(f)(), "f() missing 1 required positional argument: 'x'"),
        (lambda f: cotan.make_jaxpr(f)(1.0, 2.0), "f() takes 1 positional argument but 2 were given"),
        (lambda f: cotan.jit(f).lower(1.0, y=2.0), "f() got an unexpected keyword argument 'y'"),
    ],
)
def test_arguments_that_do_not_fit_the_users_function(call: Callable[..., Any], text: str) -> None:
    def f(x: Any) -> Any:
        return x + 1

    assert str(raised(lambda: call(f))).endswith(text)


@pytest.mark.parametrize("folder", ["site-packages", "dist-packages"])
def test_what_is_installed_in_the_folder_of_the_standard_library_is_not_of_it(folder: str) -> None:
    """As in interpreters without a virtual environment: what such a package raises is its own."""
    source = "def raises(x):\n    raise KeyError('theirs')\n"
    namespace: dict[str, Any] = {}
    exec(compile(source, str(Path(os.__file__).parent / folder / "theirs.py"), "exec"), namespace)
    error = raised(lambda: lax.map(namespace["raises"], X))
    assert type(error) is KeyError
    assert error.args == ("theirs",)


@pytest.mark.parametrize(
    "call",
    [
        lambda: np.array_repr(X, max_line_width=X),
        lambda: image.resize(X, (3, 3), X),
        lambda: lax.broadcast_shapes(X),
        lambda: dtypes.as_dtype("x"),
    ],
)
def test_the_place_is_the_users_whatever_stands_between(call: Callable[[], Any]) -> None:
    assert str(raised(call)).startswith("test_misuse.py:")
