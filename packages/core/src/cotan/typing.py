"""cotan.typing: names for annotations: what functions take for an array, and for a dtype."""

from __future__ import annotations

from typing import Any, Protocol, TypeAlias, Union

import numpy as np

from cotan.runtime.array import Array


class SupportsDType(Protocol):
    """What has a dtype."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype."""


ArrayLike: TypeAlias = Union[Array, np.ndarray, np.bool_, np.number, bool, int, float, complex]  # noqa: UP007
DTypeLike: TypeAlias = Union[str, type[Any], np.dtype, SupportsDType]  # noqa: UP007

__all__ = ["ArrayLike", "DTypeLike"]
