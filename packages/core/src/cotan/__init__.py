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
    version,
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
    fwd_and_bwd,
    grad,
    hessian,
    jacfwd,
    jacobian,
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
    typeof,
    value_and_grad,
    vjp,
    vmap,
)
from cotan.backend import Device
from cotan.config import (
    check_tracer_leaks,
    checking_leaks,
    config,
    debug_infs,
    debug_nans,
    default_device,
    default_matmul_precision,
    default_prng_impl,
    disable_jit,
    enable_checks,
    enable_custom_prng,
    enable_x64,
    explain_cache_misses,
    legacy_prng_key,
    log_compiles,
    no_tracing,
    numpy_dtype_promotion,
    numpy_rank_promotion,
    softmax_custom_jvp,
    threefry_partitionable,
    transfer_guard,
    transfer_guard_device_to_device,
    transfer_guard_device_to_host,
    transfer_guard_host_to_device,
)
from cotan.dtypes import float0
from cotan.environment import print_environment_info
from cotan.left_out import missing as _missing
from cotan.ref import empty_ref, free_ref, freeze, new_ref
from cotan.runtime.array import Array
from cotan.runtime.current_mesh import make_mesh, set_mesh
from cotan.runtime.devices import (
    block_until_ready,
    copy_to_host_async,
    default_backend,
    device_count,
    device_get,
    device_put,
    devices,
    host_count,
    host_id,
    host_ids,
    local_device_count,
    local_devices,
    process_count,
    process_index,
    process_indices,
)
from cotan.runtime.placed import (
    Shard,
    ensure_compile_time_eval,
    live_arrays,
    make_array_from_callback,
    make_array_from_process_local_data,
    make_array_from_single_device_arrays,
)
from cotan.runtime.sharding import NamedSharding, PartitionSpec
from cotan.version import __version__, __version_info__

P = PartitionSpec

_tracebacks.guard(globals())
for _room in (tree, tree_util):  # what is imported from there until now stays fast
    _tracebacks.guard(vars(_room), "cotan.tree")

# Rooms that are imported when they are first asked for.
_LATER = frozenset(
    {
        "core",
        "distributed",
        "dlpack",
        "example_libraries",
        "ffi",
        "flatten_util",
        "image",
        "memory",
        "monitoring",
        "ops",
        "profiler",
        "ref",
        "sharding",
        "test_util",
        "typing",
    }
)


def __getattr__(name: str) -> object:
    if name in _LATER:
        return _import_module(f"{__name__}.{name}")
    if name == "reshard":
        from cotan.sharding import reshard

        return reshard
    if name == "Ref":
        from cotan.ref import Ref

        return Ref
    raise AttributeError(_missing(__name__, name))


__all__ = [
    "Array",
    "Device",
    "NamedSharding",
    "P",
    "PartitionSpec",
    "ShapeDtypeStruct",
    "Shard",
    "__version__",
    "__version_info__",
    "ad_checkpoint",
    "block_until_ready",
    "check_tracer_leaks",
    "checking_leaks",
    "checkpoint",
    "checkpoint_policies",
    "clear_caches",
    "closure_convert",
    "config",
    "copy_to_host_async",
    "core",
    "custom_batching",
    "custom_derivatives",
    "custom_gradient",
    "custom_jvp",
    "custom_vjp",
    "debug",
    "debug_infs",
    "debug_nans",
    "default_backend",
    "default_device",
    "default_matmul_precision",
    "default_prng_impl",
    "device_count",
    "device_get",
    "device_put",
    "devices",
    "disable_jit",
    "dlpack",
    "dtypes",
    "effects_barrier",
    "empty_ref",
    "enable_checks",
    "enable_custom_prng",
    "enable_x64",
    "ensure_compile_time_eval",
    "errors",
    "eval_shape",
    "experimental",
    "explain",
    "explain_cache_misses",
    "export",
    "ffi",
    "flatten_util",
    "float0",
    "free_ref",
    "freeze",
    "fwd_and_bwd",
    "grad",
    "hessian",
    "host_count",
    "host_id",
    "host_ids",
    "image",
    "jacfwd",
    "jacobian",
    "jacrev",
    "jit",
    "jvp",
    "lax",
    "legacy_prng_key",
    "linear_transpose",
    "linearize",
    "live_arrays",
    "local_device_count",
    "local_devices",
    "log_compiles",
    "make_array_from_callback",
    "make_array_from_process_local_data",
    "make_array_from_single_device_arrays",
    "make_jaxpr",
    "make_mesh",
    "memory",
    "monitoring",
    "named_call",
    "named_scope",
    "new_ref",
    "nn",
    "no_tracing",
    "numpy",
    "numpy_dtype_promotion",
    "numpy_rank_promotion",
    "ops",
    "print_environment_info",
    "process_count",
    "process_index",
    "process_indices",
    "profiler",
    "pure_callback",
    "random",
    "ref",
    "remat",
    "reshard",
    "scipy",
    "set_mesh",
    "sharding",
    "softmax_custom_jvp",
    "stages",
    "test_util",
    "threefry_partitionable",
    "transfer_guard",
    "transfer_guard_device_to_device",
    "transfer_guard_device_to_host",
    "transfer_guard_host_to_device",
    "tree",
    "tree_util",
    "typeof",
    "typing",
    "value_and_grad",
    "version",
    "vjp",
    "vmap",
]
