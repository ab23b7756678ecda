"""Processes that are forked while threads trace, compile and let programs go: none of their locks stays closed."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest

from cotan.forks import opened_by_fork

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

BUSY = """
import faulthandler, os, threading
import cotan, cotan.numpy as cnp

stop = False

def compile_and_let_go():
    n = 0
    while not stop:
        n += 1
        cotan.jit(lambda x: cnp.sin(x) * n + cnp.cos(x))(cnp.ones(10 + n % 50))

cotan.jit(cnp.sin)(cnp.ones(3))  # modules that are half imported are Python's affair
threads = [threading.Thread(target=compile_and_let_go) for _ in range(2)]
for thread in threads:
    thread.start()
states = []
for k in range(12):
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(30, exit=True)
        found = cotan.jit(cotan.grad(lambda x: cnp.sum(x * x * (k + 2))))(cnp.ones(7 + k))
        os._exit(float(found[0]) != 2 * (k + 2))
    states.append(os.waitpid(child, 0)[1])
stop = True
for thread in threads:
    thread.join()
print(states)
"""


def test_a_child_compiles_whatever_its_parents_threads_were_doing() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == str([0] * 12), done.stderr[-3000:]


FIRST = """
import faulthandler, os, sys, threading, time
import cotan, cotan.numpy as cnp

thread = threading.Thread(target=lambda: cotan.jit(lambda x: cnp.sin(x) * 2)(cnp.ones(10)))
thread.start()
time.sleep(float(sys.argv[1]))
child = os.fork()
if not child:
    faulthandler.dump_traceback_later(30, exit=True)
    found = cotan.jit(cotan.grad(lambda x: cnp.sum(x * x * 3)))(cnp.ones(7))
    os._exit(float(found[0]) != 6)
print(os.waitpid(child, 0)[1])
thread.join()
"""


@pytest.mark.parametrize("delay", [0.0, 0.03, 0.06, 0.1, 0.15, 0.2])
def test_a_child_of_a_process_whose_thread_loads_a_backend(delay: float) -> None:
    command = [sys.executable, "-c", FIRST, str(delay)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout.strip() == "0", done.stderr[-3000:]


def test_locks_that_another_thread_held_are_open_in_the_child() -> None:
    for lock in (opened_by_fork(threading.Lock()), opened_by_fork(threading.RLock())):
        held, done = threading.Event(), threading.Event()

        def hold(lock=lock, held=held, done=done) -> None:
            with lock:
                held.set()
                done.wait()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait()
        child = os.fork()
        if not child:
            os._exit(not lock.acquire(timeout=5))
        _, state = os.waitpid(child, 0)
        assert not lock.acquire(blocking=False)
        done.set()
        thread.join()
        assert state == 0
