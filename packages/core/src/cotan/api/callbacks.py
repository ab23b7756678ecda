"""Callbacks for users: Python functions that run on the host in the middle of a program.

Arguments, pytrees and messages; what a callback means under each transform stands with its primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cotan import dtypes
from cotan.api.flat import check_callable
from cotan.errors import a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, shaped
from cotan.ir.trace import current_trace, eval_trace
from cotan.primitives import callback as primitives
from cotan.primitives.host_function import UserFunction
from cotan.runtime.devices import devices
from cotan.tree import PyTreeDef, keystr, tree_flatten, tree_flatten_with_path
from cotan.tree.calling import ArgNames, fun_name


def pure_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    vmap_method: str | None = None,
    **kwargs: Any,
) -> Any:
    """The result of a pure Python function, also where programs are traced: it is called when they run.

    Since the function is pure it may be called again, or not at all where nobody reads its result. It has no
    derivative; give it one with ``custom_jvp`` or ``custom_vjp``.

    Args:
      callback: takes Arrays (which lie on the CPU) in the pytrees ``args`` and ``kwargs``; returns arrays or scalars.
      result_shape_dtypes: what it returns: a pytree of anything with a ``shape`` and a ``dtype``.
      args, kwargs: arrays, or pytrees of them.
      sharding: accepted for one device.
      vmap_method: how it is called under ``vmap``: ``"sequential"`` or ``"sequential_unrolled"``: once for each
        example; ``"expand_dims"``: once, with a leading axis for all, of size 1 where an argument is not mapped;
        ``"broadcast_all"``: once, with a leading axis of full size for all; ``"legacy_vectorized"``: once, with a
        leading axis for mapped arguments only; None: not at all.

    Returns:
      Arrays in the structure of ``result_shape_dtypes``.

    Raises:
      TypeError: an argument is not an array, or (when it runs) the callback returned something else than declared.
      ValueError: ``vmap_method`` is none of these; a 64-bit result is declared while those are off; it is
        differentiated.
      NotImplementedError: it is under vmap without a ``vmap_method``.

    >>> import cotan, cotan.numpy as cnp, numpy as np
    >>> x = cnp.arange(3.0)
    >>> cotan.jit(lambda x: cotan.pure_callback(np.square, x, x) + 1)(x)
    Array([1., 2., 5.], dtype=float32)
    """
    if vmap_method is not None and vmap_method not in primitives.VMAP_METHODS:
        allowed = ", ".join(primitives.VMAP_METHODS)
        raise ValueError(f"{where()}: pure_callback: vmap_method must be None or one of {allowed}, got {vmap_method!r}")
    avals, out_tree = _results("pure_callback", result_shape_dtypes)
    leaves, function = _arguments("pure_callback", callback, args, kwargs, sharding, out_tree)
    return out_tree.unflatten(primitives.pure_callback(leaves, function, avals, vmap_method))


def io_callback(
    callback: Callable[..., Any],
    result_shape_dtypes: Any,
    *args: Any,
    sharding: Any = None,
    ordered: bool = False,
    **kwargs: Any,
) -> Any:
    """The result of a Python function that reads or changes the world; it is called each time the program gets there.

    Args:
      callback: takes Arrays in the pytrees ``args`` and ``kwargs``; returns arrays or scalars.
      result_shape_dtypes: what it returns: a pytree of anything with a ``shape`` and a ``dtype``; None: nothing.
      args, kwargs: arrays, or pytrees of them.
      sharding: accepted for one device.
      ordered: whether it keeps its place among all ordered callbacks. Such a one cannot be mapped by ``vmap``; others
        are called once for each example.

    Returns:
      Arrays in the structure of ``result_shape_dtypes``.

    Raises:
      TypeError: an argument is not an array, or (when it runs) the callback returned something else than declared.
      ValueError: a 64-bit result is declared while those are off; it is differentiated; it is ordered, under vmap.

    >>> import cotan, numpy as np
    >>> from cotan.experimental import io_callback
    >>> numbers = iter(range(10))
    >>> @cotan.jit
    ... def following():
    ...     return io_callback(lambda: np.int32(next(numbers)), cotan.ShapeDtypeStruct((), "int32"), ordered=True)
    >>> int(following()), int(following())
    (0, 1)
    """
    avals, out_tree = _results("io_callback", result_shape_dtypes)
    leaves, function = _arguments("io_callback", callback, args, kwargs, sharding, out_tree)
    return out_tree.unflatten(primitives.io_callback(leaves, function, avals, ordered))


def _results(api: str, declared: Any) -> tuple[tuple[ShapedArray, ...], PyTreeDef]:
    """The types that a callback is said to return, and their structure."""
    found, tree = tree_flatten_with_path(declared)
    avals = []
    for path, leaf in found:
        shape, dtype = getattr(leaf, "shape", None), getattr(leaf, "dtype", None)
        at = f" at {keystr(path)}" if path else ""
        if not isinstance(shape, tuple) or dtype is None:
            raise TypeError(
                f"{where()}: {api}: result_shape_dtypes must hold objects with a shape and a dtype "
                f"(cotan.ShapeDtypeStruct), got {a_type(leaf)}{at}"
            )
        dtype = dtypes.as_dtype(dtype)
        if dtypes.is_extended(dtype):
            raise TypeError(
                f"{where()}: {api}: a callback cannot return random keys ({dtype}){at}; let it return their words and "
                "use cotan.random.wrap_key_data"
            )
        if dtypes.canonicalize_dtype(dtype) != dtype:
            raise ValueError(
                f"{where()}: {api}: result_shape_dtypes declares {dtype}{at}, but 64-bit dtypes are off; declare the "
                "32-bit one, or turn them on (cotan.config.enable_x64)"
            )
        avals.append(shaped(shape, dtype))
    return tuple(avals), tree


def _arguments(
    api: str, callback: Any, args: tuple[Any, ...], kwargs: dict[str, Any], sharding: Any, out_tree: PyTreeDef
) -> tuple[list[Any], UserFunction]:
    """The leaves of the arguments, which must be arrays, and the callback as a function of them."""
    check_callable(api, callback)
    if sharding is not None and len(getattr(sharding, "device_set", ())) != 1:
        raise NotImplementedError(f"{where()}: {api}: sharding must be that of one device, got {sharding!r}")
    leaves, in_tree = tree_flatten((args, kwargs))
    for k, x in enumerate(leaves):
        if not is_array_like(x):
            raise TypeError(
                f"{where()}: {api} of `{fun_name(callback)}`: argument `{ArgNames(callback, in_tree)[k]}` is a "
                f"{type(x).__name__}, not an array. Close over it if it is not data."
            )
    return leaves, UserFunction(callback, api, in_tree, list(map(get_aval, leaves)), (), out_tree)


def debug_arguments(
    api: str, callback: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[list[Any], UserFunction]:
    """The leaves of the arguments that are arrays, and the callback as a function of them; it gets the others too."""
    leaves, in_tree = tree_flatten((args, kwargs))
    arrays = [is_array_like(x) and get_aval(x).dtype != dtypes.float0 for x in leaves]
    given = [x for x, a in zip(leaves, arrays, strict=True) if a]
    static = [(k, x) for k, (x, a) in enumerate(zip(leaves, arrays, strict=True)) if not a]
    return given, UserFunction(callback, api, in_tree, list(map(get_aval, given)), static)


def effects_barrier() -> None:
    """Wait until all effects (prints, callbacks) of what has been called are done.

    >>> import cotan
    >>> cotan.effects_barrier()
    """
    if current_trace() is eval_trace:
        for device in devices():
            device.synchronize()
