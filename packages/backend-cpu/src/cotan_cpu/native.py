"""The runtime that compiled programs call: an elastic parallel-for and BLAS by tiles, as LLVM IR text.

One module for the process, compiled when a program first needs it. The parallel-for never waits for a thread that has
not taken work: chunks are taken one by one from a counter, the caller takes them too and can do all of them alone, and
it waits at the end only for chunks in flight. Helpers spin a bounded time, then sleep in the kernel. Nothing here knows
programs or arrays.

How chunks are handed out: the word ``ticket`` holds (helpers admitted << 32 | chunks left). Whoever lowers it by one
with a compare-and-swap owns that chunk of the job that is published now, and a job cannot end before its owned chunks
are done; so a helper that was asleep for long can neither take old work nor read a description that changes under it.
"""

from __future__ import annotations

import atexit
import os
import platform
import threading
from collections.abc import Callable
from typing import Any

from cotan.forks import opened_by_fork
from cotan_cpu import driver

# Byte offsets in the state; what different threads write lies in different cache lines.
_TICKET, _LEFT, _CALLER_WAITS, _SEQUENCE, _SLEEPERS, _STOP, _BUSY = 0, 128, 132, 256, 260, 264, 384
_FUNCTION, _TABLE, _UNITS, _CHUNKS, _HELPERS, _CALLER_AT, _STATE_BYTES = 512, 520, 528, 536, 544, 552, 640
_SPINS = 2000
_SET_BYTES = 128
"""Of a set of processors, as the C library has it: up to 1024 of them."""
_WAIT, _WAKE = 128, 129  # FUTEX_WAIT and FUTEX_WAKE, private to the process

_PAUSE = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "amd64": "call void @llvm.x86.sse2.pause()",
    "aarch64": "call void @llvm.aarch64.hint(i32 1)",
    "arm64": "call void @llvm.aarch64.hint(i32 1)",
}
_DECLARE_PAUSE = {
    "call void @llvm.x86.sse2.pause()": "declare void @llvm.x86.sse2.pause()",
    "call void @llvm.aarch64.hint(i32 1)": "declare void @llvm.aarch64.hint(i32)",
}

PARALLEL = r"""
@cotan_state = global [STATE_BYTES x i8] zeroinitializer, align 128

define internal i64 @cotan_take() {
entry:
  br label %again
again:
  %ticket = load atomic i64, ptr @TICKET acquire, align 8
  %left = and i64 %ticket, 4294967295
  %none = icmp eq i64 %left, 0
  br i1 %none, label %empty, label %try
try:
  %lower = sub i64 %ticket, 1
  %swap = cmpxchg ptr @TICKET, i64 %ticket, i64 %lower seq_cst acquire
  %won = extractvalue { i64, i1 } %swap, 1
  br i1 %won, label %mine, label %again
mine:
  %chunk = sub i64 %left, 1
  ret i64 %chunk
empty:
  ret i64 -1
}

define internal void @cotan_run_chunk(i64 %chunk) {
  %function = load ptr, ptr @FUNCTION
  %table = load ptr, ptr @TABLE
  %units = load i64, ptr @UNITS
  %chunks = load i64, ptr @CHUNKS
  %low = mul i64 %chunk, %units
  %begin = udiv i64 %low, %chunks
  %high = add i64 %low, %units
  %end = udiv i64 %high, %chunks
  call void %function(ptr %table, i64 %begin, i64 %end)
  %before = atomicrmw sub ptr @LEFT, i32 1 seq_cst
  %last = icmp eq i32 %before, 1
  br i1 %last, label %ask, label %done
ask:
  %waits = load atomic i32, ptr @CALLER_WAITS seq_cst, align 4
  %asleep = icmp ne i32 %waits, 0
  br i1 %asleep, label %wake, label %done
wake:
  call i64 (i64, ...) @cotan_syscall(i64 FUTEX, ptr @LEFT, i32 WAKE_OP, i32 1, ptr null)
  br label %done
done:
  ret void
}

define void @cotan_helper(i64 %number) {
entry:
  br label %loop
loop:
  %sequence = load atomic i32, ptr @SEQUENCE seq_cst, align 4
  %stop = load atomic i32, ptr @STOP seq_cst, align 4
  %ends = icmp ne i32 %stop, 0
  br i1 %ends, label %leave, label %work
work:
  %admitted = call i1 @cotan_admitted(i64 %number)
  br i1 %admitted, label %take, label %spin
take:
  %chunk = call i64 @cotan_take()
  %got = icmp sge i64 %chunk, 0
  br i1 %got, label %run, label %spin
run:
  call void @cotan_run_chunk(i64 %chunk)
  br label %work
spin:
  %count = phi i32 [ 0, %work ], [ 0, %take ], [ %next, %pausing ]
  %now = call i1 @cotan_admitted(i64 %number)
  br i1 %now, label %loop, label %pausing
pausing:
  PAUSE
  %next = add i32 %count, 1
  %enough = icmp eq i32 %next, SPINS
  br i1 %enough, label %sleep, label %spin
sleep:
  %s0 = atomicrmw add ptr @SLEEPERS, i32 1 seq_cst
  call i64 (i64, ...) @cotan_syscall(i64 FUTEX, ptr @SEQUENCE, i32 WAIT_OP, i32 %sequence, ptr null)
  %s1 = atomicrmw sub ptr @SLEEPERS, i32 1 seq_cst
  call void @cotan_step_aside()
  br label %loop
leave:
  ret void
}

; Whether there are chunks left of a job that admits the helper of this number.
define internal i1 @cotan_admitted(i64 %number) {
  %ticket = load atomic i64, ptr @TICKET acquire, align 8
  %left = and i64 %ticket, 4294967295
  %limit = lshr i64 %ticket, 32
  %some = icmp ne i64 %left, 0
  %mine = icmp ult i64 %number, %limit
  %both = and i1 %some, %mine
  ret i1 %both
}

define void @cotan_parallel_for(ptr %function, ptr %table, i64 %units, i64 %chunks, i64 %threads) {
entry:
  %helpers = load atomic i64, ptr @HELPERS monotonic, align 8
  %no_help = icmp eq i64 %helpers, 0
  %no_split = icmp ule i64 %chunks, 1
  %alone = or i1 %no_help, %no_split
  br i1 %alone, label %serial, label %claim
claim:
  %swap = cmpxchg ptr @BUSY, i32 0, i32 1 acq_rel monotonic
  %free = extractvalue { i32, i1 } %swap, 1
  br i1 %free, label %publish, label %serial
serial:
  call void %function(ptr %table, i64 0, i64 %units)
  ret void
publish:
  store ptr %function, ptr @FUNCTION
  store ptr %table, ptr @TABLE
  store i64 %units, ptr @UNITS
  store i64 %chunks, ptr @CHUNKS
  %chunks32 = trunc i64 %chunks to i32
  store atomic i32 %chunks32, ptr @LEFT monotonic, align 4
  %limit = sub i64 %threads, 1
  %high = shl i64 %limit, 32
  %ticket = or i64 %high, %chunks
  store atomic i64 %ticket, ptr @TICKET seq_cst, align 8
  %s0 = atomicrmw add ptr @SEQUENCE, i32 1 seq_cst
  %sleepers = load atomic i32, ptr @SLEEPERS seq_cst, align 4
  %anyone = icmp ne i32 %sleepers, 0
  br i1 %anyone, label %wake, label %work
wake:
  ; Where not all helpers are admitted, the kernel cannot be told whom to wake.
  %choosy = icmp ult i64 %limit, %helpers
  %others = sub i32 %chunks32, 1
  %whom = select i1 %choosy, i32 2147483647, i32 %others
  %here = call i32 @cotan_processor()
  store atomic i32 %here, ptr @CALLER_AT monotonic, align 4
  call i64 (i64, ...) @cotan_syscall(i64 FUTEX, ptr @SEQUENCE, i32 WAKE_OP, i32 %whom, ptr null)
  br label %work
work:
  %chunk = call i64 @cotan_take()
  %got = icmp sge i64 %chunk, 0
  br i1 %got, label %run, label %spin
run:
  call void @cotan_run_chunk(i64 %chunk)
  br label %work
spin:
  %count = phi i32 [ 0, %work ], [ %next, %pausing ]
  %left = load atomic i32, ptr @LEFT seq_cst, align 4
  %over = icmp eq i32 %left, 0
  br i1 %over, label %finish, label %pausing
pausing:
  PAUSE
  %next = add i32 %count, 1
  %enough = icmp eq i32 %next, SPINS
  br i1 %enough, label %sleep, label %spin
sleep:
  store atomic i32 1, ptr @CALLER_WAITS seq_cst, align 4
  br label %check
check:
  %still = load atomic i32, ptr @LEFT seq_cst, align 4
  %ready = icmp eq i32 %still, 0
  br i1 %ready, label %awake, label %wait
wait:
  call i64 (i64, ...) @cotan_syscall(i64 FUTEX, ptr @LEFT, i32 WAIT_OP, i32 %still, ptr null)
  br label %check
awake:
  store atomic i32 0, ptr @CALLER_WAITS seq_cst, align 4
  br label %finish
finish:
  store atomic i32 0, ptr @BUSY release, align 4
  ret void
}

; The number of helpers that exist; a change of it by a fork or at exit makes everything serial again.
define void @cotan_set_helpers(i64 %count) {
  store atomic i64 %count, ptr @HELPERS seq_cst, align 8
  ret void
}

define void @cotan_stop() {
  store atomic i64 0, ptr @HELPERS seq_cst, align 8
  store atomic i32 1, ptr @STOP seq_cst, align 4
  %s0 = atomicrmw add ptr @SEQUENCE, i32 1 seq_cst
  call i64 (i64, ...) @cotan_syscall(i64 FUTEX, ptr @SEQUENCE, i32 WAKE_OP, i32 2147483647, ptr null)
  ret void
}

define void @cotan_reset() {
  call void @llvm.memset.p0.i64(ptr @cotan_state, i8 0, i64 STATE_BYTES, i1 false)
  ret void
}

declare i64 @cotan_syscall(i64, ...)
declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)
"""

# The kernel likes to wake a thread on the processor of the one that wakes it, and may leave both there for tens of
# milliseconds, in which the helper does not even run. A helper that finds itself where the caller is takes that one
# from the process's set, which moves it, and stays away from there: so it wakes elsewhere, until the caller moves.
STEP_ASIDE = r"""
define internal i32 @cotan_processor() {
  %number = call i32 @sched_getcpu()
  ret i32 %number
}

define internal void @cotan_step_aside() {
entry:
  %usual = alloca [SET_BYTES x i8], align 8
  %others = alloca [SET_BYTES x i8], align 8
  %here = call i32 @sched_getcpu()
  %caller = load atomic i32, ptr @CALLER_AT monotonic, align 4
  %together = icmp eq i32 %here, %caller
  %listed = icmp ult i32 %here, SET_BITS
  %moves = and i1 %together, %listed
  br i1 %moves, label %ask, label %done
ask:
  %process = call i32 @getpid()
  %asked = call i32 @sched_getaffinity(i32 %process, i64 SET_BYTES, ptr %usual)
  %known = icmp eq i32 %asked, 0
  br i1 %known, label %move, label %done
move:
  call void @llvm.memcpy.p0.p0.i64(ptr %others, ptr %usual, i64 SET_BYTES, i1 false)
  %word = lshr i32 %here, 6
  %word64 = zext i32 %word to i64
  %at = getelementptr i64, ptr %others, i64 %word64
  %bits = load i64, ptr %at, align 8
  %place = and i32 %here, 63
  %place64 = zext i32 %place to i64
  %bit = shl i64 1, %place64
  %all_but = xor i64 %bit, -1
  %rest = and i64 %bits, %all_but
  store i64 %rest, ptr %at, align 8
  ; Refused where nothing is left: the process has one processor.
  %moved = call i32 @sched_setaffinity(i32 0, i64 SET_BYTES, ptr %others)
  br label %done
done:
  ret void
}

declare i32 @getpid()
declare i32 @sched_getcpu()
declare i32 @sched_getaffinity(i32, i64, ptr)
declare i32 @sched_setaffinity(i32, i64, ptr)
declare void @llvm.memcpy.p0.p0.i64(ptr, ptr, i64, i1)
"""

# The same where the C library does not say.
STAY = r"""
define internal i32 @cotan_processor() {
  ret i32 -1
}

define internal void @cotan_step_aside() {
  ret void
}
"""

# Where threads cannot sleep on a word of memory there are no helpers, and everything runs on the caller.
SERIAL = r"""
define void @cotan_parallel_for(ptr %function, ptr %table, i64 %units, i64 %chunks, i64 %threads) {
  call void %function(ptr %table, i64 0, i64 %units)
  ret void
}
"""


def parallel_text(futex: int | None, machine: str, movable: bool = True) -> str:
    """The parallel-for for a machine whose futex system call has this number; the serial one for None.

    ``movable``: whether the C library moves threads between processors.
    """
    pause = _PAUSE.get(machine.lower())
    if futex is None or pause is None:
        return SERIAL
    text = PARALLEL + (STEP_ASIDE if movable else STAY)
    words = {
        "TICKET": _TICKET, "LEFT": _LEFT, "CALLER_WAITS": _CALLER_WAITS, "SEQUENCE": _SEQUENCE, "SLEEPERS": _SLEEPERS,
        "STOP": _STOP, "BUSY": _BUSY, "FUNCTION": _FUNCTION, "TABLE": _TABLE, "UNITS": _UNITS, "CHUNKS": _CHUNKS,
        "HELPERS": _HELPERS, "CALLER_AT": _CALLER_AT,
    }  # fmt: skip
    for name, offset in words.items():
        text = text.replace(f"ptr @{name}", f"ptr getelementptr (i8, ptr @cotan_state, i64 {offset})")
    text = text.replace("STATE_BYTES", str(_STATE_BYTES)).replace("SPINS", str(_SPINS)).replace("FUTEX", str(futex))
    text = text.replace("SET_BYTES", str(_SET_BYTES)).replace("SET_BITS", str(8 * _SET_BYTES))
    text = text.replace("WAKE_OP", str(_WAKE)).replace("WAIT_OP", str(_WAIT)).replace("PAUSE", pause)
    return text + _DECLARE_PAUSE[pause] + "\n"


class Runtime:
    """The compiled runtime and its helper threads."""

    def __init__(self) -> None:
        from cotan_cpu.codegen import jit

        # Without optimisation: it is made at a program's first call, and all its time is spent in what it calls.
        self._engine = jit.Engine(level=0)
        self._optimising = jit.Engine()
        moving = driver.affinity_symbols()
        parallel = parallel_text(driver.futex_number(), platform.machine(), bool(moving))
        self.has_helpers = parallel is not SERIAL
        symbols = {"cotan_syscall": driver.syscall_address(), **moving} if self.has_helpers else {}
        self.module = self._engine.load(parallel, symbols)
        self._addresses = {"cotan_parallel_for": self.module.address("cotan_parallel_for")}
        self._libraries: list[object] = []
        self.threads: list[threading.Thread] = []
        self.lock = opened_by_fork(threading.RLock())
        if self.has_helpers:
            self._helper = driver.function(self.module.address("cotan_helper"), None, "i64")
            self._set_helpers = driver.function(self.module.address("cotan_set_helpers"), None, "i64")
            self._stop = driver.function(self.module.address("cotan_stop"), None)
            self._reset = driver.function(self.module.address("cotan_reset"), None)
            driver.keep_for_ever(self)
            atexit.register(self.stop)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=self._after_fork)
        self.parallel_for: Callable[..., None] = driver.function(
            self.address("cotan_parallel_for"), None, "ptr", "ptr", "i64", "i64", "i64"
        )

    def address(self, name: str) -> int:
        """The address of the parallel-for, or of a function around a library's, which is compiled at its first use."""
        address = self._addresses.get(name)
        if address is None:
            with self.lock:
                kind = name.split("_")[1]
                loads = {"direct": self._load_direct, "fft": self._load_fft, "lapack": self._load_lapack}
                loads["lu"] = self._load_lu
                loads.get(kind, self._load_blas)(name)
                address = self._addresses[name]
        return address

    def _load_blas(self, name: str) -> None:
        from cotan_cpu.lower import blas

        element = blas.element_of(name)
        symbols = driver.blas_symbols([f"cblas_{element.letter}gemm", f"cblas_{element.letter}gemv"])
        module = self._engine.load(blas.text(element), symbols)
        self._libraries.append(module)
        for kind in ("gemm", "gemv"):
            function = f"cotan_{kind}_{element.letter}"
            self._addresses[function] = module.address(function)

    def _load_direct(self, name: str) -> None:
        from cotan_cpu.codegen import jit
        from cotan_cpu.lower import blas, direct

        module = self._optimising.load(direct.text(jit.host_target(), blas.element_of(name)))
        self._libraries.append(module)
        self._addresses[name] = module.address(name)

    def _load_fft(self, name: str) -> None:
        from cotan_cpu.lower import dfti

        module = self._engine.load(dfti.text())
        self._libraries.append(module)
        self._addresses[name] = module.address(name)

    def _load_lapack(self, name: str) -> None:
        from cotan_cpu.lower import lapack_recipes, lapack_text

        recipe = lapack_recipes.named(name)
        symbols = {**driver.blas_symbols(recipe.symbols), **driver.memory_symbols()}
        module = self._optimising.load(lapack_text.text(recipe), symbols)
        self._libraries.append(module)
        self._addresses[name] = module.address(name)

    def _load_lu(self, name: str) -> None:
        from cotan_cpu.codegen import jit
        from cotan_cpu.lower import lu

        letter = name[-1]
        symbols = driver.blas_symbols(lu.symbols(letter))
        module = self._optimising.load(lu.text(jit.host_target(), letter), symbols)
        self._libraries.append(module)
        for function in lu.functions(letter):
            self._addresses[function] = module.address(function)

    def ensure_threads(self, threads: int) -> None:
        """See to it that ``threads - 1`` helpers exist. They block in native code and take no part in Python."""
        if not self.has_helpers or len(self.threads) >= threads - 1:
            return
        with self.lock:
            while len(self.threads) < threads - 1:
                number = len(self.threads)
                name = f"cotan-cpu-helper-{number}"
                thread = threading.Thread(target=self._helper, args=(number,), name=name, daemon=True)
                thread.start()
                self.threads.append(thread)
            self._set_helpers(len(self.threads))

    def stop(self) -> None:
        """End the helpers; what runs afterwards runs on its caller."""
        self._stop()
        for thread in self.threads:
            thread.join(timeout=1.0)
        if not any(thread.is_alive() for thread in self.threads):
            self._reset()

    def _after_fork(self) -> None:
        # The child has none of the threads, and a job of the parent may be half done in the copied state.
        self.threads = []
        self._reset()


_runtime: Runtime | None = None
_lock = opened_by_fork(threading.Lock())


def runtime() -> Runtime:
    """The runtime of this process, compiled at the first call."""
    global _runtime
    if _runtime is None:
        with _lock:
            if _runtime is None:
                _runtime = Runtime()
    return _runtime


def thread_count(configured: int | None) -> int:
    """How many threads one program may use: what is configured, else the cores that this process may run on."""
    if configured is not None:
        return configured
    affinity: Any = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1
