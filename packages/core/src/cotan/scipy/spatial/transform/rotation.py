"""The class `Rotation`: one rotation or an array of them, as a pytree of its quaternions."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes, random
from cotan import numpy as cnp
from cotan.scipy.spatial.transform import quaternions


def _floats(x: Any, trailing: tuple[int, ...], what: str) -> Any:
    """``x`` as floats, whose last axes are ``trailing``."""
    x = cnp.asarray(x)
    if not dtypes.issubdtype(x.dtype, np.floating):
        x = x.astype(cnp.result_type(x.dtype, float))
    if trailing and tuple(x.shape[-len(trailing) :]) != trailing:
        raise ValueError(f"Rotation.{what}: the last axes must be {trailing}, got shape {x.shape}")
    return x


class Rotation(NamedTuple):
    """A rotation in three dimensions, or an array of rotations; immutable, and a pytree.

    It is made by the functions ``from_...``, ``identity`` and ``random``, not directly.

    Attributes:
      quat: unit quaternions (x, y, z, w), of shape (..., 4).

    >>> import cotan.numpy as cnp
    >>> from cotan.scipy.spatial.transform import Rotation
    >>> turn = Rotation.from_euler("z", 90, degrees=True)
    >>> cnp.round(turn.apply(cnp.array([1.0, 0.0, 0.0])), 3)
    Array([0., 1., 0.], dtype=float32)
    """

    quat: Any

    @classmethod
    def concatenate(cls, rotations: Sequence[Rotation]) -> Rotation:
        """One array of all ``rotations``.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> len(Rotation.concatenate([Rotation.identity(), Rotation.identity(2)]))
        3
        """
        return cls(cnp.concatenate([cnp.atleast_2d(rotation.quat) for rotation in rotations]))

    @classmethod
    def from_euler(cls, seq: str, angles: Any, degrees: bool = False) -> Rotation:
        """From angles about one to three axes.

        Args:
          seq: the axes in order: small letters for axes that stand still, capitals for axes that turn with the body.
          angles: of shape (..., len(seq)), or a scalar for one axis.
          degrees: whether they are degrees rather than radians.

        Raises:
          ValueError: no such sequence, or another number of angles.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_euler("xyz", [0.0, 0.0, 0.0]).as_quat()
        Array([0., 0., 0., 1.], dtype=float32)
        """
        return cls(quaternions.from_euler(seq, _floats(angles, (), "from_euler"), degrees))

    @classmethod
    def from_matrix(cls, matrix: Any) -> Rotation:
        """From orthogonal matrices of determinant 1, of shape (..., 3, 3). They are not made orthogonal.

        >>> import cotan.numpy as cnp
        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_matrix(cnp.eye(3)).as_quat()
        Array([0., 0., 0., 1.], dtype=float32)
        """
        return cls(quaternions.from_matrix(_floats(matrix, (3, 3), "from_matrix")))

    @classmethod
    def from_mrp(cls, mrp: Any) -> Rotation:
        """From modified Rodrigues parameters of shape (..., 3): the axis times the tangent of a quarter of the angle.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_mrp([0.0, 0.0, 1.0]).as_quat()
        Array([0., 0., 1., 0.], dtype=float32)
        """
        return cls(quaternions.from_mrp(_floats(mrp, (3,), "from_mrp")))

    @classmethod
    def from_quat(cls, quat: Any) -> Rotation:
        """From quaternions (x, y, z, w) of shape (..., 4), of any norm but 0.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_quat([0.0, 0.0, 0.0, 2.0]).as_quat()
        Array([0., 0., 0., 1.], dtype=float32)
        """
        return cls(quaternions.normalized(_floats(quat, (4,), "from_quat")))

    @classmethod
    def from_rotvec(cls, rotvec: Any, degrees: bool = False) -> Rotation:
        """From vectors of shape (..., 3): the axis times the angle.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_rotvec([0.0, 0.0, 0.0]).magnitude()
        Array(0., dtype=float32)
        """
        rotvec = _floats(rotvec, (3,), "from_rotvec")
        return cls(quaternions.from_vector(cnp.deg2rad(rotvec) if degrees else rotvec))

    @classmethod
    def identity(cls, num: int | None = None, dtype: Any = float) -> Rotation:
        """The rotation that turns nothing, or ``num`` of them.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().as_quat()
        Array([0., 0., 0., 1.], dtype=float32)
        """
        one = cnp.array([0, 0, 0, 1], dtype)
        return cls(one if num is None else cnp.tile(one, (operator.index(num), 1)))

    @classmethod
    def random(cls, random_key: Any, num: int | None = None) -> Rotation:
        """A uniformly distributed rotation, or ``num`` of them.

        >>> import cotan
        >>> from cotan.scipy.spatial.transform import Rotation
        >>> len(Rotation.random(cotan.random.key(0), 3))
        3
        """
        shape = (4,) if num is None else (operator.index(num), 4)
        return cls(quaternions.normalized(random.normal(random_key, shape)))

    def __getitem__(self, indexer: Any) -> Rotation:  # type: ignore[override]
        if self.single:
            raise TypeError("a single Rotation cannot be indexed; Rotation.concatenate makes an array of rotations")
        return Rotation(self.quat[indexer])

    def __len__(self) -> int:
        if self.single:
            raise TypeError("a single Rotation has no length; `single` says which kind it is")
        return int(self.quat.shape[0])

    def __bool__(self) -> bool:
        return True

    def __mul__(self, other: Rotation) -> Rotation:  # type: ignore[override]
        """First ``other``, then this rotation."""
        if not isinstance(other, Rotation):
            return NotImplemented
        return Rotation(quaternions.normalized(quaternions.product(self.quat, other.quat)))

    def apply(self, vectors: Any, inverse: bool = False) -> Any:
        """The vectors, of shape (..., 3), turned, or turned backwards; shapes broadcast.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().apply([1.0, 2.0, 3.0])
        Array([1., 2., 3.], dtype=float32)
        """
        matrix = self.as_matrix()
        turned = cnp.swapaxes(matrix, -1, -2) if inverse else matrix
        return (turned @ _floats(vectors, (3,), "apply")[..., None])[..., 0]

    def as_euler(self, seq: str, degrees: bool = False) -> Any:
        """The angles about the three axes of ``seq`` (see ``from_euler``): shape (..., 3).

        Those of the first and third axis lie between -pi and pi; that of the second between 0 and pi if the first
        axis is the third as well, else between -pi/2 and pi/2. Where the second is at an end, only the sum or the
        difference of the others is known; the third is 0 then.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().as_euler("zxz")
        Array([0., 0., 0.], dtype=float32)
        """
        return quaternions.to_euler(self.quat, seq, degrees)

    def as_matrix(self) -> Any:
        """Orthogonal matrices of shape (..., 3, 3).

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().as_matrix().shape
        (3, 3)
        """
        return quaternions.to_matrix(self.quat)

    def as_mrp(self) -> Any:
        """Modified Rodrigues parameters of norm at most 1, of shape (..., 3).

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().as_mrp()
        Array([0., 0., 0.], dtype=float32)
        """
        return quaternions.to_mrp(self.quat)

    def as_rotvec(self, degrees: bool = False) -> Any:
        """The axis times the angle, which is at most pi: shape (..., 3).

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_rotvec([0.5, 0.0, 0.0]).as_rotvec()
        Array([0.5, 0. , 0. ], dtype=float32)
        """
        rotvec = quaternions.to_vector(self.quat)
        return cnp.rad2deg(rotvec) if degrees else rotvec

    def as_quat(self, canonical: bool = False, scalar_first: bool = False) -> Any:
        """Unit quaternions of shape (..., 4).

        Args:
          canonical: whether, of the two quaternions of each rotation, the one whose first part that is not 0, in the
            order w, x, y, z, is positive.
          scalar_first: (w, x, y, z) instead of (x, y, z, w).

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.identity().as_quat(scalar_first=True)
        Array([1., 0., 0., 0.], dtype=float32)
        """
        quat = quaternions.canonical(self.quat) if canonical else self.quat
        return cnp.roll(quat, 1, -1) if scalar_first else quat

    def inv(self) -> Rotation:
        """The rotation backwards.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> Rotation.from_rotvec([0.5, 0.0, 0.0]).inv().as_rotvec()
        Array([-0.5, -0. , -0. ], dtype=float32)
        """
        return Rotation(quaternions.conjugate(self.quat))

    def magnitude(self) -> Any:
        """The angle, between 0 and pi: shape (...).

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> float(Rotation.from_rotvec([0.5, 0.0, 0.0]).magnitude())
        0.5
        """
        return quaternions.angle(self.quat)

    def mean(self, weights: Any = None) -> Rotation:
        """The rotation that is nearest to all, by the sum of squares of the differences of matrices.

        Args:
          weights: one for each rotation, not negative; None: all equal.

        Source: F. L. Markley et al., "Averaging quaternions", Journal of Guidance, Control and Dynamics 30, 2007.

        >>> from cotan.scipy.spatial.transform import Rotation
        >>> float(Rotation.identity(3).mean().magnitude())
        0.0
        """
        quat = self.quat.reshape(-1, 4)
        weights = cnp.ones(quat.shape[0], quat.dtype) if weights is None else cnp.asarray(weights, quat.dtype)
        if weights.shape != quat.shape[:1]:
            raise ValueError(
                f"Rotation.mean: there must be one weight for each of {quat.shape[0]} rotations, got shape "
                f"{weights.shape}"
            )
        _, vectors = cnp.linalg.eigh((weights[:, None] * quat).T @ quat)
        return Rotation(quaternions.normalized(vectors[:, -1]))

    @property
    def single(self) -> bool:
        """Whether this is one rotation, not an array of them."""
        return bool(self.quat.ndim == 1)
