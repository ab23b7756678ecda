"""Developer sessions: what the README names (mnist, tests), and what CI runs besides."""

from __future__ import annotations

import shutil
from pathlib import Path

import nox

nox.options.sessions = ["lint", "tests", "wheels", "docs"]
nox.options.error_on_missing_interpreters = True

HERE = Path(__file__).parent
PACKAGES = ["./packages/core", "./packages/backend-cpu"]
XLA = "./packages/backend-xla-tpu"
OPENCL = "./packages/backend-opencl"
MKL = "./packages/backend-cpu[mkl]"
# Intel's runtime is a package, but the entry in it by which OpenCL would find it names another folder.
INTEL = {"OCL_ICD_VENDORS": "{prefix}/lib/libintelocl.so"}
AS_GPU = {"COTAN_OPENCL_AS_GPU": "1"}
TESTING = ["pytest>=8", "pytest-xdist", "hypothesis", "mpmath", "scipy"]
PLOTTING = ["matplotlib", "tqdm"]


@nox.session
def mnist(session: nox.Session) -> None:
    """Train the MNIST example on the CPU: the project's main job."""
    session.install(*PACKAGES, *PLOTTING)
    session.run("python", "examples/mnist.py", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Every test of every package, and the examples at a small size.

    On another Python, with the NumPy and SciPy that it gets: ``nox -s tests --force-python 3.13``.
    """
    session.install(*PACKAGES, *TESTING, *PLOTTING)
    # Two workers on two cores: NumPy's BLAS, the oracle, must not start threads of its own, which spin.
    env = {"OPENBLAS_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs, env=env)


@nox.session
def mkl(session: nox.Session) -> None:
    """What Intel's MKL does where it is installed: products, linear algebra, Fourier transforms. Fetches 220 MB."""
    session.install("./packages/core", MKL, *TESTING)
    session.run("python", "-c", "from cotan_cpu.driver import numerics; assert numerics().name == 'MKL'")
    of_backend = [f"packages/backend-cpu/tests/test_{name}.py" for name in ("mkl", "dot", "direct", "lapack_small")]
    of_core = [f"packages/core/tests/numpy/test_{name}.py" for name in ("fft", "linalg")]
    where = session.posargs or [*of_backend, *of_core]
    env = {"OPENBLAS_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *where, env=env)


@nox.session
@nox.parametrize("version", ["newest", "0.8.3"])
def xla(session: nox.Session, version: str) -> None:
    """The StableHLO backend on XLA's CPU client, with the newest jaxlib and the oldest; jax lies beside, untouched."""
    beside = ["jax", "jaxlib"] if version == "newest" else [f"jax=={version}", f"jaxlib=={version}"]
    session.install(*PACKAGES, XLA, *TESTING, *PLOTTING, *beside)
    where = session.posargs or ["packages/backend-xla-tpu/tests"]
    env = {"OPENBLAS_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *where, env=env)


@nox.session
@nox.parametrize("runtime", ["pocl", "intel", "as-gpu"], ids=["pocl", "intel", "as-gpu"])
def opencl(session: nox.Session, runtime: str) -> None:
    """The tests of the OpenCL backend, on a CPU by PoCL or by Intel's runtime; the kit is a session of its own.

    ``as-gpu``: on PoCL, with what GPUs get.
    """
    as_gpu = runtime == "as-gpu"
    session.install(*PACKAGES, f"{OPENCL}[{'pocl' if as_gpu else runtime}]", *TESTING)
    env = {"OPENBLAS_NUM_THREADS": "1", **(INTEL if runtime == "intel" else {}), **(AS_GPU if as_gpu else {})}
    places = {key: value.format(prefix=session.virtualenv.location) for key, value in env.items()}
    where = session.posargs or [f"{OPENCL}/tests", f"--ignore={OPENCL}/tests/test_conformance.py"]
    session.run("python", "-m", "pytest", *where, env=places)


@nox.session(name="tpu-aot")
def tpu_aot(session: nox.Session) -> None:
    """Compile every lowering rule for TPUs, on a machine without one. Fetches libtpu (140 MB)."""
    session.install(*PACKAGES, f"{XLA}[tpu]", *TESTING, *PLOTTING)
    session.run("python", "-m", "pytest", "packages/backend-xla-tpu/opt_in/test_tpu_ahead_of_time.py", *session.posargs)


@nox.session(name="pjrt-plugin")
def pjrt_plugin(session: nox.Session) -> None:
    """Load a PJRT plugin of another distribution and run the smallest samples on it. Fetches it (60 MB)."""
    session.install(*PACKAGES, XLA, *TESTING)
    session.install("--no-deps", "lammps-jax-pjrt-cpu")
    session.run("python", "-m", "pytest", "packages/backend-xla-tpu/opt_in/test_pjrt_plugin.py", *session.posargs)


@nox.session
def threads(session: nox.Session) -> None:
    """A minute of threads that trace, transform and run at once; an argument says how many seconds instead."""
    session.install(*PACKAGES, *TESTING)
    seconds = session.posargs[0] if session.posargs else "60"
    env = {"COTAN_TEST_THREADS_SECONDS": seconds, "OPENBLAS_NUM_THREADS": "1"}
    session.run("python", "-m", "pytest", "-q", "packages/core/tests/runtime/test_threads.py", env=env)


# What each session of the conformance kit needs: (its backend's name, package, extra arguments, environment;
# {prefix} is the session's own).
CONFORMANCE = {
    "cpu": ("cpu", "./packages/backend-cpu", [], {}),
    "cpu-4": ("cpu", "./packages/backend-cpu", ["--device", "3"], {"COTAN_NUM_CPU_DEVICES": "4"}),
    "cpu-8": ("cpu", "./packages/backend-cpu", ["--device", "7"], {"COTAN_NUM_CPU_DEVICES": "8"}),
    "opencl-pocl": ("opencl", f"{OPENCL}[pocl]", [], {}),
    "opencl-pocl-4": (
        "opencl",
        f"{OPENCL}[pocl]",
        ["--device", "3"],
        {"POCL_DEVICES": "pthread pthread pthread pthread"},
    ),
    "opencl-intel": ("opencl", f"{OPENCL}[intel]", [], INTEL),
    "opencl-intel-4": (
        "opencl",
        f"{OPENCL}[intel]",
        ["--device", "3"],
        {**INTEL, "COTAN_NUM_OPENCL_DEVICES": "4"},
    ),
    # What GPUs get, on a CPU.
    "opencl-as-gpu": ("opencl", f"{OPENCL}[intel]", [], {**INTEL, **AS_GPU, "COTAN_HOST_FALLBACK": "1"}),
    "opencl-pocl-as-gpu": ("opencl", f"{OPENCL}[pocl]", [], {**AS_GPU, "COTAN_HOST_FALLBACK": "1"}),
    "xla": (
        "xla",
        "./packages/backend-xla-tpu",
        ["--expected", "packages/backend-xla-tpu/tests/expected_failures.toml"],
        {"COTAN_XLA_OPTIONS": "xla_backend_optimization_level=0,xla_cpu_use_fusion_emitters=false"},
    ),
}


@nox.session
@nox.parametrize("backend", list(CONFORMANCE), ids=list(CONFORMANCE))
def conformance(session: nox.Session, backend: str) -> None:
    """The conformance kit on a backend, as third parties run it on theirs: ``nox -s "conformance(cpu-4)"``.

    Further arguments go to the kit: ``nox -s "conformance(cpu)" -- --only primitives/sort --report table.md``.
    """
    name, package, arguments, env = CONFORMANCE[backend]
    session.install("./packages/core[testing]", package)
    command = ["python", "-m", "cotan.testing.conformance", "--backend", name, *arguments, *session.posargs]
    places = {key: value.format(prefix=session.virtualenv.location) for key, value in env.items()}
    session.run(*command, env={"OPENBLAS_NUM_THREADS": "1", **places})


@nox.session
def differential(session: nox.Session) -> None:
    """Random programs on the CPU and on OpenCL must agree: ``nox -s differential -- --first 7000 --count 2000``."""
    session.install("./packages/core[testing]", "./packages/backend-cpu", f"{OPENCL}[pocl]")
    command = ["python", "-m", "cotan.testing.differential", "--backend", "cpu", "--backend", "opencl"]
    session.run(*command, "--compiled-only", *session.posargs, env={"OPENBLAS_NUM_THREADS": "1"})


@nox.session
def example(session: nox.Session) -> None:
    """Install the backend of ``docs/howto/write-a-backend.md``, and hold it to the conformance kit."""
    session.install("./packages/core[testing]", "./packages/backend-cpu")
    session.install("./docs/example-backend", "./docs/example-backend/lowerings")
    session.run("python", "-m", "cotan", "info")
    for folder in ("docs/example-backend/tests", "docs/example-backend/lowerings/tests"):
        session.run("python", "-m", "pytest", "-q", "-c", "pyproject.toml", folder, *session.posargs)


@nox.session
def surface(session: nox.Session) -> None:
    """The figures of the public surface: which names are here, and which of them the tests call (the whole suite)."""
    session.install(*PACKAGES, *TESTING, *PLOTTING)
    calls = Path(session.create_tmp()).resolve() / "calls"
    shutil.rmtree(calls, ignore_errors=True)
    env = {"OPENBLAS_NUM_THREADS": "1", "COTAN_SURFACE_CALLS": str(calls)}
    session.run("python", "-m", "pytest", "-n", "2", "--dist", "worksteal", *session.posargs, env=env)
    session.run("python", "packages/core/tests/surface/figures.py", str(calls), "--names")


@nox.session
def lint(session: nox.Session) -> None:
    """ruff, mypy strict on the inner rooms, and the import contracts."""
    session.install(
        "-e", "./packages/core", "-e", "./packages/backend-cpu", "ruff", "mypy", "import-linter", "nox", "pytest"
    )
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")
    # Its own contracts, for they need its package, though not jaxlib.
    session.install("--no-deps", "-e", XLA)
    session.run("lint-imports", "--config", "packages/backend-xla-tpu/.importlinter")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a warning is an error."""
    session.install(*PACKAGES, *PLOTTING, "sphinx", "myst-nb", "furo", "scipy")
    session.run("sphinx-build", "-W", "--keep-going", "-b", "html", "docs", "docs/_build/html")


@nox.session
def bench(session: nox.Session) -> None:
    """Workloads against JAX, PyTorch and NumPy in one run; ``nox -s bench -- NAME`` runs a group or one of them.

    With MKL, as PyTorch's wheels have it; ``COTAN_CPU_MKL=0`` measures without.
    """
    session.install("./packages/core", MKL, *PLOTTING, "jax", "scipy")
    session.install("torch", "--index-url", "https://download.pytorch.org/whl/cpu")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def wheels(session: nox.Session) -> None:
    """Build the wheels, install them into a fresh environment, run; then core alone."""
    session.install("build", "virtualenv")
    out = Path(session.create_tmp()).resolve() / "wheels"
    for package in (*PACKAGES, OPENCL, XLA):
        session.run("python", "-m", "build", "--wheel", "--outdir", str(out), package, silent=True)
    session.run("python", "packages/core/tests/wheels.py", str(out))
