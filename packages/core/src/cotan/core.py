"""cotan.core: the types of values and of traced values, for programs that look at them. Names only."""

from cotan.errors import InconclusiveDimensionOperation as InconclusiveDimensionOperation
from cotan.ir.avals import ShapedArray as ShapedArray
from cotan.ir.trace import Tracer as Tracer

AbstractValue = ShapedArray  # all values are arrays here
