"""The class `Slerp`: rotations between rotations at given times."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cotan import dtypes
from cotan import numpy as cnp
from cotan.scipy.spatial.transform.rotation import Rotation


class Slerp(NamedTuple):
    """Interpolation of rotations, with constant angular velocity between two times; made by ``Slerp.init``.

    Attributes:
      times: when, increasing, of shape (n,).
      timedelta: their differences, of shape (n - 1,).
      rotations: the rotations at the beginnings of the intervals, n - 1.
      rotvecs: from each to the next, as vectors of shape (n - 1, 3).

    >>> from cotan.scipy.spatial.transform import Rotation, Slerp
    >>> between = Slerp.init([0.0, 1.0], Rotation.from_euler("x", [[0.0], [1.0]]))
    >>> round(float(between(0.25).magnitude()), 6)
    0.25
    """

    times: Any
    timedelta: Any
    rotations: Rotation
    rotvecs: Any

    @classmethod
    def init(cls, times: Any, rotations: Rotation) -> Slerp:
        """Through ``rotations`` at ``times``, at least two, increasing.

        Raises:
          ValueError: numbers of times and rotations that differ, or fewer than two.

        >>> from cotan.scipy.spatial.transform import Rotation, Slerp
        >>> Slerp.init([0.0, 1.0, 3.0], Rotation.identity(3)).timedelta
        Array([1., 2.], dtype=float32)
        """
        times = cnp.asarray(times)
        if rotations.single or times.ndim != 1 or len(rotations) != times.shape[0] or times.shape[0] < 2:
            raise ValueError(
                f"Slerp.init needs a vector of at least two times and as many rotations, got times of shape "
                f"{times.shape} and rotations of shape {rotations.quat.shape[:-1]}"
            )
        if not dtypes.issubdtype(times.dtype, np.floating):
            times = times.astype(cnp.result_type(times.dtype, rotations.quat.dtype))
        start = rotations[:-1]
        return cls(times, cnp.diff(times), start, (start.inv() * rotations[1:]).as_rotvec())

    def __call__(self, times: Any) -> Rotation:
        """The rotations at ``times``, a scalar or a vector; outside of the given ones the first or last turn goes on.

        >>> from cotan.scipy.spatial.transform import Rotation, Slerp
        >>> len(Slerp.init([0.0, 1.0], Rotation.identity(2))([0.0, 0.5, 1.0]))
        3
        """
        times = cnp.asarray(times, self.times.dtype)
        place = cnp.clip(cnp.searchsorted(self.times, times, side="right") - 1, 0, self.timedelta.shape[0] - 1)
        part = (times - self.times[place]) / self.timedelta[place]
        return self.rotations[place] * Rotation.from_rotvec(self.rotvecs[place] * part[..., None])
