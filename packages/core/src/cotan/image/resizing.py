"""Resampling along axes: each output sample is a weighted sum of input samples, by a matrix for each axis.

Sample i of n lies at (i + 1/2) / n. Weights are values of a kernel at the distance, divided by their sum; they come
from traced numbers, so that scales and translations have derivatives too.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from cotan import lax
from cotan import numpy as cnp
from cotan.numpy.promotion import as_array, canonical_shape, normalize_axis, promote_dtypes_inexact

# Sums of weights that are smaller count as 0: no sample is near.
_LEAST = 1000.0 * float(np.finfo(np.float32).eps)
_NAMES = {
    "nearest": "NEAREST",
    **dict.fromkeys(("linear", "bilinear", "trilinear", "triangle"), "LINEAR"),
    "lanczos3": "LANCZOS3",
    "lanczos5": "LANCZOS5",
    **dict.fromkeys(("cubic", "bicubic", "tricubic"), "CUBIC"),
    **dict.fromkeys(("cubic-pytorch", "bicubic-pytorch"), "CUBIC_PYTORCH"),
    "area": "AREA",
}


class ResizeMethod(enum.Enum):
    """How samples are weighted by their distance.

    NEAREST: the nearest alone. LINEAR: a triangle. CUBIC: Keys' cubic with a = -1/2. CUBIC_PYTORCH: with a = -3/4 and
    the border repeated outwards; where antialiasing widens the kernel it is CUBIC. LANCZOS3, LANCZOS5: windowed sincs
    of radius 3 and 5. AREA: the overlap of the intervals around the samples.
    """

    NEAREST = 0
    LINEAR = 1
    LANCZOS3 = 2
    LANCZOS5 = 3
    CUBIC = 4
    CUBIC_PYTORCH = 5
    AREA = 6

    @staticmethod
    def from_string(s: str) -> ResizeMethod:
        """The method of a name, such as 'bilinear'.

        >>> from cotan.image import ResizeMethod
        >>> ResizeMethod.from_string("bicubic")
        <ResizeMethod.CUBIC: 4>
        """
        if s not in _NAMES:
            raise ValueError(f"ResizeMethod: there is no method {s!r}; known: {', '.join(_NAMES)}")
        return ResizeMethod[_NAMES[s]]


def _triangle(x: Any) -> Any:
    return cnp.maximum(0, 1 - x)


def _lanczos(radius: int) -> Callable[[Any], Any]:
    def kernel(x: Any) -> Any:
        # Near 0, where the quotient is 0/0, it is 1 to single precision.
        near = x <= 1e-3
        safe = cnp.where(near, 1, x)
        value = radius * cnp.sin(np.pi * safe) * cnp.sin(np.pi * safe / radius) / (np.pi**2 * safe**2)
        return cnp.where(x > radius, 0, cnp.where(near, 1, value))

    return kernel


def _cubic(a: float) -> Callable[[Any], Any]:
    """R. Keys, "Cubic convolution interpolation for digital image processing", 1981."""

    def kernel(x: Any) -> Any:
        inner = ((a + 2) * x - (a + 3)) * x * x + 1
        outer = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
        return cnp.where(x >= 2, 0, cnp.where(x >= 1, outer, inner))

    return kernel


_KERNELS = {
    ResizeMethod.LINEAR: _triangle,
    ResizeMethod.LANCZOS3: _lanczos(3),
    ResizeMethod.LANCZOS5: _lanczos(5),
    ResizeMethod.CUBIC: _cubic(-0.5),
    ResizeMethod.CUBIC_PYTORCH: _cubic(-0.75),
}


def _normalized(weights: Any) -> Any:
    total = cnp.sum(weights, 0, keepdims=True)
    sound = cnp.abs(total) > _LEAST
    return cnp.where(sound, weights / cnp.where(sound, total, 1), 0)


def _weights(size: int, out_size: int, scale: Any, shift: Any, method: ResizeMethod, antialias: bool) -> Any:
    """The matrix (size, out_size) of one axis."""
    if method is ResizeMethod.CUBIC_PYTORCH:
        if not antialias:
            return _weights_repeating(size, out_size, scale, shift)
        method = ResizeMethod.CUBIC
    inverse = 1.0 / scale
    dtype = cnp.result_type(scale, shift)
    # Where the output samples lie among the input samples.
    at = (cnp.arange(out_size, dtype=dtype) + 0.5) * inverse - shift * inverse - 0.5
    places = cnp.arange(size, dtype=dtype)
    if method is ResizeMethod.AREA:
        begin = (at + 0.5 - 0.5 * inverse)[None, :]
        end = begin + inverse
        overlap = cnp.minimum(end, places[:, None] + 1) - cnp.maximum(begin, places[:, None])
        weights = cnp.maximum(overlap, 0)
    else:
        distance = cnp.abs(at[None, :] - places[:, None])
        weights = _KERNELS[method](distance / cnp.maximum(inverse, 1.0) if antialias else distance)
    inside = (at >= -0.5) & (at <= size - 0.5)
    return cnp.where(inside[None, :], _normalized(weights), 0)


def _weights_repeating(size: int, out_size: int, scale: Any, shift: Any) -> Any:
    """As ``_weights``, for CUBIC_PYTORCH: samples beyond the border have the border's value."""
    at = (cnp.arange(out_size, dtype=cnp.result_type(scale, shift)) + 0.5) / scale - shift / scale - 0.5
    places = np.arange(-2, size + 2)
    weights = _KERNELS[ResizeMethod.CUBIC_PYTORCH](cnp.abs(at[None, :] - places[:, None].astype(at.dtype)))
    belongs = np.clip(places, 0, size - 1)[None, :] == np.arange(size)[:, None]
    return _normalized(cnp.matmul(cnp.asarray(belongs, weights.dtype), weights, precision=lax.Precision.HIGHEST))


def _apply(image: Any, matrices: dict[int, Any], precision: Any) -> Any:
    for axis, matrix in matrices.items():
        weights = matrix.astype(image.dtype)
        contracted = lax.dot_general(image, weights, (((axis,), (0,)), ((), ())), precision=precision)
        image = cnp.moveaxis(contracted, -1, axis)
    return image


def _method(method: str | ResizeMethod) -> ResizeMethod:
    return ResizeMethod.from_string(method) if isinstance(method, str) else ResizeMethod(method)


def scale_and_translate(
    image: Any,
    shape: Any,
    spatial_dims: Sequence[int],
    scale: Any,
    translation: Any,
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Any:
    """Sample an image at y = scale x + translation along some axes; outside of the image there is 0.

    Args:
      image: of any rank. shape: of the result, equal to the image's but in ``spatial_dims``.
      spatial_dims: the axes. scale, translation: vectors, one number for each of them, with derivatives.
      method: a ``ResizeMethod`` other than NEAREST, or its name.
      antialias: widen the kernel where the image shrinks.
      precision: of the products.

    Raises:
      ValueError: NEAREST; a shape of another rank; vectors of another length.

    >>> import cotan.numpy as cnp
    >>> from cotan import image
    >>> image.scale_and_translate(cnp.arange(4.0), (4,), (0,), cnp.ones(1), cnp.ones(1), "linear")
    Array([0., 0., 1., 2.], dtype=float32)
    """
    image = as_array(image, "scale_and_translate")
    shape = _shape(image, shape, "scale_and_translate")
    method = _method(method)
    if method is ResizeMethod.NEAREST:
        raise ValueError(
            "scale_and_translate: nearest neighbours cannot be sampled at scaled positions; use 'linear', or resize"
        )
    (image,) = promote_dtypes_inexact("scale_and_translate", image)
    scale, translation = promote_dtypes_inexact("scale_and_translate", scale, translation)
    axes = [normalize_axis(axis, image.ndim, "scale_and_translate") for axis in spatial_dims]
    if tuple(scale.shape) != (len(axes),) or tuple(translation.shape) != (len(axes),):
        raise ValueError(
            f"scale_and_translate: scale and translation must have one number for each of {len(axes)} axes, got shapes "
            f"{tuple(scale.shape)} and {tuple(translation.shape)}"
        )
    matrices = {
        axis: _weights(image.shape[axis], shape[axis], scale[i], translation[i], method, antialias)
        for i, axis in enumerate(axes)
    }
    return _apply(image, matrices, precision)


def _shape(image: Any, shape: Any, fun_name: str) -> tuple[int, ...]:
    found = canonical_shape(shape, fun_name)
    if len(found) != image.ndim:
        raise ValueError(
            f"{fun_name}: shape {found} must have one extent for each of the {image.ndim} axes of the image, whose "
            f"shape is {tuple(image.shape)}"
        )
    return found


def resize(
    image: Any,
    shape: Any,
    method: str | ResizeMethod,
    antialias: bool = True,
    precision: Any = lax.Precision.HIGHEST,
) -> Any:
    """An image in another shape.

    Args:
      image: of any rank. shape: of the result, of the same rank; axes whose extent stays are left alone.
      method: a ``ResizeMethod`` or its name: 'nearest', 'linear', 'bilinear', 'cubic', 'lanczos3', 'area', ...
      antialias: widen the kernel where the image shrinks.
      precision: of the products.

    Raises:
      ValueError: a shape of another rank, or an unknown method.

    >>> import cotan.numpy as cnp
    >>> from cotan import image
    >>> image.resize(cnp.arange(4.0), (2,), "linear", antialias=False)
    Array([0.5, 2.5], dtype=float32)
    """
    image = as_array(image, "resize")
    shape = _shape(image, shape, "resize")
    method = _method(method)
    axes = [axis for axis in range(image.ndim) if shape[axis] != image.shape[axis]]
    if method is ResizeMethod.NEAREST:
        for axis in axes:
            image = cnp.take(image, _nearest(image.shape[axis], shape[axis]), axis=axis)
        return image
    (image,) = promote_dtypes_inexact("resize", image)
    matrices = {}
    for axis in axes:
        size, out_size = image.shape[axis], shape[axis]
        scale = out_size / size if out_size else 1.0
        matrices[axis] = _weights(size, out_size, scale, 0.0, method, antialias)
    return _apply(image, matrices, precision)


def _nearest(size: int, out_size: int) -> np.ndarray[Any, Any]:
    at = (np.arange(out_size, dtype=np.float32) + np.float32(0.5)) * np.float32(size) / np.float32(max(out_size, 1))
    return np.floor(at).astype(np.int32)
