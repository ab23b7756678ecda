"""What users call to transform functions: argument handling, pytrees and messages; no mathematics."""

from cotan.api.autodiff import grad, jvp, linearize, value_and_grad, vjp
from cotan.api.callbacks import effects_barrier, io_callback, pure_callback
from cotan.api.checkpoint import checkpoint, checkpoint_name, checkpoint_policies, remat
from cotan.api.closures import closure_convert, custom_gradient
from cotan.api.custom_jvp import custom_jvp
from cotan.api.custom_vjp import custom_vjp
from cotan.api.fwd_and_bwd import fwd_and_bwd as fwd_and_bwd
from cotan.api.jacobian import hessian, jacfwd, jacrev
from cotan.api.jacobian import jacobian as jacobian
from cotan.api.jit import clear_caches, jit
from cotan.api.linear_transpose import linear_transpose
from cotan.api.names import named_call, named_scope
from cotan.api.tracing import ShapeDtypeStruct, eval_shape, explain, make_jaxpr, typeof
from cotan.api.vmap import vmap

__all__ = [
    "ShapeDtypeStruct",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "clear_caches",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "effects_barrier",
    "eval_shape",
    "explain",
    "grad",
    "hessian",
    "io_callback",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linear_transpose",
    "linearize",
    "make_jaxpr",
    "named_call",
    "named_scope",
    "pure_callback",
    "remat",
    "typeof",
    "value_and_grad",
    "vjp",
    "vmap",
]
