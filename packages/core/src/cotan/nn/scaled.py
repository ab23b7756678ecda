"""Products of block-scaled matrices: numbers of few bits, with one scale for each block along the contracted axis.

The formats are those of the OCP's "Microscaling Formats (MX)" (mxfp8) and its relative with 16 numbers of four bits to
a block (nvfp4). Blocks are scaled up and multiplied in float32: results are those of hardware that has these formats.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp
from cotan.api import custom_vjp
from cotan.errors import warn
from cotan.numpy.promotion import as_array

_FLOAT32 = np.dtype(np.float32)


@dataclasses.dataclass(eq=False)
class BlockScaleConfig:
    """How an operand is scaled.

    Attributes:
      mode: 'mxfp8' or 'nvfp4'. block_size: how many numbers share a scale.
      data_type, scale_type: dtypes of the numbers and of the scales.
      global_scale: one more scale, of the whole operand; None: 1.
      infer_only: the product is not differentiated.
    """

    mode: str
    block_size: int
    data_type: Any
    scale_type: Any
    global_scale: Any
    infer_only: bool


def get_scaled_dot_general_config(mode: str, global_scale: Any = None) -> BlockScaleConfig:
    """The configuration of an operand for ``scaled_dot_general``.

    Args:
      mode: 'mxfp8': 8-bit floats, 32 to a block. 'nvfp4': 4-bit floats, 16 to a block.
      global_scale: of the whole operand, for 'nvfp4'.

    >>> import cotan
    >>> cotan.nn.get_scaled_dot_general_config("mxfp8").block_size
    32
    """
    if mode == "mxfp8":
        return BlockScaleConfig(mode, 32, dtypes.float8_e4m3fn, dtypes.float8_e8m0fnu, None, False)
    if mode == "nvfp4":
        scale = cnp.ones((1,), _FLOAT32) if global_scale is None else global_scale
        return BlockScaleConfig(mode, 16, dtypes.float4_e2m1fn, dtypes.float8_e4m3fn, scale, False)
    raise ValueError(f"get_scaled_dot_general_config: mode must be 'mxfp8' or 'nvfp4', got {mode!r}")


def scaled_matmul(
    lhs: Any, rhs: Any, lhs_scales: Any, rhs_scales: Any, preferred_element_type: Any = np.float32
) -> Any:
    """The products ``lhs[b] @ rhs[b].T`` of matrices whose blocks along the last axis have scales.

    Args:
      lhs: ``(B, M, K)``. rhs: ``(B, N, K)``.
      lhs_scales: ``(B, M, K/block)``. rhs_scales: ``(B, N, K/block)``.
      preferred_element_type: of the result.

    Returns:
      ``(B, M, N)``.

    Raises:
      ValueError: shapes that do not belong together.

    >>> import cotan, cotan.numpy as cnp
    >>> x, scales = cnp.ones((1, 2, 4)), 2 * cnp.ones((1, 2, 2))
    >>> cotan.nn.scaled_matmul(x, x, scales, scales)[0, 0, 0]
    Array(16., dtype=float32)
    """
    lhs, rhs, lhs_scales, rhs_scales = (as_array(x, "scaled_matmul") for x in (lhs, rhs, lhs_scales, rhs_scales))
    if any(x.ndim != 3 for x in (lhs, rhs, lhs_scales, rhs_scales)):
        raise ValueError("scaled_matmul: all operands must have three axes: batch, rows, and the contracted one")
    if lhs.shape[0] != rhs.shape[0] or lhs.shape[2] != rhs.shape[2]:
        raise ValueError(
            f"scaled_matmul: lhs (B, M, K) and rhs (B, N, K) must agree in B and K, got {lhs.shape} and {rhs.shape}"
        )
    for name, x, scales in (("lhs", lhs, lhs_scales), ("rhs", rhs, rhs_scales)):
        blocks = scales.shape[2]
        if scales.shape[:2] != x.shape[:2] or not blocks or x.shape[2] % blocks:
            raise ValueError(
                f"scaled_matmul: {name}_scales must have one scale for each row and block of {name} {x.shape}, got "
                f"{scales.shape}"
            )
    if lhs_scales.shape[2] != rhs_scales.shape[2]:
        raise ValueError(
            f"scaled_matmul: lhs and rhs must have blocks of one size, got {lhs_scales.shape} and {rhs_scales.shape}"
        )
    dtype = dtypes.check_user_dtype(preferred_element_type, "scaled_matmul")
    operands = [_scaled_up(x, scales) for x, scales in ((lhs, lhs_scales), (rhs, rhs_scales))]
    return cnp.einsum("bmk,bnk->bmn", *operands).astype(dtype)


def _scaled_up(x: Any, scales: Any) -> Any:
    b, rows, k = x.shape
    blocks = cnp.reshape(x.astype(_FLOAT32), (b, rows, scales.shape[2], -1))
    return cnp.reshape(blocks * scales.astype(_FLOAT32)[..., None], (b, rows, k))


def _scale_of_power_two(x: Any) -> Any:
    """float32 numbers rounded up to powers of two, as float32; those too small for the format are its smallest."""
    bits = lax.bitcast_convert_type(x, np.uint32)
    exponent, fraction = bits >> 23, bits & 0x7FFFFF
    up = (fraction > 0) & (exponent != 254) & ~((exponent == 0) & (fraction <= 0x400000))
    exponent = cnp.where(up, exponent + 1, exponent)
    power = lax.bitcast_convert_type((exponent << 23).astype(np.uint32), _FLOAT32)
    return cnp.where(exponent == 0, 2.0**-127, power)


def _quantize(x: Any, config: BlockScaleConfig) -> Any:
    """``(B, rows, K)`` as it is after scaling and rounding to the format, scaled up again, without the global scale."""
    b, rows, k = x.shape
    if not k or k % config.block_size:
        raise ValueError(
            f"scaled_dot_general: the contracted extent, {k}, must be a multiple of the block size {config.block_size} "
            f"of mode {config.mode!r}; pad the operands with zeros"
        )
    largest = float(dtypes.finfo(config.data_type).max)
    blocks = cnp.reshape(x.astype(_FLOAT32), (b, rows, k // config.block_size, config.block_size))
    if config.global_scale is not None:
        blocks = blocks / config.global_scale
    scales = cnp.max(cnp.abs(blocks), -1, keepdims=True) / largest
    if config.mode == "mxfp8":
        scales = _scale_of_power_two(scales)
    else:
        scales = cnp.clip(scales, 0, float(dtypes.finfo(config.scale_type).max))
        scales = scales.astype(config.scale_type).astype(_FLOAT32)
    rounded = cnp.clip(blocks / scales, -largest, largest).astype(config.data_type).astype(_FLOAT32)
    # A block without any number but zeros may have the scale 0.
    return cnp.reshape(cnp.where(scales == 0, 0, rounded * scales), (b, rows, k))


class _Sides:
    """Which axes of both operands are batch, contracted and kept."""

    def __init__(self, dimension_numbers: Any, ranks: Sequence[int]) -> None:
        contract, batch = dimension_numbers
        self.contract, self.batch = [tuple(c) for c in contract], [tuple(b) for b in batch]
        self.kept = [
            tuple(d for d in range(rank) if d not in self.contract[i] and d not in self.batch[i])
            for i, rank in enumerate(ranks)
        ]

    def matrices(self, i: int, x: Any) -> Any:
        """Operand ``i`` as (batch, kept, contracted)."""
        groups = (self.batch[i], self.kept[i], self.contract[i])
        shape = [int(np.prod([x.shape[d] for d in group], dtype=int)) for group in groups]
        return cnp.reshape(cnp.transpose(x, [d for group in groups for d in group]), shape)

    def operand(self, i: int, matrices: Any, shape: Sequence[int]) -> Any:
        """The inverse of ``matrices``."""
        order = (*self.batch[i], *self.kept[i], *self.contract[i])
        return cnp.transpose(cnp.reshape(matrices, [shape[d] for d in order]), np.argsort(order).tolist())


def scaled_dot_general(
    lhs: Any,
    rhs: Any,
    dimension_numbers: Any,
    preferred_element_type: Any = np.float32,
    configs: list[BlockScaleConfig] | None = None,
    implementation: str | None = None,
) -> Any:
    """``lax.dot_general`` of operands that are rounded to block-scaled numbers, with derivatives that are as well.

    Args:
      lhs, rhs, dimension_numbers, preferred_element_type: as for ``lax.dot_general``.
      configs: how lhs, rhs and the cotangent of the result are scaled, from ``get_scaled_dot_general_config``; None:
        not at all.
      implementation: accepted, with a warning, and without influence.

    Raises:
      ValueError: a contracted extent that is no multiple of the block size.

    >>> import cotan, cotan.numpy as cnp
    >>> configs = [cotan.nn.get_scaled_dot_general_config("mxfp8")] * 3
    >>> x = cnp.ones((2, 32))
    >>> cotan.nn.scaled_dot_general(x, x, (((1,), (1,)), ((), ())), configs=configs)
    Array([[32., 32.],
           [32., 32.]], dtype=float32)
    """
    if implementation is not None:
        warn("scaled_dot_general: implementation is ignored; leave it out", DeprecationWarning)
    if configs is None:
        return lax.dot_general(lhs, rhs, dimension_numbers, preferred_element_type=preferred_element_type)
    lhs, rhs = (as_array(x, "scaled_dot_general") for x in (lhs, rhs))
    if preferred_element_type is None:
        dtype = dtypes.promote_types(lhs.dtype, rhs.dtype)
    else:
        dtype = dtypes.check_user_dtype(preferred_element_type, "scaled_dot_general")
    sides = _Sides(dimension_numbers, (lhs.ndim, rhs.ndim))
    return _product(sides, configs, dtype)(lhs, rhs)


def _product(sides: _Sides, configs: Sequence[BlockScaleConfig], dtype: Any) -> Any:
    def both(left: Any, right: Any, left_config: BlockScaleConfig, right_config: BlockScaleConfig) -> Any:
        operands = [_quantize(left, left_config), _quantize(right, right_config)]
        out = cnp.einsum("bmk,bnk->bmn", *operands)
        for config in (left_config, right_config):
            out = out if config.global_scale is None else out * config.global_scale
        return out

    def apply(lhs: Any, rhs: Any) -> Any:
        out = both(sides.matrices(0, lhs), sides.matrices(1, rhs), configs[0], configs[1])
        shape = [lhs.shape[d] for d in (*sides.batch[0], *sides.kept[0])] + [rhs.shape[d] for d in sides.kept[1]]
        return cnp.reshape(out, shape).astype(dtype)

    def backward(operands: Any, ct: Any) -> Any:
        matrices = [sides.matrices(i, x) for i, x in enumerate(operands)]
        (b, m, _), n = matrices[0].shape, matrices[1].shape[1]
        ct = cnp.reshape(ct, (b, m, n))
        cts = [ct, cnp.swapaxes(ct, 1, 2)]
        slopes = []
        for i, x in enumerate(operands):
            other = cnp.swapaxes(matrices[1 - i], 1, 2)
            if configs[0].mode == "nvfp4":
                slope = cnp.einsum("bmk,bnk->bmn", cts[i].astype(_FLOAT32), other.astype(_FLOAT32))
            else:
                slope = both(cts[i], other, configs[2], configs[1 - i])
            slopes.append(sides.operand(i, slope, x.shape).astype(x.dtype))
        return tuple(slopes)

    product = custom_vjp(apply)
    product.defvjp(lambda lhs, rhs: (apply(lhs, rhs), (lhs, rhs)), backward)
    return product
