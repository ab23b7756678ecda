"""Host functions in the middle of a program."""

from __future__ import annotations

from typing import Any

import numpy as np

from cotan.primitives.callback import debug_callback_p, io_callback_p
from cotan_xla_tpu.driver import hlo, ir
from cotan_xla_tpu.emit import stored, tensor
from cotan_xla_tpu.host import HostCall
from cotan_xla_tpu.lower.table import rule


@rule("pure_callback", "io_callback", "debug_callback")
def _callback(c: Any, *operands: Any, callback: Any, **params: Any) -> list[Any]:
    if c.platform != "cpu":
        raise c.unsupported("Functions on the host run in programs for the CPU; call them outside of jit")
    writer = c.writer
    ordered = c.eqn.primitive in (io_callback_p, debug_callback_p)
    extra = [writer.chain] if ordered else []
    given = [writer.narrowed(x, aval) for x, aval in zip(operands, c.ins, strict=True)]
    kinds = [stored(aval) for aval in c.outs]
    types = [tensor(*kind) for kind in kinds]
    number = len(writer.callbacks)
    writer.callbacks.append(HostCall(callback, tuple(c.ins), tuple(v.aval for v in c.eqn.outvars), ordered))
    attributes = ir.DictAttr.get({"index": ir.IntegerAttr.get(ir.IntegerType.get_unsigned(64), number)})
    op = hlo.CustomCallOp(
        [*types, *(x.type for x in extra)], [*given, *extra], ir.StringAttr.get("xla_ffi_python_cpu_callback"),
        has_side_effect=ir.BoolAttr.get(ordered), backend_config=attributes,
        api_version=ir.IntegerAttr.get(ir.IntegerType.get_signless(32), 4),
        operand_layouts=_layouts([*given, *extra]), result_layouts=_layouts([*types, *(x.type for x in extra)]),
    )  # fmt: skip
    results = list(op.results)
    if ordered:
        writer.chain = results.pop()
    return [writer.widened(x, aval) for x, aval in zip(results, c.outs, strict=True)]


def _layouts(values: Any) -> Any:
    """Row-major layouts: what NumPy arrays have."""
    index = ir.IndexType.get()
    found = []
    for value in values:
        rank = ir.RankedTensorType(value.type if isinstance(value, ir.Value) else value).rank
        found.append(ir.DenseIntElementsAttr.get(np.arange(rank - 1, -1, -1, dtype=np.int64), type=index, shape=[rank]))
    return ir.ArrayAttr.get(found)
