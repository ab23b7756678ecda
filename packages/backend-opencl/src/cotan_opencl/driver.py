"""The only module that imports pyopencl: platforms, devices, contexts, queues, programs, memory, and their errors.

Knows no arrays and no programs of cotan's.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from cotan.backend.host_memory import HostBytes, aligned
from cotan.compiler.c import GPU_TILE
from cotan.config import config
from cotan.errors import BackendUnavailableError, JaxRuntimeError, UnsupportedError, log

_APART, _CACHED = 13 * 128, 1 << 23
"""Arrays are on whole pages; small ones, which come from caches, begin at different lines."""
_PROGRAMS = 256
"""Built programs that a device keeps for others of the same text."""
_AWAKE = 2e-4
"""Seconds that a thread looks at a command again and again, the processor yielded in between, before it sleeps until
that is done: sleeping and waking take as long as short programs do, and looking on takes time from long ones."""
_pause = getattr(os, "sched_yield", None) or functools.partial(time.sleep, 0)
_serials = itertools.count(1)
_HIDDEN = "it finds none, or may not use them (/dev/dri: the groups video and render; PoCL: write to POCL_CACHE_DIR)"
_LOST = ("DEVICE_NOT_AVAILABLE", "INVALID_COMMAND_QUEUE", "INVALID_CONTEXT", "DEVICE_NOT_FOUND")
_NO_MEMORY = ("MEM_OBJECT_ALLOCATION_FAILURE", "OUT_OF_RESOURCES", "OUT_OF_HOST_MEMORY", "INVALID_BUFFER_SIZE")


def _module() -> Any:
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")  # runtimes have caches of their own
    os.environ.setdefault("PYOPENCL_COMPILER_OUTPUT", "0")
    if len(getattr(os, "sched_getaffinity", lambda _: ())(0)) == os.cpu_count():
        os.environ.setdefault("POCL_AFFINITY", "1")  # else its threads often share a processor while another is idle
    try:
        import pyopencl
    except Exception as error:  # NumPy's is a ValueError, where pyopencl was built for another one
        raise BackendUnavailableError(
            f'pyopencl cannot be imported ({error}); pip install "cotan-opencl[pocl]" brings it with a runtime for CPUs'
        ) from error
    return pyopencl


def describe(error: BaseException) -> str:
    """An error of the driver on one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:400]


# ---- Devices


@dataclass(frozen=True)
class Found:
    """A device as OpenCL shows it.

    Attributes:
      context: of the device alone; parts that are no sub-devices share it.
      words: name, platform and kind, for people.
      shared: whether its memory is the host's.
      underrated: whether it is a CPU with AVX-512, which PoCL's compiler does not know or does not use by itself.
    """

    handle: Any
    context: Any
    words: str
    platform: str
    is_cpu: bool
    shared: bool
    doubles: bool
    units: int
    underrated: bool


@dataclass(frozen=True)
class Configured:
    """The devices that configuration asks for; ``notes``: what is wrong with others, and with their platforms."""

    devices: tuple[Found, ...]
    version: str
    notes: tuple[str, ...] = field(default=())


@functools.cache
def _context(handle: Any) -> Any:
    """Devices are opened to find out whether they work, and stay open: that can take a driver half a second."""
    cl = _module()
    context = cl.Context([handle])
    cl.CommandQueue(context)
    return context


def _found(handle: Any, kind: str = "") -> Found:
    cl = _module()
    is_cpu = bool(handle.type & cl.device_type.CPU)
    names = {cl.device_type.CPU: "CPU", cl.device_type.GPU: "GPU", cl.device_type.ACCELERATOR: "accelerator"}
    kinds = "/".join(name for bit, name in names.items() if handle.type & bit) or "device"
    doubles = "cl_khr_fp64" in handle.extensions or bool(getattr(handle, "double_fp_config", 0))
    platform = handle.platform.name.strip()
    words = (
        f"{handle.name.strip()} on {platform}, {kinds}, {handle.max_compute_units} units, "
        f"{handle.global_mem_size >> 20} MiB, {'fp64' if doubles else 'no fp64'}{kind}"
    )
    as_cpu = is_cpu and not config.opencl_as_gpu
    if not handle.available or not handle.compiler_available:
        raise UnsupportedError("opencl", "devices that are switched off, or have no compiler")
    if not as_cpu and handle.max_work_group_size < GPU_TILE.group:
        raise UnsupportedError("opencl", f"groups of {handle.max_work_group_size} items; {GPU_TILE.group} are needed")
    shared = as_cpu and bool(handle.host_unified_memory)
    underrated = as_cpu and "HSTR: pthread-x86_64" in handle.version and _has_avx512()
    units = handle.max_compute_units
    return Found(handle, _context(handle), words, platform, as_cpu, shared, doubles, units, underrated)


def _usable(handles: Iterable[Any], notes: list[str], kind: str = "") -> list[Found]:
    """Those that can be opened; why the others cannot goes into ``notes``."""
    devices = []
    for number, handle in enumerate(handles):
        name = "a device"
        try:
            name = f"{handle.name.strip()} on {handle.platform.name.strip()}"
            devices.append(_found(handle, kind and f"{kind} {number}"))
        except Exception as error:
            notes.append(f"broken: {name}: {describe(error)}")
    return devices


def _has_avx512() -> bool:
    """Whether the host has it. LLVM before 16 takes a Zen 4 for a Zen 3, which has not; of Intel's it uses half."""
    features = np.show_config(mode="dicts").get("SIMD Extensions", {})
    return not {"X86_V4", "AVX512_SKX"}.isdisjoint([*features.get("baseline", ()), *features.get("found", ())])


def _all_devices() -> tuple[list[Found], str, list[str]]:
    """(devices, versions of their platforms, what went wrong with others)."""
    cl = _module()
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        raise BackendUnavailableError(
            f'no OpenCL runtime was found ({describe(error)}); pip install "cotan-opencl[pocl]" brings one for CPUs, '
            "and OCL_ICD_DEBUG=7 shows why one that is installed does not load"
        ) from error
    devices: list[Found] = []
    names: list[str] = []
    versions: list[str] = []
    notes: list[str] = []
    wanted = (config.opencl_platform or "").lower()
    for platform in platforms:
        names.append("a platform")
        try:
            names[-1] = name = platform.name.strip()
            if wanted not in f"{name} {platform.version}".lower():
                continue
            handles = platform.get_devices()
            devices.extend(_usable(handles, notes))
            versions.append(f"{name}, {platform.version.strip()}")
            if not handles:
                notes.append(f"{name} shows no devices: {_HIDDEN}")
        except Exception as error:
            notes.append(f"{names[-1]} shows no devices: {describe(error)}")
    if not devices:
        limit = f" of a platform named {config.opencl_platform!r}" if wanted else ""
        raise BackendUnavailableError(
            f"OpenCL shows no usable device{limit}; platforms: {'; '.join([', '.join(names) or 'none', *notes])}. "
            'pip install "cotan-opencl[pocl]" brings a runtime for CPUs'
        )
    # Accelerators first; platforms keep their order.
    devices.sort(key=lambda device: device.is_cpu)
    return devices, "; ".join(versions), notes


def configured_devices() -> Configured:
    """All devices, or ``config.num_opencl_devices`` parts of the first one.

    Raises:
      BackendUnavailableError: there is no runtime, or no device; the message says what to install.
    """
    devices, version, notes = _all_devices()
    count = config.num_opencl_devices
    if count:
        devices = _parts(devices[0], count, notes)
    return Configured(tuple(devices), version, tuple(notes))


def _parts(root: Found, count: int, notes: list[str]) -> list[Found]:
    """Sub-devices of equal size where the units suffice and configuration wants them, else the same device again."""
    cl = _module()
    if config.opencl_partition and root.units >= count:
        try:
            property_ = cl.device_partition_property.EQUALLY
            parts = root.handle.create_sub_devices([property_, root.units // count])[:count]
            if len(parts) == count:
                return _usable(parts, notes, ", sub-device")
        except cl.Error as error:
            notes.append(f"no sub-devices: {describe(error)}")
    return [replace(root, words=f"{root.words}, virtual device {n}") for n in range(count)]


# ---- Memory


class Memory:
    """A piece of device memory: ``cl``, the driver's object, and ``host``, the same bytes here if memory is shared.

    ``nbytes``: how many of them are a pool's, none where the host's own array is borrowed; ``serial``: a number of its
    own, by which kernels know what their arguments are without keeping it. ``events``: the last commands that may still
    use it; ``used`` and ``wrote``: numbers of the last that did, by lane.
    """

    __slots__ = ("cl", "events", "host", "nbytes", "serial", "used0", "used1", "wrote0", "wrote1")

    def __init__(self, cl: Any, host: np.ndarray | None, nbytes: int) -> None:
        self.cl = cl
        self.host = host
        self.nbytes = nbytes
        self.serial = next(_serials)
        self.events: tuple[Any, ...] = ()
        self.used0 = self.used1 = self.wrote0 = self.wrote1 = 0


# ---- Queues


class Queue:
    """A device with its context and its in-order queue, and on CPUs another one beside it: lanes 0 and 1.

    A runtime's threads sleep when what is left of a kernel is not enough for all, and take longer to wake than a short
    kernel does. So programs of one launch go to the lanes in turn, and a thread with nothing left goes on with the
    next. Launches are numbered; memory notes for each lane the number of the last one that used it and that wrote it,
    and a launch waits for the other lane where that is later than what its own knows to be over (``known0``,
    ``known1``). All else goes to lane 0, after everything (``join``), and notes no memory: lane 1 waits for it
    (``unnoted``). ``last0`` and ``last1`` are the last commands.

    ``lock`` is held while a program's commands are given to a queue: they are not mixed with another thread's.
    """

    def __init__(self, found: Found) -> None:
        self.cl = cl = _module()
        self.found = found
        self.lock = threading.RLock()
        self.number = self.known0 = self.known1 = self.unnoted = 0
        self._programs: OrderedDict[str, Any] = OrderedDict()
        with self.translating("opening it"):
            self.context = found.context
            self.queue = cl.CommandQueue(self.context)
            self.side = cl.CommandQueue(self.context) if found.shared else None
            self.last0 = self.last1 = cl.enqueue_marker(self.queue)

    def translated(self, error: BaseException, what: str) -> Exception:
        """The driver's error in the user's terms."""
        text = describe(error)
        name = self.found.words.split(",")[0]
        if isinstance(error, MemoryError) or any(word in text for word in _NO_MEMORY):
            return JaxRuntimeError(
                f"the OpenCL device {name} is out of memory ({what}): {text}. Delete arrays (x.delete()), donate "
                "arguments that are not needed any more, or work on smaller pieces"
            )
        if any(word in text for word in _LOST):
            return JaxRuntimeError(
                f"the OpenCL device {name} is lost ({what}): {text}. Its arrays are gone; start the process anew, or "
                "go on with another backend, for which COTAN_PLATFORM or cotan.devices() ask"
            )
        return JaxRuntimeError(f"the OpenCL device {name} failed ({what}): {text}")

    @contextlib.contextmanager
    def translating(self, what: str) -> Iterator[None]:
        """Where the driver's errors are raised in the user's terms."""
        try:
            yield
        except (MemoryError, self.cl.Error) as error:
            raise self.translated(error, what) from error

    def allocate(self, nbytes: int) -> Memory:
        """Fresh memory.

        Raises:
          MemoryError: there is not enough; also what the driver raises then.
        """
        cl, flags = self.cl, self.cl.mem_flags
        if not self.found.shared:
            return Memory(cl.Buffer(self.context, flags.READ_WRITE, nbytes), None, nbytes)
        return self.over(aligned(nbytes, _APART if nbytes <= _CACHED else 0, 4096 if nbytes >= 4096 else 128), nbytes)

    def over(self, host: np.ndarray, nbytes: int = 0) -> Memory:
        """Memory of the host as memory of a device that shares it."""
        host = host.view(HostBytes)
        flags = self.cl.mem_flags
        return Memory(self.cl.Buffer(self.context, flags.READ_WRITE | flags.USE_HOST_PTR, hostbuf=host), host, nbytes)

    def join(self) -> None:
        """Let what lane 0 is given now come after everything in lane 1, and be waited for there."""
        if self.side is not None:
            if not self.done(self.last1):
                self.last0 = self.cl.enqueue_barrier(self.queue, wait_for=[self.last1])
            self.unnoted = self.number = self.known0 = self.number + 1

    def read(self, memory: Memory, offset: int, target: np.ndarray) -> None:
        """Copy to the host; waits."""
        self.cl.enqueue_copy(self.queue, target, memory.cl, src_offset=offset, is_blocking=True)

    def write(self, memory: Memory, offset: int, source: np.ndarray) -> None:
        """Copy from the host; ``source`` may be changed afterwards."""
        self.last0 = self.cl.enqueue_copy(self.queue, memory.cl, source, dst_offset=offset, is_blocking=True)

    def copy(self, source: Memory, at: int, target: Memory, to: int, nbytes: int) -> None:
        self.last0 = self.cl.enqueue_copy(
            self.queue, target.cl, source.cl, src_offset=at, dst_offset=to, byte_count=nbytes
        )

    def done(self, event: Any) -> bool:
        """Whether the command is over, well or badly."""
        try:
            return event is None or event.command_execution_status <= 0
        except self.cl.Error:  # the device is lost
            return True

    def synchronize(self) -> None:
        """Wait for everything."""
        for event in (self.last0, self.last1):
            self.wait(event, "waiting for it")

    def wait(self, event: Any, what: str = "running a program") -> None:
        """Wait for a command; raises what went wrong in it."""
        if event is None:
            return
        try:
            end = time.perf_counter() + _AWAKE
            while (status := event.command_execution_status) > 0 and time.perf_counter() < end:
                _pause()
            if status != 0:
                event.wait()
        except self.cl.Error as error:
            raise self.translated(error, what) from error

    # ---- Programs

    def build(self, text: str, name: str) -> Any:
        """The built program, which others of the same text share.

        Raises:
          JaxRuntimeError: it does not build; the message has the log and the lines it is about.
        """
        found = self._programs.get(text)
        if found is None:
            found = self._build(text, name)
            self._programs[text] = found
            if len(self._programs) > _PROGRAMS:
                self._programs.popitem(last=False)
        return found

    def builds(self, text: str) -> bool:
        """Whether the runtime's compiler accepts ``text``."""
        try:
            self._build(text, "a probe")
        except JaxRuntimeError:
            return False
        return True

    def _build(self, text: str, name: str) -> Any:
        import warnings

        cl = self.cl
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return cl.Program(self.context, text).build(options=["-cl-std=CL1.2"])
        except cl.Error as error:
            if "BUILD_PROGRAM_FAILURE" not in str(error):
                raise self.translated(error, f"building `{name}`") from error
            numbered = "\n".join(f"{n:5d}  {line}" for n, line in enumerate(text.splitlines(), 1))
            raise JaxRuntimeError(
                f"a kernel of `{name}` does not build on the OpenCL device {self.found.words}. This is a fault of "
                "cotan-opencl or of the driver; please report it with what follows.\n"
                f"log:\n{error}\nsource:\n{numbered}"
            ) from error

    def kernel(self, text: str, program: str, name: str) -> Any:
        """A kernel object of its own, of a program of that text."""
        cl = self.cl
        try:
            return cl.Kernel(self.build(text, program), name)
        except cl.Error as error:
            if "INVALID_KERNEL_NAME" not in str(error):
                raise self.translated(error, f"building `{program}`") from error
            # A process that was killed can leave a damaged entry in the runtime's cache: another text avoids it.
            log(f"the OpenCL runtime's cached code of `{program}` is damaged; it is built again")
            again = f"typedef int cotan_again_{os.getpid()}_{len(self._programs)};"
            self._programs[text] = self._build(f"{again}\n{text}", program)
            return cl.Kernel(self._programs[text], name)
