"""Flags: values, overrides, the environment, and what is refused."""

import os
import subprocess
import sys
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from cotan.config import Config, config, default_device, disable_jit, enable_x64, flags, numpy_rank_promotion


@pytest.fixture
def restored() -> Iterator[None]:
    before = config.values
    yield
    for name, value in before.items():
        config.update(name, value)


def test_override_is_for_the_block() -> None:
    assert config.enable_x64 is False
    with enable_x64(True):
        assert config.enable_x64 is True
        assert config.x64_enabled is True
        with enable_x64(False), disable_jit():
            assert (config.enable_x64, config.disable_jit) == (False, True)
        assert (config.enable_x64, config.disable_jit) == (True, False)
    assert config.enable_x64 is False


def test_override_ends_with_an_exception() -> None:
    with pytest.raises(ZeroDivisionError), enable_x64(True):
        1 / 0  # noqa: B018
    assert config.enable_x64 is False


def test_override_as_a_decorator_also_when_recursive() -> None:
    @enable_x64(True)
    def f(n: int) -> list[bool]:
        return [config.enable_x64] + (f(n - 1) if n else [])

    assert f(2) == [True] * 3
    assert config.enable_x64 is False


def test_override_is_for_the_thread() -> None:
    seen = []
    with enable_x64(True):
        thread = threading.Thread(target=lambda: seen.append((config.enable_x64, config.trace_key())))
        thread.start()
        thread.join()
        mine = config.trace_key()
    assert seen == [(False, config.trace_key())]
    assert mine != seen[0][1]


def test_threads_may_be_inside_of_one_override_at_the_same_time() -> None:
    override, inside, found = config.override(enable_x64=True), threading.Event(), []

    def other() -> None:
        with config.override(enable_x64=False):
            with override:
                inside.set()
                entered.wait(10)
            found.append(config.enable_x64)

    entered, thread = threading.Event(), threading.Thread(target=other)
    before = config.enable_x64
    thread.start()
    assert inside.wait(10)
    with override:
        entered.set()
        thread.join()
        assert config.enable_x64
    assert found == [False]
    assert config.enable_x64 == before


@pytest.mark.usefixtures("restored")
def test_update_is_for_all_threads_but_not_for_those_that_override() -> None:
    seen = []
    with enable_x64(False):
        config.update("jax_enable_x64", True)
        config.disable_jit = True
        thread = threading.Thread(target=lambda: seen.append((config.enable_x64, config.disable_jit)))
        thread.start()
        thread.join()
        assert (config.enable_x64, config.disable_jit) == (False, True)
        inside = config.trace_key()
    assert seen == [(True, True)]
    assert config.enable_x64 is True
    assert inside != config.trace_key()
    with enable_x64(False):
        assert config.trace_key() is inside


def test_names_with_the_prefix() -> None:
    assert config.jax_enable_x64 is False
    assert config.read("jax_numpy_rank_promotion") == "allow"
    with config.override(jax_numpy_rank_promotion="raise"):
        assert config.numpy_rank_promotion == "raise"


def test_trace_key_changes_with_the_flags_that_matter_and_only_those() -> None:
    key = config.trace_key()
    assert hash(key) == hash(config.trace_key())
    changed = {"debug_nans": True, "check_jaxprs": not config.check_jaxprs, "num_threads": 3, "host_fallback": True}
    with config.override(**changed):
        assert config.trace_key() is key
    for name, value in {
        "enable_x64": True, "disable_jit": True, "numpy_rank_promotion": "warn", "numpy_dtype_promotion": "strict",
        "default_matmul_precision": "highest", "threefry_partitionable": False, "explicit_x64_dtypes": "allow",
        "default_device": "cpu",
    }.items():  # fmt: skip
        with config.override(**{name: value}):
            assert config.trace_key() != key, name
    assert config.trace_key() is key


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("enable_x64", 1, "config flag enable_x64: 1 is not a valid value; allowed are True and False"),
        ("numpy_dtype_promotion", "loose", "allowed are 'standard', 'strict'"),
        ("numpy_rank_promotion", True, "allowed are 'allow', 'warn', 'raise'"),
        ("default_matmul_precision", "best", "allowed are None, 'default', 'high'"),
        ("num_cpu_devices", 0, "allowed are integers from 1 up$"),
        ("num_cpu_devices", None, "allowed are integers from 1 up$"),
        ("num_threads", 2.0, "integers from 1 up and None"),
        ("backends", [], "at least one non-empty name"),
        ("backends", 3, "a sequence of names"),
        ("platform", "", "a non-empty text and None"),
        ("default_device", [], "a device, the name of a platform, and None"),
    ],
)
def test_bad_values(name: str, value: object, message: str) -> None:
    before = getattr(config, name)
    with pytest.raises(ValueError, match=message):
        config.update(name, value)
    with pytest.raises(ValueError, match=message):
        config.override(**{name: value})
    assert getattr(config, name) == before


def test_names_of_flags_are_text() -> None:
    for act in (lambda: config.update(3, True), lambda: config.read(None)):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"test_config.py:\d+.*a flag is named by a text"):
            act()


def _wide() -> Generator[None]:
    with enable_x64(True):
        yield


def test_blocks_that_end_in_another_order_than_they_began() -> None:
    block = _wide()
    next(block)
    with numpy_rank_promotion("raise"), enable_x64(False):
        block.close()
        assert (config.numpy_rank_promotion, config.enable_x64) == ("raise", False)
    assert not config.enable_x64
    assert config.numpy_rank_promotion == "allow"


def test_a_block_that_another_thread_ends() -> None:
    block = _wide()
    next(block)
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(lambda: (block.close(), config.enable_x64)[1]).result()
    assert not config.enable_x64
    assert config.key == Config.key


def test_unknown_flags() -> None:
    for act in (
        lambda: config.update("enable_x46", True),
        lambda: config.jax_enable_x46,
        lambda: config.override(enable_x46=True),
    ):
        with pytest.raises(AttributeError, match=r"no flag `(jax_)?enable_x46`; did you mean `enable_x64`\?"):
            act()


def test_backends_as_text_or_names() -> None:
    with config.override(backends="cpu, opencl"):
        assert config.backends == ("cpu", "opencl")
    with config.override(backends=["cpu"]):
        assert config.backends == ("cpu",)


def test_named_context_managers() -> None:
    with numpy_rank_promotion("raise"), default_device("cpu"):
        assert (config.numpy_rank_promotion, config.default_device) == ("raise", "cpu")


def test_every_flag_says_what_it_does() -> None:
    for name, flag in flags.items():
        assert flag.doc.endswith("."), name
        assert flag.env == "COTAN_" + name.upper()
        assert flag.check(flag.default) == flag.default


def in_environment(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False)


def test_environment() -> None:
    done = in_environment(
        "from cotan.config import config as c; print(c.enable_x64, c.num_cpu_devices, c.backends, c.platform, "
        "c.num_threads)",
        COTAN_ENABLE_X64="true", COTAN_NUM_CPU_DEVICES="8", COTAN_BACKENDS="cpu,opencl", COTAN_PLATFORM="cpu",
        COTAN_NUM_THREADS="none",
    )  # fmt: skip
    assert done.stdout.strip() == "True 8 ('cpu', 'opencl') cpu None", done.stderr


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("ENABLE_X64", "perhaps", "allowed are 1, true, yes, on"), ("NUM_THREADS", "two", "must be an integer"),
     ("NUM_CPU_DEVICES", "-1", "integers from 1 up"), ("NUMPY_RANK_PROMOTION", "x", "'allow', 'warn', 'raise'")],
)  # fmt: skip
def test_bad_environment(name: str, value: str, message: str) -> None:
    done = in_environment("import cotan.config", **{f"COTAN_{name}": value})
    assert done.returncode != 0
    assert f"the environment variable COTAN_{name}='{value}' is not valid" in done.stderr
    assert message in done.stderr
