"""Which mesh is current: that of the innermost ``with mesh:``, ``set_mesh`` or ``use_abstract_mesh``."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any

from cotan.errors import where
from cotan.runtime.devices import devices as known_devices
from cotan.runtime.sharding import AbstractMesh, AxisType, Mesh, grid_of

_Any = Mesh | AbstractMesh | None
# The innermost mesh first; what was current before a block stands behind it.
_current: ContextVar[tuple[_Any, ...]] = ContextVar("cotan_mesh", default=(None,))


def enter(mesh: _Any) -> None:
    """Begin a block in which ``mesh`` is current."""
    _current.set((mesh, *_current.get()))


def leave() -> None:
    """End the innermost block."""
    _current.set(_current.get()[1:])


class _Current:
    """A mesh that is current from now on, or for the time of a block."""

    def __init__(self, mesh: _Any) -> None:
        self._before = _current.get()
        self._mesh = mesh
        _current.set((mesh, *self._before[1:]))

    def __enter__(self) -> Any:
        return self._mesh

    def __exit__(self, *exc_info: object) -> None:
        _current.set(self._before)


def set_mesh(mesh: Mesh | None) -> _Current:
    """Make ``mesh`` the current one from now on; as a context manager, for the time of a block.

    Raises:
      TypeError: it is not a mesh.

    >>> import cotan
    >>> with cotan.set_mesh(cotan.make_mesh((1,), ("x",))):
    ...     cotan.sharding.get_mesh().axis_names
    ('x',)
    """
    if mesh is not None and not isinstance(mesh, Mesh):
        raise TypeError(f"{where()}: set_mesh takes a Mesh or None, got {mesh!r}")
    return _Current(mesh)


def use_abstract_mesh(mesh: AbstractMesh) -> _Current:
    """As ``set_mesh``, of a mesh without devices."""
    if not isinstance(mesh, AbstractMesh):
        raise TypeError(f"{where()}: use_abstract_mesh takes an AbstractMesh, got {mesh!r}")
    return _Current(mesh)


def get_mesh() -> Mesh:
    """The current mesh; one without axes if there is none."""
    found = _current.get()[0]
    return found if isinstance(found, Mesh) else Mesh.of_nothing()


def get_abstract_mesh() -> AbstractMesh:
    """The axes of the current mesh; none if there is no mesh."""
    found = _current.get()[0]
    return AbstractMesh((), ()) if found is None else found.abstract_mesh


def make_mesh(
    axis_shapes: Sequence[int],
    axis_names: Sequence[str],
    axis_types: tuple[AxisType, ...] | None = None,
    *,
    devices: Sequence[Any] | None = None,
) -> Mesh:
    """A mesh of the given extents, of the first devices.

    Args:
      devices: which; by default those of the default backend.

    Raises:
      ValueError: there are too few devices.

    >>> import cotan
    >>> cotan.make_mesh((1, 1), ("x", "y"))
    Mesh('x': 1, 'y': 1, axis_types=(Explicit, Explicit))
    """
    grid = grid_of(known_devices() if devices is None else devices, axis_shapes, "make_mesh")
    return Mesh(grid, axis_names, AxisType.Explicit if axis_types is None else axis_types)
