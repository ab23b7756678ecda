"""cotan.scipy.spatial.transform: rotations in three dimensions, and their interpolation. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.scipy.spatial.transform.interpolation import Slerp as Slerp
from cotan.scipy.spatial.transform.rotation import Rotation as Rotation

_tracebacks.guard(globals())
