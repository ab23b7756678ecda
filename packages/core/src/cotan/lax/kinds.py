"""Names for annotations of what functions of ``lax`` take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

from cotan.primitives.dot import Precision
from cotan.primitives.dot_algorithm import DotAlgorithm, DotAlgorithmPreset

PrecisionLike: TypeAlias = (
    str | Precision | tuple[str, str] | tuple[Precision, Precision] | DotAlgorithm | DotAlgorithmPreset | None
)
DotDimensionNumbers: TypeAlias = tuple[tuple[Sequence[int], Sequence[int]], tuple[Sequence[int], Sequence[int]]]
