"""What a function would do, without doing it: its jaxpr, its program in words, the types of its results."""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence
from typing import Any

from cotan import dtypes
from cotan.api.arguments import Argnums, bind_static, resolve_options
from cotan.api.flat import Function, check_argument_leaves, check_callable, copy_identity, subject
from cotan.api.programs import Program, trace_program
from cotan.errors import where
from cotan.ir.avals import ShapedArray, aval_of_type, described_aval, get_aval, shaped, valueless
from cotan.runtime.compile import explain_closed
from cotan.runtime.devices import SingleDeviceSharding, as_device
from cotan.runtime.sharding import NamedSharding
from cotan.tracebacks import boundary
from cotan.transforms.batch import AxisData, axes_in_scope
from cotan.tree import tree_flatten
from cotan.tree.calling import ArgNames, fun_name


class ShapeDtypeStruct:
    """The shape and dtype of an array, without data; what ``eval_shape`` returns, and ahead-of-time stages take.

    Args:
      shape: a sequence of ints.
      dtype: anything that names a dtype.
      weak_type: whether the array gives way in promotion, as Python scalars do.
      sharding: where the array lies: a ``SingleDeviceSharding`` or a device; None if that is left open.

    Raises:
      ValueError: ``dtype`` is None. TypeError: ``sharding`` is something else.

    >>> ShapeDtypeStruct((2, 3), "float32")
    ShapeDtypeStruct(shape=(2, 3), dtype=float32)
    """

    __slots__ = ("dtype", "shape", "sharding", "weak_type")

    def __init__(self, shape: Any, dtype: Any, *, weak_type: bool = False, sharding: Any = None) -> None:
        if dtype is None:
            raise ValueError(f"{where()}: ShapeDtypeStruct: dtype must not be None")
        try:
            self.shape = tuple(map(operator.index, shape))
        except TypeError:
            raise TypeError(
                f"{where()}: ShapeDtypeStruct: the shape must be a tuple of integers, got {shape!r}"
            ) from None
        self.dtype = dtypes.as_dtype(dtype)
        self.weak_type = bool(weak_type)
        if isinstance(sharding, NamedSharding) and sharding.mesh.empty:
            sharding = None  # as the type of an array has it: undivided, on no device in particular
        if sharding is not None:
            sharding = SingleDeviceSharding(as_device(sharding, "ShapeDtypeStruct: sharding"))
        self.sharding = sharding

    @staticmethod
    def like(x: Any) -> ShapeDtypeStruct:
        """That of an array or a scalar; where it lies is left open, unless it is committed.

        >>> import cotan.numpy as cnp
        >>> ShapeDtypeStruct.like(cnp.ones((2, 3)))
        ShapeDtypeStruct(shape=(2, 3), dtype=float32)
        """
        aval = get_aval(x)
        place = x.sharding if getattr(x, "committed", False) else None
        return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type, sharding=place)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return shaped(self.shape, self.dtype).size

    def update(self, **changes: Any) -> ShapeDtypeStruct:
        """The same with some of ``shape``, ``dtype``, ``weak_type`` and ``sharding`` changed.

        >>> ShapeDtypeStruct((2, 3), "float32").update(shape=(4,))
        ShapeDtypeStruct(shape=(4,), dtype=float32)
        """
        fields = {name: getattr(self, name) for name in ("shape", "dtype", "weak_type", "sharding")}
        return ShapeDtypeStruct(**{**fields, **changes})

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a ShapeDtypeStruct without axes")
        return self.shape[0]

    def _fields(self) -> tuple[Any, ...]:
        return (self.shape, self.dtype, self.weak_type, self.sharding)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ShapeDtypeStruct) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        more = ", weak_type=True" if self.weak_type else ""
        more += f", sharding={self.sharding!r}" if self.sharding is not None else ""
        return f"ShapeDtypeStruct(shape={self.shape}, dtype={getattr(self.dtype, 'name', self.dtype)}{more})"


aval_of_type[ShapeDtypeStruct] = lambda x: shaped(x.shape, dtypes.canonicalize_dtype(x.dtype), x.weak_type)
valueless.add(ShapeDtypeStruct)


def struct_of(aval: ShapedArray) -> ShapeDtypeStruct:
    """An abstract value as users see it."""
    return ShapeDtypeStruct(aval.shape, aval.dtype, weak_type=aval.weak_type)


def typeof(x: Any) -> ShapedArray:
    """The abstract value of a tracer, array or scalar, or what a ``ShapeDtypeStruct`` describes.

    Raises:
      TypeError: ``x`` is none of these.

    >>> typeof(ShapeDtypeStruct((2, 3), "float32")).shape
    (2, 3)
    """
    return get_aval(x)


def _trace(
    api: str,
    fun: Function,
    static_argnums: Argnums,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    axes: Sequence[AxisData] = (),
) -> Program:
    check_callable(api, fun)
    options = resolve_options(api, fun, static_argnums, None)
    bound = bind_static(api, fun, options, args, kwargs)
    leaves, in_tree = tree_flatten(bound.dynamic)
    avals = avals_of(api, fun, leaves, bound.names(fun, in_tree))
    return trace_program(api, fun, options, bound, in_tree, avals, (*axes, *axes_in_scope()) if axes else None)


def avals_of(api: str, fun: Function, leaves: Sequence[Any], names: ArgNames) -> tuple[ShapedArray, ...]:
    """The abstract values of arguments: of arrays, or of anything that has a shape and a dtype.

    Raises:
      TypeError: one has not; the message names it.
    """
    avals = [described_aval(x) for x in leaves]
    known = tuple([a for a in avals if a is not None])
    if len(known) < len(leaves):
        wrong = [(x, name) for x, name, a in zip(leaves, names, avals, strict=True) if a is None]
        check_argument_leaves(api, fun, [x for x, _ in wrong], [name for _, name in wrong])
    return known


@boundary
def make_jaxpr(
    fun: Function,
    static_argnums: Argnums = None,
    axis_env: Sequence[tuple[Hashable, int]] | None = None,
    return_shape: bool = False,
) -> Function:
    """A function that traces ``fun`` and returns the program, instead of running it.

    Args:
      static_argnums: positions of arguments that are Python values, not data.
      axis_env: names and sizes of axes that ``fun`` may speak of as if it were mapped over them; the program names them
        still.
      return_shape: whether to return also the structure of the result, as ``eval_shape`` does.

    Returns:
      A function that takes what ``fun`` takes (arrays may be given as ``ShapeDtypeStruct``) and returns a closed jaxpr.

    Raises:
      TypeError: ``axis_env`` is something else, or (when called) an argument or result is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.make_jaxpr(lambda x: cnp.sin(x) * 2)(1.0)
    { lambda a:~f32[] . let
        b:~f32[] = sin a
        c:~f32[] = mul b 2.0:~f32[]
      in (c,) }
    """
    check_callable("make_jaxpr", fun)
    axes = _axes_of(fun, axis_env)

    @boundary
    def traced(*args: Any, **kwargs: Any) -> Any:
        program = _trace("make_jaxpr", fun, static_argnums, args, kwargs, axes)
        closed = program.whole()
        if not return_shape:
            return closed
        return closed, program.out_tree.unflatten(map(struct_of, closed.out_avals))

    copy_identity(traced, fun, "make_jaxpr")
    traced.__name__ = fun_name(traced)
    return traced


def _axes_of(fun: Function, axis_env: Any) -> tuple[AxisData, ...]:
    """The axes of ``axis_env``, of which a later one hides one of the same name."""
    try:
        axes = tuple([AxisData(name, operator.index(size)) for name, size in axis_env or ()])
        hash(axes)
    except (TypeError, ValueError):
        raise TypeError(
            f"{subject('make_jaxpr', fun)}: axis_env must be a sequence of pairs of a name and a size, got {axis_env!r}"
        ) from None
    return axes[::-1]


@boundary
def explain(fun: Function, static_argnums: Argnums = None) -> Function:
    """A function that says what ``fun`` becomes when it is compiled, instead of running it.

    Args:
      static_argnums: positions of arguments that are Python values, not data.

    Returns:
      A function that takes what ``fun`` takes (arrays may be given as ``ShapeDtypeStruct``) and returns text: the
      steps of the compiled program on the default device, what was fused into each kernel, its loops, and what runs on
      the host.

    Raises:
      TypeError: (when called) an argument or result is not an array.
      BackendUnavailableError: (when called) no backend is installed.

    >>> import cotan, cotan.numpy as cnp
    >>> "fused: reduce_sum tanh" in cotan.explain(lambda x: cnp.sum(cnp.tanh(x), axis=1))(cnp.ones((64, 100)))
    True
    """
    check_callable("explain", fun)

    @boundary
    def explained(*args: Any, **kwargs: Any) -> str:
        program = _trace("explain", fun, static_argnums, args, kwargs)
        return explain_closed(program.closed, program.closed.jaxpr.name)

    return copy_identity(explained, fun, "explain")


@boundary
def eval_shape(fun: Function, *args: Any, **kwargs: Any) -> Any:
    """Shapes and dtypes of the result of ``fun``, without computing it.

    Args:
      args, kwargs: its arguments: arrays, or anything with a ``shape`` and a ``dtype``.

    Returns:
      The result's pytree with a ``ShapeDtypeStruct`` for each array.

    Raises:
      TypeError: an argument or result is not an array.

    >>> import cotan, cotan.numpy as cnp
    >>> cotan.eval_shape(cnp.matmul, cotan.ShapeDtypeStruct((2, 3), "float32"), cnp.ones((3, 4)))
    ShapeDtypeStruct(shape=(2, 4), dtype=float32)
    """
    program = _trace("eval_shape", fun, None, args, kwargs)
    return program.out_tree.unflatten(map(struct_of, program.closed.out_avals))
