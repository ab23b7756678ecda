"""What the samples of moving primitives say besides operands: which operands vary, and in which the result is linear.

Data only; the samples stand in ``shape``, ``index`` and ``dot``, and ``movement`` enters them into the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cotan.ir.primitive import Primitive


@dataclass(frozen=True)
class Sample:
    """Operands and parameters of one primitive.

    Attributes:
      varying: operands with derivatives (none: the derivative is zero or does not exist).
      linear: sets of operands in which the primitive is linear together.
      rtol: how far kernel and decomposition may be from the reference, relatively; 0 for exactly equal.
    """

    name: str
    primitive: Primitive
    args: tuple[Any, ...]
    params: dict[str, Any] = field(default_factory=dict)
    varying: tuple[int, ...] = ()
    linear: tuple[tuple[int, ...], ...] = ()
    rtol: float = 0.0
