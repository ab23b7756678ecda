"""Without any backend: programs can be traced and transformed, and running says what to install."""

import os
import subprocess
import sys

PROGRAM = r"""
import numpy as np
import cotan, cotan.numpy as cnp
from cotan.errors import BackendUnavailableError

def loss(w, x):
    return (cnp.tanh(x @ w + cnp.array([1.0, 2.0])) * np.float32(2) + cnp.arange(2)).sum()

w, x = np.ones((3, 2)), np.ones((5, 3))
assert cotan.make_jaxpr(cotan.grad(loss))(w, x).out_avals[0].shape == (3, 2)
assert cotan.make_jaxpr(cotan.vmap(loss, (None, 0)))(w, x).out_avals[0].shape == (5,)
assert cotan.make_jaxpr(cotan.jit(loss))(w, x).out_avals[0].shape == ()
assert cotan.eval_shape(loss, w, x).shape == ()
for run in (
    lambda: cnp.ones(3), lambda: cnp.asarray([1.0]), lambda: cotan.jit(loss)(w, x), lambda: cotan.grad(loss)(w, x),
    lambda: cotan.devices(), lambda: cotan.device_put(1.0), lambda: cotan.random.key(0), lambda: cotan.jit(lambda: 1)(),
):
    for _ in range(2):
        try:
            run()
        except BackendUnavailableError as error:
            assert 'pip install "cotan[cpu]"' in str(error), error
        else:
            raise AssertionError("it ran")
print("done")
"""


def test_tracing_works_and_running_names_the_package():
    env = {**os.environ, "COTAN_BACKENDS": "none-at-all"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "done\n", done.stderr
