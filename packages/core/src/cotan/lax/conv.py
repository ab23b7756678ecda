"""Relatives of conv_general_dilated: shorter calls, transposed convolution, patches, unshared kernels, and shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from cotan import dtypes
from cotan.ir.avals import get_aval
from cotan.primitives import sliding
from cotan.primitives.conv import conv_dimension_numbers, conv_general_dilated, conv_general_permutations
from cotan.primitives.dot import dot_general
from cotan.primitives.operands import shape_of
from cotan.primitives.shape import inverse, reshape, rev
from cotan.structural import convert_element_type, transpose

Shape = tuple[int, ...]


def conv(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: str,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """Convolve ``lhs`` (batch, feature, spatial axes) with ``rhs`` (output and input features, spatial axes).

    See ``conv_general_dilated``.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.conv(np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32), (1,), "VALID")
    Array([[[2., 2.]]], dtype=float32)
    """
    return conv_general_dilated(
        lhs, rhs, window_strides, padding, precision=precision, preferred_element_type=preferred_element_type
    )


def conv_with_general_padding(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None,
    rhs_dilation: Sequence[int] | None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """As ``conv``, with dilations and any padding. See ``conv_general_dilated``.

    >>> import numpy as np
    >>> from cotan import lax
    >>> x, k = np.ones((1, 1, 3), np.float32), np.ones((1, 1, 2), np.float32)
    >>> lax.conv_with_general_padding(x, k, (1,), [(1, 0)], None, (2,))
    Array([[[1., 2.]]], dtype=float32)
    """
    return conv_general_dilated(
        lhs,
        rhs,
        window_strides,
        padding,
        lhs_dilation,
        rhs_dilation,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


# ---- Transposed convolution

_CHANNELS_LAST = {
    3: ("NHC", "HIO", "NHC"),
    4: ("NHWC", "HWIO", "NHWC"),
    5: ("NHWDC", "HWDIO", "NHWDC"),
}


def _transpose_pads(reach: int, stride: int, padding: str) -> tuple[int, int]:
    """The padding of the widened operand that undoes a convolution padded in this way."""
    word = padding.upper()
    if word == "SAME":
        total = reach + stride - 2
        low = reach - 1 if stride > reach - 1 else -(-total // 2)
    elif word == "VALID":
        total = reach + stride - 2 + max(reach - stride, 0)
        low = reach - 1
    else:
        raise ValueError(f"conv_transpose: padding must be 'SAME', 'VALID' or pairs of integers, got {padding!r}")
    return low, total - low


def conv_transpose(
    lhs: Any,
    rhs: Any,
    strides: Sequence[int],
    padding: Any,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    transpose_kernel: bool = False,
    precision: Any = None,
    preferred_element_type: Any = None,
    use_consistent_padding: bool = False,
) -> Any:
    """Convolve with fractional strides: the operand is widened by ``strides`` first.

    Args:
      lhs: the operand: batch, spatial axes, feature, unless ``dimension_numbers`` say otherwise.
      rhs: the kernel: spatial axes, input features, output features, likewise.
      strides: per spatial axis how far the window of the convolution that this undoes moves.
      padding: 'SAME' or 'VALID': that of the convolution which this undoes; or a pair (low, high) per spatial axis:
        that of the widened operand.
      rhs_dilation: per spatial axis the distance of neighbours in the kernel.
      dimension_numbers: as of ``conv_general_dilated``.
      transpose_kernel: reverse the kernel and swap its features: this is the transpose of the convolution with it.
      precision, preferred_element_type: as of ``conv_general_dilated``.
      use_consistent_padding: pairs, too, are the padding of the convolution which this undoes.

    Raises:
      ValueError: another word, or no layout is given for an operand that has more than three spatial axes.

    >>> import numpy as np
    >>> from cotan import lax
    >>> x, k = np.float32([[[1], [2]]]), np.float32([[[1]], [[1]]])
    >>> lax.conv_transpose(x, k, (2,), "VALID")[0, :, 0]
    Array([1., 1., 2., 2.], dtype=float32)
    """
    rank = len(shape_of(lhs))
    if dimension_numbers is None:
        dimension_numbers = _CHANNELS_LAST.get(rank)
        if dimension_numbers is None:
            raise ValueError(f"conv_transpose: give dimension_numbers for an operand of {rank} axes")
    numbers = conv_dimension_numbers(shape_of(lhs), shape_of(rhs), dimension_numbers)
    o, i, *spatial = numbers.rhs_spec
    steps = sliding.per_axis("conv_transpose", "strides", strides, rank - 2)
    dilation = sliding.per_axis("conv_transpose", "rhs_dilation", rhs_dilation, rank - 2)
    reaches = [(shape_of(rhs)[d] - 1) * step + 1 for d, step in zip(spatial, dilation, strict=True)]
    if isinstance(padding, str):
        padding = [_transpose_pads(k, s, padding) for k, s in zip(reaches, steps, strict=True)]
    elif use_consistent_padding:
        padding = [(k - 1 - low, k - 1 - high) for k, (low, high) in zip(reaches, padding, strict=True)]
    if transpose_kernel:
        order = list(range(rank))
        order[o], order[i] = i, o
        rhs = transpose(rev(rhs, spatial), tuple(order))
    return conv_general_dilated(
        lhs,
        rhs,
        (1,) * (rank - 2),
        padding,
        steps,
        dilation,
        numbers,
        precision=precision,
        preferred_element_type=preferred_element_type,
    )


# ---- Patches


def conv_general_dilated_patches(
    lhs: Any,
    filter_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
    preferred_element_type: Any = None,
) -> Any:
    """The windows that a convolution would see, as features: for each input feature all elements of the window.

    Args:
      lhs: the operand.
      filter_shape: the window's extents, in the order of the kernel's spatial axes.
      window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers: as of ``conv_general_dilated``.
      precision: accepted; nothing is multiplied.
      preferred_element_type: the result's dtype; None: the operand's.

    Returns:
      An array in the layout of the convolution's result, with ``features * prod(filter_shape)`` features.

    >>> import numpy as np
    >>> from cotan import lax
    >>> lax.conv_general_dilated_patches(np.float32([[[1, 2, 3]]]), (2,), (1,), "VALID")
    Array([[[1., 2.],
            [2., 3.]]], dtype=float32)
    """
    name, rank, window = "conv_general_dilated_patches", len(tuple(filter_shape)), tuple(map(int, filter_shape))
    # A kernel's shape has nothing but extents in it here.
    numbers = conv_dimension_numbers(shape_of(lhs), (1,) * (rank + 2), dimension_numbers)
    x = transpose(lhs, numbers.lhs_spec)
    batch, features, *extents = shape_of(x)
    strides = sliding.per_axis(name, "window_strides", window_strides, rank)
    base = sliding.per_axis(name, "lhs_dilation", lhs_dilation, rank)
    dilation = sliding.per_axis(name, "rhs_dilation", rhs_dilation, rank)
    reach = [(k - 1) * d + 1 for k, d in zip(window, dilation, strict=True)]
    pads = sliding.pads(name, extents, reach, strides, padding)
    found = sliding.slides(extents, window, strides, pads, base, dilation)
    windows = sliding.spread(x, range(2, rank + 2), found, np.zeros((), get_aval(lhs).dtype)[()])
    order = (0, 1, *range(rank + 2, 2 * rank + 2), *range(2, rank + 2))
    counts = tuple(slide.count for slide in found)
    patches = reshape(transpose(windows, order), (batch, features * math.prod(window), *counts))
    out = transpose(patches, inverse(numbers.out_spec))
    if preferred_element_type is None:
        return out
    return convert_element_type(out, dtypes.canonicalize_dtype(preferred_element_type))


def conv_general_dilated_local(
    lhs: Any,
    rhs: Any,
    window_strides: Sequence[int],
    padding: Any,
    filter_shape: Sequence[int],
    lhs_dilation: Sequence[int] | None = None,
    rhs_dilation: Sequence[int] | None = None,
    dimension_numbers: Any = None,
    precision: Any = None,
) -> Any:
    """A convolution with a kernel of its own for every window.

    Args:
      lhs: the operand.
      rhs: the kernels: in place of the kernel's spatial axes those of the result; its input features are those of
        ``conv_general_dilated_patches``.
      filter_shape: the window's extents, in the order of the kernel's spatial axes.
      window_strides, padding, lhs_dilation, rhs_dilation, dimension_numbers, precision: as of ``conv_general_dilated``.

    >>> import numpy as np
    >>> from cotan import lax
    >>> x, kernels = np.float32([[[1, 2, 3]]]), np.float32([[[1, 0], [0, 1]]])
    >>> lax.conv_general_dilated_local(x, kernels, (1,), "VALID", (2,))
    Array([[[1., 3.]]], dtype=float32)
    """
    numbers = conv_dimension_numbers(shape_of(lhs), shape_of(rhs), dimension_numbers)
    patches = conv_general_dilated_patches(
        lhs, filter_shape, window_strides, padding, lhs_dilation, rhs_dilation, numbers
    )
    out, kernel = numbers.out_spec, numbers.rhs_spec
    result = dot_general(patches, rhs, (((out[1],), (kernel[1],)), (out[2:], kernel[2:])), precision=precision)
    # Spatial axes, batch, feature.
    rank = len(out) - 2
    return transpose(transpose(result, (rank, rank + 1, *range(rank))), inverse(out))


# ---- Shapes


def padtype_to_pads(
    in_shape: Sequence[int], window_shape: Sequence[int], window_strides: Sequence[int], padding: str
) -> list[tuple[int, int]]:
    """The padding (low, high) of each axis that a word stands for.

    Args:
      in_shape, window_shape, window_strides: extents of operand and window, and strides, per axis.
      padding: 'VALID': none; 'SAME': so that there are ``ceil(extent / stride)`` windows, what is odd at the end;
        'SAME_LOWER': at the beginning.

    Raises:
      RuntimeError: another word.
      TypeError: not a word.

    >>> from cotan import lax
    >>> lax.padtype_to_pads((5, 6), (3, 3), (2, 2), "SAME")
    [(1, 1), (0, 1)]
    """
    if not isinstance(padding, str):
        raise TypeError(f"padtype_to_pads: padding must be 'VALID', 'SAME' or 'SAME_LOWER', got {padding!r}")
    return list(sliding.pads("padtype_to_pads", in_shape, window_shape, window_strides, padding))


def _counts(extents: Sequence[int], window: Sequence[int], strides: Sequence[int], padding: Any) -> list[int]:
    pads = sliding.pads("conv", extents, window, strides, padding)
    ones = (1,) * len(window)
    return [slide.count for slide in sliding.slides(extents, window, strides, pads, ones, ones)]


def conv_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    strides: Sequence[int],
    pads: Any,
    batch_group_count: int = 1,
) -> Shape:
    """The shape of a convolution in the layout (batch, feature, spatial axes).

    >>> from cotan import lax
    >>> lax.conv_shape_tuple((1, 3, 5, 5), (7, 3, 3, 3), (2, 2), "VALID")
    (1, 7, 2, 2)
    """
    if lhs_shape[0] % batch_group_count:
        raise ValueError(
            f"conv_shape_tuple: batch_group_count {batch_group_count} must divide the batch {lhs_shape[0]}"
        )
    counts = _counts(lhs_shape[2:], rhs_shape[2:], strides, pads)
    return (lhs_shape[0] // batch_group_count, rhs_shape[0], *counts)


def conv_general_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    dimension_numbers: Any,
) -> Shape:
    """The shape of a convolution in any layout.

    >>> from cotan import lax
    >>> lax.conv_general_shape_tuple((1, 5, 5, 3), (3, 3, 3, 7), (2, 2), "SAME", ("NHWC", "HWIO", "NHWC"))
    (1, 3, 3, 7)
    """
    lhs, rhs, out = conv_general_permutations(dimension_numbers)
    shape = conv_shape_tuple([lhs_shape[d] for d in lhs], [rhs_shape[d] for d in rhs], window_strides, padding)
    return tuple(shape[k] for k in inverse(out))


def conv_transpose_shape_tuple(
    lhs_shape: Sequence[int],
    rhs_shape: Sequence[int],
    window_strides: Sequence[int],
    padding: Any,
    dimension_numbers: Any,
) -> Shape:
    """The shape of a transposed convolution.

    >>> from cotan import lax
    >>> lax.conv_transpose_shape_tuple((1, 5, 5, 3), (3, 3, 3, 7), (2, 2), "SAME", ("NHWC", "HWIO", "NHWC"))
    (1, 10, 10, 7)
    """
    lhs, rhs, out = conv_general_permutations(dimension_numbers)
    (batch, _, *extents), (features, _, *window) = [lhs_shape[d] for d in lhs], [rhs_shape[d] for d in rhs]
    if isinstance(padding, str):
        padding = [_transpose_pads(k, s, padding) for k, s in zip(window, window_strides, strict=True)]
    counts = [
        (n - 1) * s + 1 + low + high - k + 1
        for n, k, s, (low, high) in zip(extents, window, window_strides, padding, strict=True)
    ]
    return tuple((batch, features, *counts)[k] for k in inverse(out))


def reduce_window_shape_tuple(
    operand_shape: Sequence[int],
    window_dimensions: Sequence[int],
    window_strides: Sequence[int],
    padding: Sequence[tuple[int, int]],
    base_dilation: Sequence[int] | None = None,
    window_dilation: Sequence[int] | None = None,
) -> Shape:
    """The shape of ``reduce_window``.

    >>> from cotan import lax
    >>> lax.reduce_window_shape_tuple((5, 6), (3, 2), (2, 1), [(1, 1), (0, 0)])
    (3, 5)
    """
    rank = len(operand_shape)
    base = sliding.per_axis("reduce_window", "base_dilation", base_dilation, rank)
    dilation = sliding.per_axis("reduce_window", "window_dilation", window_dilation, rank)
    pads = sliding.pads("reduce_window", operand_shape, window_dimensions, window_strides, padding)
    found = sliding.slides(operand_shape, window_dimensions, window_strides, pads, base, dilation)
    return tuple(slide.count for slide in found)
