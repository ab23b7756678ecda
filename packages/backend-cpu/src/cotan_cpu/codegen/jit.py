"""From LLVM IR text to addresses of native functions: the only module that imports llvmlite.

llvmlite is imported when something is first compiled. The text is expected to be good already (explicit vectors, values
hoisted): only ``sroa`` runs before code generation, which turns allocas into registers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from cotan_cpu.codegen.target import Target


@functools.cache
def _llvm() -> Any:
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def host_target() -> Target:
    """The machine that this process runs on."""
    llvm = _llvm()
    features = llvm.get_host_cpu_features()
    enabled = [name for name, on in features.items() if on]
    return Target.from_features(llvm.get_host_cpu_name(), enabled, features=features.flatten())


def _target_machine(target: Target, level: int) -> Any:
    triple = _llvm().Target.from_default_triple()
    return triple.create_target_machine(cpu=target.cpu, features=target.features, opt=level, reloc="default", jit=True)


class Module:
    """Native code in memory; it lives as long as this object."""

    def __init__(self, text: str, symbols: Mapping[str, int], level: int) -> None:
        llvm = _llvm()
        for name, address in symbols.items():
            llvm.add_symbol(name, address)
        target = host_target()
        machine = _target_machine(target, level)
        module = llvm.parse_assembly(text)
        _optimise(module, machine)
        self._engine = llvm.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()

    def address(self, name: str) -> int:
        """The address of a function that the text defines.

        Raises:
          KeyError: it defines none of that name.
        """
        address = int(self._engine.get_function_address(name))
        if address == 0:
            raise KeyError(name)
        return address


def _optimise(module: Any, machine: Any) -> None:
    llvm = _llvm()
    options = llvm.create_pipeline_tuning_options(speed_level=0)
    builder = llvm.create_pass_builder(machine, options)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.run(module, builder)


def load(text: str, symbols: Mapping[str, int], level: int = 2) -> Module:
    """Compile a module.

    Args:
      text: LLVM IR.
      symbols: addresses of what the text declares and does not define.
      level: of code generation, 0 to 3.

    Raises:
      RuntimeError: the text is not valid IR; the message has LLVM's reason and the line.
    """
    return Module(text, symbols, level)
