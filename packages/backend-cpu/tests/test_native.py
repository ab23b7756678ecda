"""The parallel-for: every unit exactly once, from any thread, with or without helpers, after a fork and at exit."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from cotan_cpu import driver, native
from cotan_cpu.codegen import jit

COUNT = """
define void @count(ptr %table, i64 %begin, i64 %end) {
entry:
  %cells = load ptr, ptr %table
  br label %head
head:
  %i = phi i64 [ %begin, %entry ], [ %next, %body ]
  %more = icmp slt i64 %i, %end
  br i1 %more, label %body, label %exit
body:
  %cell = getelementptr i32, ptr %cells, i64 %i
  %old = atomicrmw add ptr %cell, i32 1 seq_cst
  %next = add i64 %i, 1
  br label %head
exit:
  ret void
}
"""


@pytest.fixture(scope="module")
def count():
    """``count(units, chunks, threads, times)``: how often each unit was done."""
    module = jit.load(COUNT, {})
    address = module.address("count")
    runtime = native.runtime()

    def run(units, chunks, threads, times=1):
        runtime.ensure_threads(threads)
        cells = np.zeros(units, np.int32)
        table = (ctypes.c_void_p * 1)(cells.ctypes.data)
        for _ in range(times):
            runtime.parallel_for(address, ctypes.addressof(table), units, chunks, threads)
        return cells

    run.module = module
    return run


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize(("units", "chunks"), [(0, 0), (1, 1), (1, 8), (7, 3), (64, 64), (1000, 8), (100003, 17)])
def test_every_unit_is_done_once(count, units, chunks, threads):
    assert (count(units, chunks, threads, times=50) == 50).all()


def test_many_callers_at_once(count):
    wrong = []

    def work():
        if not (count(500, 8, 3, times=200) == 200).all():
            wrong.append(threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_helpers_that_sleep_are_woken(count):
    count(10, 4, 3)
    threading.Event().wait(0.05)  # far longer than helpers spin
    assert (count(1000, 8, 3, times=3) == 3).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system cannot fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_child_works_alone_and_may_start_its_own_helpers(count):
    count(100, 8, 3, times=10)
    child = os.fork()
    if child == 0:
        good = (count(1000, 8, 1, times=20) == 20).all() and (count(1000, 8, 3, times=20) == 20).all()
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert (count(1000, 8, 3, times=20) == 20).all()


def test_the_interpreter_exits_while_helpers_exist_and_work_is_under_way():
    program = """
import threading, numpy as np
from cotan_cpu.lower import dot
a = np.ones((600, 600), np.float32)
def work():
    while True:
        dot.eager(a, a, dimension_numbers=(((1,), (0,)), ((), ())), preferred_element_type=None)
threading.Thread(target=work, daemon=True).start()
for _ in range(3):
    dot.eager(a, a, dimension_numbers=(((1,), (0,)), ((), ())), preferred_element_type=None)
print("done")
"""
    environment = {**os.environ, "COTAN_NUM_THREADS": "3"}
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_without_futex_everything_is_serial():
    text = native.parallel_text(None, "x86_64")
    assert text == native.SERIAL == native.parallel_text(202, "an unknown machine")
    module = jit.load(text + COUNT.replace("@count", "@count_serially"), {})
    parallel_for = driver.function(module.address("cotan_parallel_for"), None, "ptr", "ptr", "i64", "i64", "i64")
    cells = np.zeros(100, np.int32)
    table = (ctypes.c_void_p * 1)(cells.ctypes.data)
    parallel_for(module.address("count_serially"), ctypes.addressof(table), 100, 8, 4)
    assert (cells == 1).all()


def test_thread_count_follows_configuration_and_affinity(monkeypatch):
    assert native.thread_count(5) == 5
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 3, 4}, raising=False)
    assert native.thread_count(None) == 3


BESIDE = """
define i32 @woken_beside_the_caller() {
  %caller = call i32 @cotan_processor()
  store atomic i32 %caller, ptr getelementptr (i8, ptr @cotan_state, i64 CALLER_AT) monotonic, align 4
  call void @cotan_step_aside()
  %now = call i32 @cotan_processor()
  %high = shl i32 %caller, 16
  %both = or i32 %high, %now
  ret i32 %both
}
"""


@pytest.mark.skipif(not driver.affinity_symbols(), reason="the C library does not move threads")
@pytest.mark.skipif(driver.futex_number() is None, reason="there are no helpers without futexes")
@pytest.mark.parametrize("movable", [True, False])
def test_a_helper_woken_beside_its_caller_moves(movable):
    text = native.parallel_text(driver.futex_number(), os.uname().machine, movable)
    symbols = {"cotan_syscall": driver.syscall_address(), **(driver.affinity_symbols() if movable else {})}
    module = jit.load(text + BESIDE.replace("CALLER_AT", str(native._CALLER_AT)), symbols)
    wake = driver.function(module.address("woken_beside_the_caller"), "i32")
    usual = os.sched_getaffinity(0)
    moved = 0
    for _ in range(20):
        both = wake()
        caller, here = both >> 16, both & 0xFFFF
        moved += caller != here
        # It stays away from where the caller is, so that it is not woken there again.
        assert os.sched_getaffinity(0) == (usual - {caller} if movable and len(usual) > 1 else usual)
        os.sched_setaffinity(0, usual)
    if movable:
        # Not always: the kernel may take it back at once.
        assert moved > 10 or len(usual) == 1
        os.sched_setaffinity(0, {min(usual)})
        try:
            assert wake() == min(usual) << 16 | min(usual)
            assert os.sched_getaffinity(0) == {min(usual)}
        finally:
            os.sched_setaffinity(0, usual)
