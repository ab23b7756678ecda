"""cotan.core: the types of values and of traced values, and programs run as they are, for those who look at them."""

from collections.abc import Sequence
from typing import Any

from cotan.api.flat import lift_leaf
from cotan.errors import InconclusiveDimensionOperation as InconclusiveDimensionOperation
from cotan.errors import a_type, where
from cotan.ir.avals import ShapedArray as ShapedArray
from cotan.ir.jaxpr import Jaxpr
from cotan.ir.trace import Tracer as Tracer
from cotan.runtime.placed import ensure_compile_time_eval as ensure_compile_time_eval
from cotan.tracebacks import boundary
from cotan.transforms.stage import replay

AbstractValue = ShapedArray  # all values are arrays here


@boundary
def eval_jaxpr(jaxpr: Jaxpr, consts: Sequence[Any], *args: Any, propagate_source_info: bool = True) -> list[Any]:
    """The results of a program, operation by operation; under a transform its operations are transformed or recorded.

    Args:
      jaxpr: the ``jaxpr`` of what ``make_jaxpr`` returns; ``consts`` are the ``consts`` of that.
      args: one array for each of its arguments, of their shapes and dtypes.
      propagate_source_info: accepted; what is recorded keeps its place in the program from which it came.

    Raises:
      TypeError: it is no jaxpr.
      ValueError: too many or too few constants or arguments.

    >>> import cotan
    >>> made = cotan.make_jaxpr(lambda x: 2 * x)(1.0)
    >>> cotan.core.eval_jaxpr(made.jaxpr, made.consts, 3.0)
    [Array(6., dtype=float32, weak_type=True)]
    """
    if not isinstance(jaxpr, Jaxpr):
        raise TypeError(f"{where()}: eval_jaxpr takes a jaxpr, as make_jaxpr(f)(x).jaxpr, got {a_type(jaxpr)}")
    for what, wanted, given in (("constants", jaxpr.constvars, consts), ("arguments", jaxpr.invars, args)):
        if len(wanted) != len(given):
            raise ValueError(f"{where()}: eval_jaxpr: the jaxpr has {len(wanted)} {what}, but {len(given)} are given")
    return list(map(lift_leaf, replay(jaxpr, list(map(lift_leaf, consts)), list(map(lift_leaf, args)))))
