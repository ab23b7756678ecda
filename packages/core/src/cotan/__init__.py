"""cotan: composable transformations of Python + NumPy programs.

Public names, nothing else.
"""

from importlib import import_module as _import_module

from cotan import (
    ad_checkpoint,
    custom_batching,
    custom_derivatives,
    debug,
    dtypes,
    errors,
    experimental,
    export,
    lax,
    nn,
    numpy,
    random,
    scipy,
    stages,
    tree,
    tree_util,
)
from cotan import tracebacks as _tracebacks
from cotan.api import (
    ShapeDtypeStruct,
    checkpoint,
    checkpoint_policies,
    clear_caches,
    closure_convert,
    custom_gradient,
    custom_jvp,
    custom_vjp,
    effects_barrier,
    eval_shape,
    explain,
    grad,
    hessian,
    jacfwd,
    jacrev,
    jit,
    jvp,
    linear_transpose,
    linearize,
    make_jaxpr,
    named_call,
    named_scope,
    pure_callback,
    remat,
    value_and_grad,
    vjp,
    vmap,
)
from cotan.config import (
    checking_leaks,
    config,
    debug_infs,
    debug_nans,
    default_device,
    default_matmul_precision,
    disable_jit,
    enable_x64,
    explain_cache_misses,
    log_compiles,
    numpy_dtype_promotion,
    numpy_rank_promotion,
    threefry_partitionable,
)
from cotan.dtypes import float0
from cotan.ir.trace import typeof
from cotan.runtime.array import Array
from cotan.runtime.devices import (
    block_until_ready,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    local_device_count,
    local_devices,
    process_count,
    process_index,
)

_tracebacks.guard(globals())

_LATER = frozenset({"image"})  # rooms that are imported when they are first asked for


def __getattr__(name: str) -> object:
    if name in _LATER:
        return _import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__version__ = "0.1.0"

__all__ = [
    "Array",
    "ShapeDtypeStruct",
    "ad_checkpoint",
    "block_until_ready",
    "checkpoint",
    "checking_leaks",
    "checkpoint_policies",
    "clear_caches",
    "config",
    "custom_batching",
    "custom_derivatives",
    "closure_convert",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "debug_infs",
    "debug_nans",
    "default_backend",
    "default_device",
    "default_matmul_precision",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "dtypes",
    "effects_barrier",
    "enable_x64",
    "errors",
    "eval_shape",
    "experimental",
    "explain",
    "explain_cache_misses",
    "export",
    "float0",
    "grad",
    "hessian",
    "image",
    "jacfwd",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "linear_transpose",
    "linearize",
    "local_device_count",
    "local_devices",
    "log_compiles",
    "make_jaxpr",
    "named_call",
    "named_scope",
    "nn",
    "numpy",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
    "process_count",
    "process_index",
    "pure_callback",
    "random",
    "remat",
    "scipy",
    "stages",
    "threefry_partitionable",
    "tree",
    "tree_util",
    "typeof",
    "value_and_grad",
    "vjp",
    "vmap",
]
