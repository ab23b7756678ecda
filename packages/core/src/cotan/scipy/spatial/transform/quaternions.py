"""Functions of unit quaternions (x, y, z, w) along a last axis, and how other forms of rotations become them.

All are smooth where the rotation is: values and slopes at the identity are those of the series. Knows no class.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cotan import dtypes, lax
from cotan import numpy as cnp

_AXES = "xyz"


def _dot(x: Any, y: Any) -> Any:
    return cnp.sum(x * y, -1, keepdims=True)


def normalized(quat: Any) -> Any:
    """``quat`` over its norm."""
    return quat / cnp.sqrt(_dot(quat, quat))


def product(p: Any, q: Any) -> Any:
    """Hamilton's product: the rotation ``q`` first, then ``p``."""
    p_vector, p_scalar, q_vector, q_scalar = p[..., :3], p[..., 3:], q[..., :3], q[..., 3:]
    vector = p_scalar * q_vector + q_scalar * p_vector + cnp.cross(p_vector, q_vector)
    return cnp.concatenate([vector, p_scalar * q_scalar - _dot(p_vector, q_vector)], -1)


def conjugate(quat: Any) -> Any:
    """The rotation backwards."""
    return quat * cnp.array([-1, -1, -1, 1], quat.dtype)


def with_scalar_not_negative(quat: Any) -> Any:
    """Of the two quaternions of a rotation, the one with w >= 0."""
    return cnp.where(quat[..., 3:] < 0, -quat, quat)


def canonical(quat: Any) -> Any:
    """Of the two quaternions of a rotation, the one whose last part that is not 0, of x, y, z, w read as w, x, y, z,
    is positive: w > 0; or w = 0 and x > 0; or both 0 and y > 0; or z > 0."""
    x, y, z, w = (quat[..., n : n + 1] for n in range(4))
    flip = (w < 0) | ((w == 0) & ((x < 0) | ((x == 0) & ((y < 0) | ((y == 0) & (z < 0))))))
    return cnp.where(flip, -quat, quat)


def _small(square: Any) -> Any:
    # The series below leave out terms of the fourth order in the angle.
    return square < float(dtypes.finfo(square.dtype).eps) ** 0.5


def from_vector(rotvec: Any) -> Any:
    """Of rotation vectors: the axis times the angle."""
    square = _dot(rotvec, rotvec)
    small = _small(square)
    angle = cnp.sqrt(cnp.where(small, 1, square))
    scale = cnp.where(small, 0.5 - square / 48, cnp.sin(angle / 2) / angle)
    return cnp.concatenate([scale * rotvec, cnp.where(small, 1 - square / 8, cnp.cos(angle / 2))], -1)


def to_vector(quat: Any) -> Any:
    """The axis times the angle, which is at most pi."""
    quat = with_scalar_not_negative(quat)
    vector, scalar = quat[..., :3], quat[..., 3:]
    square = _dot(vector, vector)
    small = _small(square)
    sine = cnp.sqrt(cnp.where(small, 1, square))
    return vector * cnp.where(small, 2 + square / 3, 2 * cnp.arctan2(sine, scalar) / sine)


def angle(quat: Any) -> Any:
    """The angle of the rotation, between 0 and pi, without the last axis."""
    vector = quat[..., :3]
    return 2 * cnp.arctan2(cnp.sqrt(cnp.sum(vector * vector, -1)), cnp.abs(quat[..., 3]))


def from_mrp(mrp: Any) -> Any:
    """Of modified Rodrigues parameters: the axis times the tangent of a quarter of the angle."""
    square = _dot(mrp, mrp)
    return cnp.concatenate([2 * mrp, 1 - square], -1) / (1 + square)


def to_mrp(quat: Any) -> Any:
    """Modified Rodrigues parameters, of norm at most 1."""
    quat = with_scalar_not_negative(quat)
    return quat[..., :3] / (1 + quat[..., 3:])


def to_matrix(quat: Any) -> Any:
    """The orthogonal matrices, on two last axes."""
    x, y, z, w = (quat[..., n] for n in range(4))
    rows = (
        (x * x - y * y - z * z + w * w, 2 * (x * y - z * w), 2 * (x * z + y * w)),
        (2 * (x * y + z * w), -x * x + y * y - z * z + w * w, 2 * (y * z - x * w)),
        (2 * (x * z - y * w), 2 * (y * z + x * w), -x * x - y * y + z * z + w * w),
    )
    return cnp.stack([cnp.stack(row, -1) for row in rows], -2)


def from_matrix(matrix: Any) -> Any:
    """Of orthogonal matrices on two last axes.

    The matrix gives 4 q q^T; the row of its largest diagonal element is q but for a factor (S. W. Shepperd,
    "Quaternion from rotation matrix", Journal of Guidance and Control 1, 1978).
    """
    m = [[matrix[..., i, j] for j in range(3)] for i in range(3)]
    xx, yy, zz = (1 + 2 * m[i][i] - (m[0][0] + m[1][1] + m[2][2]) for i in range(3))
    ww = 1 + m[0][0] + m[1][1] + m[2][2]
    xy, xz, yz = m[1][0] + m[0][1], m[2][0] + m[0][2], m[2][1] + m[1][2]
    xw, yw, zw = m[2][1] - m[1][2], m[0][2] - m[2][0], m[1][0] - m[0][1]
    rows = ((xx, xy, xz, xw), (xy, yy, yz, yw), (xz, yz, zz, zw), (xw, yw, zw, ww))
    table = cnp.stack([cnp.stack(row, -1) for row in rows], -2)
    largest = cnp.argmax(lax.stop_gradient(cnp.stack([xx, yy, zz, ww], -1)), -1)
    row = cnp.take_along_axis(table, largest[..., None, None], -2)[..., 0, :]
    return normalized(row)


def _axes(seq: Any, fun_name: str) -> tuple[tuple[int, ...], bool]:
    """The axes of an Euler sequence as numbers, and whether they turn with the body (capitals)."""
    text = str(seq)
    lower = text.lower()
    known = 1 <= len(text) <= 3 and set(lower) <= set(_AXES) and (text == lower or text == text.upper())
    if not known or any(a == b for a, b in itertools.pairwise(lower)):
        raise ValueError(
            f"Rotation.{fun_name}: a sequence is one to three of 'xyz' (axes that stand still) or 'XYZ' (axes that "
            f"turn with the body), no axis twice in a row; got {seq!r}"
        )
    return tuple(_AXES.index(axis) for axis in lower), text != lower


def from_euler(seq: Any, angles: Any, degrees: bool) -> Any:
    """Of angles about the axes of ``seq``, along the last axis."""
    axes, intrinsic = _axes(seq, "from_euler")
    if angles.ndim == 0 and len(axes) == 1:
        angles = angles[None]
    if angles.ndim == 0 or angles.shape[-1] != len(axes):
        raise ValueError(
            f"Rotation.from_euler: the last axis of the angles must hold one for each of {seq!r}, got shape "
            f"{angles.shape}" + ("; write angles[:, None] for several rotations" if len(axes) == 1 else "")
        )
    if degrees:
        angles = cnp.deg2rad(angles)
    result = None
    for n, axis in enumerate(axes):
        turn = from_vector(angles[..., n : n + 1] * cnp.eye(3, dtype=angles.dtype)[axis])
        result = turn if result is None else product(result, turn) if intrinsic else product(turn, result)
    return result


def to_euler(quat: Any, seq: Any, degrees: bool) -> Any:
    """The angles about three axes, along the last axis; where they are not unique, the third is 0.

    (E. Bernardes and S. Viollet, "Quaternion to Euler angles conversion: a direct, general and computationally
    efficient method", PLoS ONE 17, 2022.)
    """
    axes, intrinsic = _axes(seq, "as_euler")
    if len(axes) != 3:
        raise ValueError(f"Rotation.as_euler: a rotation has three angles, so the sequence has three axes; got {seq!r}")
    i, j, k = reversed(axes) if intrinsic else axes
    proper = i == k
    k = 3 - i - j if proper else k
    sign = (i - j) * (j - k) * (k - i) // 2
    parts = [quat[..., n] for n in range(4)]
    a, b, c, d = parts[3], parts[i], parts[j], sign * parts[k]
    if not proper:
        a, b, c, d = a - c, b + d, c + a, d - b
    middle = 2 * cnp.arctan2(cnp.hypot(c, d), cnp.hypot(a, b))
    eps = 1e-7 if np.dtype(quat.dtype).itemsize == 8 else 1e-3
    none, half_turn = cnp.abs(middle) <= eps, cnp.abs(middle - np.pi) <= eps
    half_sum, half_difference = cnp.arctan2(b, a), cnp.arctan2(d, c)
    unique = ~(none | half_turn)
    alone = cnp.where(none, 2 * half_sum, (2 if intrinsic else -2) * half_difference)
    before, after = half_sum - half_difference, half_sum + half_difference
    if not proper:
        middle = middle - np.pi / 2
    first, third = (after, before) if intrinsic else (before, after)
    if not proper:
        first, third = (sign * first, third) if intrinsic else (first, sign * third)
        alone = sign * alone if intrinsic else alone
    first, third = cnp.where(unique, first, alone), cnp.where(unique, third, 0)
    first, third = (
        cnp.where(x < -np.pi, x + 2 * np.pi, cnp.where(x > np.pi, x - 2 * np.pi, x)) for x in (first, third)
    )
    angles = cnp.stack([first, middle, third], -1)
    return cnp.rad2deg(angles) if degrees else angles
