"""LLVM's just-in-time compiler: IR text to addresses. The only module of the package that imports llvmlite.

Where a directory is configured for it, object code is kept in files and found there again. A loaded module lives as
long as its ``Module`` object. Loading runs no optimisation passes, since the text is written
as it should be; only functions marked to be inlined are, and then what they made of memory becomes registers.
"""

from __future__ import annotations

import ctypes.util
import functools
import re
import sys
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version

import llvmlite
import llvmlite.binding as llvm

from cotan.config import config
from cotan.forks import held_by_fork
from cotan_cpu.codegen import object_cache
from cotan_cpu.codegen.target import Target

INLINED = "alwaysinline"
"""The attribute of functions that are put in the place of their calls."""
_DECLARE = re.compile(r"^\s*(?:declare [^@]*@([\w.$-]+|\"[^\"]*\")\(|(!\d+) = )", re.MULTILINE)
_lock = threading.RLock()
# llvmlite's own lock is taken by whoever calls LLVM, as modules do that go while another thread compiles.
held_by_fork(_lock, llvm.ffi.lib._lock)


@functools.cache
def host_target() -> Target:
    """The processor that this process runs on.

    >>> host_target().vector_bytes >= 16
    True
    """
    features = llvm.get_host_cpu_features()
    enabled = [name for name, on in features.items() if on]
    return Target.from_features(llvm.get_host_cpu_name(), enabled, features=features.flatten())


@functools.cache
def _initialise() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    # Asking for its name costs a process on Linux, where the name is known.
    libm = "libm.so.6" if sys.platform == "linux" else ctypes.util.find_library("m")
    if libm is not None:
        llvm.load_library_permanently(libm)


@functools.cache
def _machine(cpu: str, features: str, level: int) -> llvm.TargetMachine:
    """The one that makes all code: what it has worked out of the processor's instructions is most of a megabyte.

    The code model is that of JITs (addresses of any size), since sections and libraries may lie far apart.
    """
    return llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=level, jit=True)


def _plain_machine() -> llvm.TargetMachine:
    """One for an engine, which makes no code by it: it owns its machine, and takes it along when it goes."""
    return llvm.Target.from_default_triple().create_target_machine(opt=0, jit=True)


@functools.cache
def _versions() -> tuple[str, ...]:
    """What code depends on besides its text and the processor."""
    compiler = ".".join(map(str, llvm.llvm_version_info))
    return llvm.get_default_triple(), compiler, llvmlite.__version__, version("cotan-cpu")


class Module:
    """Native code of one IR module, of ``nbytes`` bytes. Keep it alive while its functions may be called."""

    def __init__(self, engine: llvm.ExecutionEngine, nbytes: int) -> None:
        self._engine = engine
        self.nbytes = nbytes

    def address(self, name: str) -> int:
        """Where the function ``name`` begins."""
        address = int(self._engine.get_function_address(name))
        if not address:
            raise KeyError(name)
        return address


class Engine:
    """Compiles modules for one target.

    >>> module = Engine().load("define i64 @three() {\\n ret i64 3\\n}")
    >>> module.address("three") != 0
    True
    """

    def __init__(self, target: Target | None = None, level: int = 2) -> None:
        self.target = target or host_target()
        self.level = level

    def load(self, text: str, symbols: Mapping[str, int] | None = None) -> Module:
        """Compile IR text; ``symbols`` gives the addresses of functions and data that it declares."""
        with _lock:
            _initialise()
            directory = config.compilation_cache_dir
            if directory is None or not config.enable_compilation_cache:
                return _link(self._compile(text), symbols or {})
            key = object_cache.digest([text, self.target.cpu, self.target.features, str(self.level), *_versions()])
            code = object_cache.read(directory, key)
            if code is None:
                start = time.perf_counter()
                code = self._compile(text)
                if time.perf_counter() - start >= config.persistent_cache_min_compile_time_secs:
                    object_cache.write(directory, key, code)
            return _link(code, symbols or {})

    def _compile(self, text: str) -> bytes:
        """The object file of ``text``."""
        module = llvm.parse_assembly(unique_declarations(text))
        machine = _machine(self.target.cpu, self.target.features, self.level)
        if INLINED in text:
            _inline(module, machine)
        return bytes(machine.emit_object(module))


def _link(code: bytes, symbols: Mapping[str, int]) -> Module:
    """The native code in an object file, which looks symbols up by name: their declarations say nothing more."""
    declarations = "\n".join(f'declare void @"{name}"()' for name in symbols)
    module = llvm.parse_assembly(declarations)
    engine = llvm.create_mcjit_compiler(module, _plain_machine())
    for name, address in symbols.items():
        engine.add_global_mapping(module.get_function(name), address)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return Module(engine, len(code))


def _inline(module: llvm.ModuleRef, machine: llvm.TargetMachine) -> None:
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options()))


def unique_declarations(text: str) -> str:
    """``text`` with repeated declarations (of functions, of metadata) left out."""
    seen: set[str] = set()
    lines = []
    for line in text.split("\n"):
        found = _DECLARE.match(line) if "declare" in line or "!" in line else None
        if found:
            name = found.group(1) or found.group(2)
            if name in seen:
                continue
            seen.add(name)
        lines.append(line)
    return "\n".join(lines)


def load(text: str, symbols: Mapping[str, int] | None = None) -> Module:
    """Compile IR text for this machine; see ``Engine.load``."""
    return Engine().load(text, symbols)
