"""The one module that calls jaxlib: PJRT clients, arrays, compilation, and the MLIR bindings as the lowering uses them.

It asks what an installed jaxlib can do by trying, not by its version. ``jax`` itself is never imported: what would make
the native code look for it (taking arrays apart, named shardings) is not called. Knows no primitive and no program.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # before the first import: its banners go to stderr

from jaxlib import xla_client as xc
from jaxlib.mlir import ir
from jaxlib.mlir._mlir_libs import _jax_mlir_ext
from jaxlib.mlir.dialects import chlo, func, sdy
from jaxlib.mlir.dialects import stablehlo as hlo

__all__ = ["chlo", "func", "hlo", "ir", "sdy", "xc"]

XlaError: type[Exception] = xc.XlaRuntimeError
MlirError: type[Exception] = ir.MLIRError


# ---- The language: types, and one context for all programs

_lock = threading.RLock()


@cache
def context() -> Any:
    """The MLIR context, which is dear to make."""
    made = ir.Context()
    registry = ir.DialectRegistry()
    _jax_mlir_ext.register_dialects(registry)
    made.append_dialect_registry(registry)
    made.load_all_available_dialects()
    for dialect in (hlo, chlo, sdy):
        dialect.register_dialect(made)
    return made


_FLOATS = {
    "float16": "F16Type", "float32": "F32Type", "float64": "F64Type", "bfloat16": "BF16Type",
    "float8_e3m4": "Float8E3M4Type", "float8_e4m3": "Float8E4M3Type", "float8_e4m3b11fnuz": "Float8E4M3B11FNUZType",
    "float8_e4m3fn": "Float8E4M3FNType", "float8_e4m3fnuz": "Float8E4M3FNUZType", "float8_e5m2": "Float8E5M2Type",
    "float8_e5m2fnuz": "Float8E5M2FNUZType", "float8_e8m0fnu": "Float8E8M0FNUType",
}  # fmt: skip
_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
NARROW = {
    "int4": np.dtype(np.int8),
    "uint4": np.dtype(np.uint8),
    "int2": np.dtype(np.int8),
    "uint2": np.dtype(np.uint8),
}
"""Dtypes of less than a byte, and those in which buffers hold them: programs convert as they begin and end."""
DTYPES = frozenset({"bool", "complex64", "complex128", *_FLOATS, *_INTEGERS, *NARROW})


@cache
def element_type(dtype: np.dtype) -> Any:
    """The element type of a dtype; the context must be entered."""
    name = dtype.name
    if name == "bool":
        return ir.IntegerType.get_signless(1)
    if name in _FLOATS:
        return getattr(ir, _FLOATS[name]).get()
    if name.startswith("complex"):
        return ir.ComplexType.get(element_type(np.dtype(np.float32 if name == "complex64" else np.float64)))
    bits = int(name.removeprefix("u").removeprefix("int"))
    return ir.IntegerType.get_unsigned(bits) if name[0] == "u" else ir.IntegerType.get_signless(bits)


def stored_dtype(dtype: Any) -> np.dtype:
    """The dtype in which buffers hold elements of ``dtype``."""
    return NARROW.get(dtype.name) or dtype


# ---- Clients


class _Aval:
    """The type of an array, as jaxlib wants to read it."""

    __slots__ = ("dtype", "shape", "weak_type")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape = shape
        self.dtype = dtype
        self.weak_type = False


@cache
def aval(shape: tuple[int, ...], dtype: np.dtype) -> _Aval:
    """The type of an array, the same object for equal ones."""
    return _Aval(shape, dtype)


def cpu_client(devices: int = 1, **distributed: Any) -> Any:
    """A client of XLA's own CPU runtime."""
    return xc.make_cpu_client(num_devices=devices, asynchronous=True, **distributed)


def plugin_client(name: str, path: str, options: dict[str, Any] | None = None) -> Any:
    """A client of the PJRT plugin in the shared library ``path``."""
    load_plugin(name, path)
    return xc.make_c_api_client(name, options or {}, None)


def load_plugin(name: str, path: str) -> Any:
    """The C interface of a PJRT plugin, loaded and initialised once."""
    with _lock:
        known = _plugins.get(name)
        if known is None:
            known = _plugins[name] = xc.load_pjrt_plugin_dynamically(name, path)
            if not xc.pjrt_plugin_initialized(name):
                xc.initialize_pjrt_plugin(name)
        return known


_plugins: dict[str, Any] = {}


def gpu_options() -> dict[str, Any]:
    """What CUDA and ROCm clients are told at their start: how much memory they may take."""
    return dict(xc.generate_pjrt_gpu_plugin_options())


def tpu_library() -> str | None:
    """The path of libtpu, as its wheel or ``TPU_LIBRARY_PATH`` gives it."""
    path = os.environ.get("TPU_LIBRARY_PATH")
    if path:
        return path
    try:
        import libtpu
    except ImportError:
        return None
    found: str = libtpu.get_library_path()
    return found


def tpu_topology(name: str) -> list[Any]:
    """The devices of TPUs that are not here, for which programs can be compiled, as ``v5e:2x2``."""
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")
    path = tpu_library()
    if path is None:
        raise FileNotFoundError("libtpu is not installed")
    return list(xc.make_c_api_device_topology(load_plugin("tpu", path), name)._make_compile_only_devices())


def distributed_service(address: str, processes: int) -> Any:
    """The service by which processes find each other; held by the first of them."""
    return xc._xla.get_distributed_runtime_service(address, processes)


def distributed_client(address: str, process: int, timeout: int) -> Any:
    """This process's connection to the service, connected."""
    client = xc._xla.get_distributed_runtime_client(address, process, init_timeout=timeout, use_compression=True)
    client.connect()
    return client


class Board:
    """Where the processes of a run leave bytes for each other: the service's keys and values."""

    def __init__(self, client: Any, processes: int) -> None:
        self._client, self._processes = client, processes

    def put(self, key: str, value: bytes) -> None:
        """Leave ``value`` under a key that nobody has used."""
        self._client.key_value_set_bytes(key, value)

    def get(self, key: str, seconds: float) -> bytes | None:
        """What stands under a key, when it is there; None if it is not after so many seconds."""
        try:
            found: bytes = self._client.blocking_key_value_get_bytes(key, int(1000 * seconds))
        except Exception as error:
            if "DEADLINE_EXCEEDED" in str(error):
                return None
            raise
        return found

    def barrier(self, key: str, seconds: float) -> None:
        """Wait until all processes are here."""
        self._client.wait_at_barrier(key, int(1000 * seconds))

    def live(self) -> set[int]:
        """The numbers of the processes that answer."""
        return set(self._client.get_live_nodes(list(range(self._processes))))


def gloo(client: Any, hostname: str) -> Any:
    """Collectives of CPU devices over TCP."""
    return xc._xla.make_gloo_tcp_collectives(distributed_client=client, hostname=hostname)


# ---- Arrays

ZERO_COPY = xc.HostBufferSemantics.ZERO_COPY
DURING_CALL = xc.HostBufferSemantics.IMMUTABLE_ONLY_DURING_CALL


@cache
def device_list(devices: tuple[Any, ...]) -> Any:
    """``devices`` as jaxlib wants them."""
    return xc.DeviceList(devices)


@cache
def on_device(device: Any) -> Any:
    """The placement of an array that lies on one device."""
    return xc.GSPMDSharding(device_list((device,)), xc.HloSharding.replicate())


def replicated(devices: tuple[Any, ...]) -> Any:
    """The placement of an array that every device holds."""
    return xc.GSPMDSharding(device_list(devices), xc.HloSharding.replicate())


def tiled(devices: tuple[Any, ...], tiles: tuple[int, ...], order: tuple[int, ...] = ()) -> Any:
    """The placement of an array that is cut into ``tiles`` along its axes.

    ``order`` gives the numbers of the devices as the tiles are counted, row by row; where there are fewer tiles than
    devices, consecutive ones of them hold the same.
    """
    count = int(np.prod(tiles, dtype=np.int64))
    if count == 1:
        return replicated(devices)
    sharding = xc.OpSharding()
    sharding.type = xc.OpSharding.Type.OTHER
    copies = len(devices) // count
    sharding.tile_assignment_dimensions = [*tiles, copies] if copies > 1 else list(tiles)
    sharding.replicate_on_last_tile_dim = copies > 1
    sharding.tile_assignment_devices = list(order or range(len(devices)))
    return xc.GSPMDSharding(device_list(devices), sharding)


def put(values: Sequence[Any], kind: _Aval, placement: Any, devices: Sequence[Any], semantics: Any) -> Any:
    """An array of one part for each device."""
    return xc.batched_device_put(
        kind, placement, values, devices, True, host_buffer_semantics=semantics, enable_x64=True
    )


def result_handler(kind: _Aval, placement: Any) -> Any:
    """What makes an array of what a program returns, without looking for ``jax``."""
    try:
        return xc.array_result_handler(kind, placement, True, True)
    except TypeError:  # newer ones have one flag less
        return xc.array_result_handler(kind, placement, True)


def settle(device: Any) -> None:
    """Ask for an array's address once while ``jax`` cannot be found: older jaxlibs look for it then, and not again."""
    with _without_jax():
        array = put([np.zeros(())], aval((), np.dtype(np.float64)), on_device(device), [device], DURING_CALL)
        array.unsafe_buffer_pointer()


def address(array: Any) -> int:
    """Where the elements of an array of one device lie."""
    return int(array.unsafe_buffer_pointer())


@contextmanager
def _without_jax() -> Iterator[None]:
    """A block in which native code that looks for ``jax`` finds none, as its own code for arrays' parts does."""
    with _lock:
        absent = "jax" not in sys.modules
        if absent:
            sys.modules["jax"] = None  # type: ignore[assignment]
        try:
            yield
        finally:
            if absent:
                del sys.modules["jax"]


def fetch(array: Any) -> np.ndarray:
    """A copy of an array of one device in host memory that is not the device's."""
    with _without_jax():
        value, _ = array._single_device_array_to_np_array_did_copy()
    return np.asarray(value)


def parts(array: Any) -> list[np.ndarray]:
    """What each device of this process holds of an array."""
    with _without_jax():
        return [np.asarray(one._single_device_array_to_np_array_did_copy()[0]) for one in array._arrays]


# ---- Programs


EFFORTS = {"UNKNOWN": 0, "O0": 9, "O1": 19, "O2": 29, "O3": 39}  # ExecutionOptions.EffortLevel in xla.proto


def compile_options(
    devices: Sequence[Any],
    *,
    replicas: int = 1,
    partitions: int = 1,
    overrides: Sequence[tuple[str, Any]] = (),
    speed: str = "UNKNOWN",
    memory: str = "O2",
) -> Any:
    """Options for a program on ``devices``, replica by replica; ``speed`` and ``memory`` say how hard XLA tries."""
    options = xc.CompileOptions()
    options.num_replicas = replicas
    options.num_partitions = partitions
    build = options.executable_build_options
    build.use_spmd_partitioning = partitions > 1
    build.use_shardy_partitioner = partitions > 1
    build.optimization_level = EFFORTS[speed]
    build.memory_fitting_level = EFFORTS[memory]
    ids = np.array([device.id for device in devices], np.int32).reshape(replicas, partitions)
    options.device_assignment = xc.DeviceAssignment.create(ids)
    if overrides:
        options.env_option_overrides = list(overrides)
    return options


def compile_module(
    client: Any, module: Any, devices: Sequence[Any], options: Any, callbacks: Sequence[Any] = ()
) -> Any:
    """An executable of ``module`` on ``devices``."""
    where = device_list(tuple(devices))
    if callbacks:
        return client.compile_and_load(module, where, options, host_callbacks=list(callbacks))
    return client.compile_and_load(module, where, options)


def annotate(module: Any, mesh: str, ins: Sequence[str], outs: Sequence[str], partitions: int) -> None:
    """Say how arguments and results of ``main`` are cut along the axes of a mesh, in attributes' texts."""
    with context(), ir.Location.unknown():
        body = module.body
        with ir.InsertionPoint.at_block_begin(body):
            sdy.MeshOp("mesh", ir.Attribute.parse(mesh))
        attributes = module.operation.attributes
        i32 = ir.IntegerType.get_signless(32)
        attributes["mhlo.num_partitions"] = ir.IntegerAttr.get(i32, partitions)
        attributes["mhlo.num_replicas"] = ir.IntegerAttr.get(i32, 1)
        main = next(op for op in body.operations if getattr(op, "name", None) == ir.StringAttr.get("main"))

        def each(texts: Sequence[str]) -> Any:
            return ir.ArrayAttr.get([ir.DictAttr.get({"sdy.sharding": ir.Attribute.parse(text)}) for text in texts])

        main.arg_attrs, main.result_attrs = each(ins), each(outs)


def compile_only(module: Any, devices: Sequence[Any], options: Any) -> Any:
    """Compile for devices that need not be here (see ``tpu_topology``)."""
    return devices[0].client.compile(module, device_list(tuple(devices)), options)


def serialize(client: Any, executable: Any) -> bytes:
    """The executable as bytes for ``deserialize``."""
    return bytes(client.serialize_executable(executable))


def deserialize(client: Any, text: bytes, devices: Sequence[Any], options: Any) -> Any:
    """The executable that was serialised. It can hold code: the bytes must be one's own."""
    return client.deserialize_executable(text, device_list(tuple(devices)), options)


def optimised_text(executable: Any) -> str:
    """The program as XLA has optimised it."""
    return "\n".join(module.to_string() for module in executable.hlo_modules())


def cost_analysis(executable: Any) -> dict[str, float]:
    """What XLA counts: ``flops``, ``bytes accessed``, ..."""
    found = executable.cost_analysis()
    return dict(found[0] if isinstance(found, list) else found)


def memory_analysis(executable: Any) -> dict[str, int]:
    """Bytes of a program's memory by what they hold."""
    stats = executable.get_compiled_memory_stats()
    names = {
        "temp": "workspace",
        "generated_code": "code",
        "argument": "arguments",
        "output": "results",
        "alias": "donated",
    }
    return {name: int(getattr(stats, f"{theirs}_size_in_bytes")) for theirs, name in names.items()}


def versions() -> str:
    """Of jaxlib."""
    import jaxlib.version

    return f"jaxlib {jaxlib.version.__version__}"


# ---- What the CPU runtime calls


@cache
def _lapack_names() -> frozenset[str]:
    return frozenset(name for name, _, _ in register_lapack().registrations()["cpu"])


def has_lapack(routine: str) -> bool:
    """Whether this jaxlib has a routine, as ``ormqr_ffi``."""
    return any(name.removeprefix("lapack_")[1:] == routine for name in _lapack_names())


@cache
def register_lapack() -> Any:
    """Make LAPACK's routines known to the CPU runtime; the module that says how they are called."""
    from jaxlib import lapack

    for name, target, version in lapack.registrations()["cpu"]:
        xc.register_custom_call_target(name, target, "cpu", api_version=version)
    return lapack
