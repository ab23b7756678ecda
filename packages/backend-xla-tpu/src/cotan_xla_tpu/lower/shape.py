"""Movement of whole arrays."""

from __future__ import annotations

from typing import Any

from cotan_xla_tpu.driver import hlo
from cotan_xla_tpu.emit import broadcast, reshape
from cotan_xla_tpu.lower.table import rule


@rule("broadcast_in_dim")
def _broadcast(c: Any, x: Any, shape: Any, broadcast_dimensions: Any) -> Any:
    return x if c.ins[0].shape == c.out.shape else broadcast(x, shape, broadcast_dimensions)


@rule("reshape")
def _reshape(c: Any, x: Any, new_sizes: Any, dimensions: Any) -> Any:
    return reshape(x, new_sizes)


@rule("squeeze")
def _squeeze(c: Any, x: Any, dimensions: Any) -> Any:
    return reshape(x, c.out.shape)


@rule("transpose")
def _transpose(c: Any, x: Any, permutation: Any) -> Any:
    return hlo.transpose(x, list(permutation))


@rule("rev")
def _rev(c: Any, x: Any, dimensions: Any) -> Any:
    return hlo.reverse(x, list(dimensions))


@rule("concatenate")
def _concatenate(c: Any, *operands: Any, dimension: int) -> Any:
    return hlo.concatenate(list(operands), dimension)


@rule("iota")
def _iota(c: Any, dtype: Any, shape: Any, dimension: int) -> Any:
    if c.out.dtype == bool:
        return c.decomposed()
    return hlo.iota(c.type(), dimension)


@rule("copy")
def _copy(c: Any, x: Any) -> Any:
    return x
