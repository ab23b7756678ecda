"""What users call to transform functions: argument handling, pytrees and messages; no mathematics."""

from cotan.api.autodiff import grad, jvp, linearize, value_and_grad, vjp
from cotan.api.checkpoint import checkpoint, checkpoint_name, checkpoint_policies, remat
from cotan.api.jacobian import hessian, jacfwd, jacrev
from cotan.api.jit import clear_caches, jit
from cotan.api.tracing import ShapeDtypeStruct, eval_shape, explain, make_jaxpr
from cotan.api.vmap import vmap

__all__ = [
    "ShapeDtypeStruct",
    "checkpoint",
    "checkpoint_name",
    "checkpoint_policies",
    "clear_caches",
    "eval_shape",
    "explain",
    "grad",
    "hessian",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "linearize",
    "make_jaxpr",
    "remat",
    "value_and_grad",
    "vjp",
    "vmap",
]
