"""The compiler: from a jaxpr to a Program of fused kernels over planned buffers.

Knows no primitive by name and no device.
"""

from cotan.compiler.explain import explain
from cotan.compiler.kernel_structure import structure_of
from cotan.compiler.passes import decompose_jaxpr, optimise
from cotan.compiler.pipeline import compile_to_program

__all__ = ["compile_to_program", "decompose_jaxpr", "explain", "optimise", "structure_of"]
