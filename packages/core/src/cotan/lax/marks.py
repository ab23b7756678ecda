"""Identities with a meaning for transforms, compilers or device meshes, on pytrees: what stands for each leaf."""

from __future__ import annotations

from typing import Any

from cotan.api.flat import lift_leaf
from cotan.errors import where
from cotan.ir.avals import get_aval
from cotan.ir.trace import Tracer
from cotan.primitives import call, cast
from cotan.tracebacks import boundary
from cotan.tree import flatten_axes, keystr, tree_flatten, tree_flatten_with_path, tree_map


@boundary
def stop_gradient(x: Any) -> Any:
    """A pytree of arrays, as constants for differentiation. Integers and bools, without derivative, pass unchanged.

    Raises:
      TypeError: a leaf is not an array.

    >>> import cotan
    >>> cotan.grad(lambda x: x * cotan.lax.stop_gradient(x))(3.0)
    Array(3., dtype=float32, weak_type=True)
    """
    return tree_map(cast.stop_gradient, x)


@boundary
def optimization_barrier(operand: Any, /) -> Any:
    """A pytree of arrays as it is; the compiler takes each for a value of its own, and moves nothing across.

    Raises:
      TypeError: a leaf is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.lax.optimization_barrier({"a": cnp.arange(2), "b": 1.0})
    {'a': Array([0, 1], dtype=int32), 'b': Array(1., dtype=float32, weak_type=True)}
    """
    return tree_map(lambda leaf: call.optimization_barrier(lift_leaf(leaf)), operand)


@boundary
def with_sharding_constraint(x: Any, shardings: Any) -> Any:
    """A pytree of arrays as it is, and a statement of how they lie on devices, which one device fulfils by itself.

    Args:
      x: a pytree of arrays.
      shardings: a sharding that puts an array on one device (as ``x.sharding``), or a pytree of such: a prefix of the
        structure of ``x``.

    Raises:
      TypeError: something is not a sharding.
      ValueError: ``shardings`` does not fit the structure, names several devices, or another one than that on which the
        array lies.

    >>> import cotan, cotan.numpy as cnp
    >>> x = cnp.arange(2)
    >>> cotan.jit(lambda y: cotan.lax.with_sharding_constraint(y, x.sharding) + 1)(x)
    Array([1, 2], dtype=int32)
    """
    leaves, tree = tree_flatten(x)
    given = flatten_axes(f"{where()}: with_sharding_constraint: shardings", tree, shardings)
    for k, (leaf, sharding) in enumerate(zip(leaves, given, strict=True)):
        get_aval(leaf)
        problem = _misplaced(leaf, sharding)
        if problem:
            path = keystr(tree_flatten_with_path(x)[0][k][0])
            at = f" for the array at {path}" if path else ""
            raise problem[0](f"{where()}: with_sharding_constraint: the sharding{at} {problem[1]}")
    return tree.unflatten([lift_leaf(leaf) for leaf in leaves])


def _misplaced(x: Any, sharding: Any) -> tuple[type[Exception], str] | None:
    """The exception for a ``sharding`` that ``x`` cannot have, and why; None if it has it."""
    devices = getattr(sharding, "device_set", None)
    if devices is None:
        return TypeError, f"is {sharding!r}; it must be a sharding, such as the attribute `sharding` of an array"
    if len(devices) != 1:
        return ValueError, f"divides it over {len(devices)} devices, but a program here runs on one"
    (device,) = devices
    known = x.concrete() if isinstance(x, Tracer) else x
    actual = getattr(known, "device", device)
    if actual is not device:
        return ValueError, f"puts it on {device}, but it lies on {actual}; move it with cotan.device_put first"
    return None
