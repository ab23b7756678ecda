"""Native code for kernels: LLVM IR text from kernel trees, and the engine that compiles it.

``emit_kernel`` prints, ``jit`` compiles; nothing here knows programs, buffers or threads.
"""

from cotan_cpu.codegen.kernel import KernelCode, emit_kernel
from cotan_cpu.codegen.target import Target

__all__ = ["KernelCode", "Target", "emit_kernel"]
