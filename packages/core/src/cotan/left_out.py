"""What is said of names that programs may look for and that are not here. Knows the names, imports nothing above."""

from __future__ import annotations

_ONE_DEVICE = "programs run on one device here; use jit, and vmap for a mapped axis"
_ONE_PROCESS = "programs run in one process here"

_REASONS: dict[str, dict[str, str]] = {
    "cotan": {
        **dict.fromkeys(("pmap", "shard_map"), _ONE_DEVICE),
        "lib": "there is no foreign compiler underneath; cotan.ffi calls other code",
        **dict.fromkeys(("extend", "interpreters", "api_util"), "how programs are transformed inside is not public"),
    },
    "cotan.lax": {
        **dict.fromkeys(("psend", "precv"), _ONE_DEVICE),
    },
    "cotan.custom_derivatives": {
        "remat_opt_p": "the forward function of a custom_vjp is not rematerialised by a primitive of its own; put "
        "cotan.checkpoint around it",
    },
    "cotan.experimental": {
        **dict.fromkeys(
            ("EArray", "primal_tangent_dtype", "cur_qdd", "hijax"),
            "how programs are transformed inside is not public; register classes as pytrees, and give rules by "
            "custom_jvp and custom_vjp",
        ),
        **dict.fromkeys(
            ("pallas", "buffer_callback", "fused"),
            "kernels are written with cotan.experimental.kernel; cotan.ffi calls others",
        ),
        **dict.fromkeys(("jax2tf", "host_callback"), "cotan.export writes programs, and pure_callback calls the host"),
        **dict.fromkeys(
            ("custom_partitioning", "shard_alike", "topologies", "colocated_python", "transfer", "compute_on"),
            "where programs run is chosen by device_put and by jit",
        ),
        **dict.fromkeys(
            ("xla_metadata", "scheduling_groups", "control_deps", "layout", "profiler", "roofline"),
            "there is no foreign compiler underneath to give orders to; cotan.explain shows what a program does",
        ),
        "rnn": "write the cell as a function and the recurrence as cotan.lax.scan",
        "serialize_executable": "cotan.export writes programs, and compilation_cache keeps what they compile to",
        "shard_map": _ONE_DEVICE,
    },
    "cotan.ffi": {
        **dict.fromkeys(
            ("build_ffi_lowering_function", "ffi_lowering", "register_ffi_type", "register_ffi_type_id"),
            "XLA's typed interface needs XLA; register_ffi_target takes plain functions of C, with api_version=0",
        ),
        "register_ffi_target_as_batch_partitionable": _ONE_DEVICE,
    },
    "cotan.profiler": {
        "register_subprocess": _ONE_PROCESS,
    },
    "cotan.experimental.multihost_utils": dict.fromkeys(
        (
            *("host_local_array_to_global_array_impl", "global_array_to_host_local_array_impl"),
            *("ltg_abstract_eval", "ltg_batcher", "gtl_abstract_eval"),
        ),
        "arrays over the devices of several processes are not held as one here",
    ),
    "cotan.experimental.sparse.linalg": {"spsolve_p": "it is made of other operations; call spsolve"},
    "cotan.numpy": {
        **dict.fromkeys(("int1", "uint1"), "one-bit integers have no dtype here; use bool, or int2 and uint2"),
    },
}


def missing(module: str, name: str) -> str:
    """The text of the AttributeError for a name that a module does not have."""
    reason = _REASONS.get(module, {}).get(name)
    text = f"module {module!r} has no attribute {name!r}"
    return text if reason is None else f"{text}: {reason}"
