"""The ahead-of-time stages of a jitted function: ``jit(f).trace(...)``, ``.lower(...)``, ``.compile()``.

>>> import cotan, cotan.numpy as cnp
>>> lowered = cotan.jit(cnp.sin).lower(cotan.ShapeDtypeStruct((3,), "float32"))
>>> isinstance(lowered, cotan.stages.Lowered), isinstance(cotan.jit(cnp.sin), cotan.stages.Wrapped)
(True, True)
"""

from cotan.api.stages import ArgInfo, Compiled, CompilerOptions, Lowered, Traced, Wrapped

__all__ = ["ArgInfo", "Compiled", "CompilerOptions", "Lowered", "Traced", "Wrapped"]
