"""Check built wheels in fresh environments: core + one backend run a program; core alone traces, and says why.

python wheels.py FOLDER_OF_WHEELS
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

RUNS = """
import sys
import cotan, cotan.numpy as cnp
step = cotan.jit(cotan.grad(lambda w: cnp.sum(cnp.tanh(w @ w) ** 2)))
assert step(cnp.eye(3)).shape == (3, 3)
assert [d.platform for d in cotan.devices()] == ["cpu"]
drivers = {"cupy", "pyopencl", "jaxlib", "jax"} & set(sys.modules)
assert not drivers, f"imported other backends' drivers: {drivers}"
print("core + cpu: runs")
"""

WITH_XLA = """
import sys
import cotan, cotan.numpy as cnp
step = cotan.jit(cotan.grad(lambda w: cnp.sum(cnp.tanh(w @ w) ** 2)))
assert step(cnp.eye(3)).shape == (3, 3)
assert [d.platform for d in cotan.devices()] == ["xla"]
drivers = {"cupy", "pyopencl", "llvmlite", "jax"} & set(sys.modules)
assert not drivers, f"imported other backends' drivers: {drivers}"
print("core + xla: runs")
"""

WITH_OPENCL = """
import sys
import cotan, cotan.numpy as cnp
step = cotan.jit(cotan.grad(lambda w: cnp.sum(cnp.tanh(w @ w) ** 2)))
assert step(cnp.eye(3)).shape == (3, 3)
assert {d.platform for d in cotan.devices()} == {"opencl"}
drivers = {"cupy", "jaxlib", "llvmlite", "jax"} & set(sys.modules)
assert not drivers, f"imported other backends' drivers: {drivers}"
print("core + opencl: runs")
"""

CORE_ALONE = """
import sys
import numpy as np
import cotan, cotan.numpy as cnp
f = cotan.grad(lambda x: cnp.sum(cnp.sin(x) ** 2))
print(cotan.make_jaxpr(cotan.vmap(f))(np.ones((2, 3), np.float32)))
try:
    cnp.ones(3) + 1
except cotan.errors.BackendUnavailableError as error:
    assert 'pip install "cotan[cpu]"' in str(error), error
    print("core alone: traces, and says:", error)
else:
    raise SystemExit("core alone ran a program without a backend")
assert "llvmlite" not in sys.modules and "scipy" not in sys.modules
"""


def environment(folder: Path, wheels: list[str], index: Path) -> str:
    """A fresh environment with the wheels in it; returns its Python."""
    subprocess.run([sys.executable, "-m", "virtualenv", "-q", str(folder)], check=True)
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    command = [python, "-m", "pip", "install", "-q", "--find-links", str(index), *wheels]
    subprocess.run(command, check=True)
    return python


def main(wheels: Path) -> None:
    names = ("cotan", "cotan_cpu", "cotan_opencl", "cotan_xla_tpu")
    core, cpu, opencl, xla = (str(next(wheels.glob(f"{name}-*.whl"))) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen, code in (
            ("both", [core, cpu], RUNS),
            ("opencl", [core, f"{opencl}[pocl]"], WITH_OPENCL),
            ("xla", [core, xla], WITH_XLA),
            ("core", [core], CORE_ALONE),
        ):
            python = environment(Path(folder) / name, chosen, wheels)
            subprocess.run([python, "-W", "error", "-c", textwrap.dedent(code)], check=True, cwd=folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
