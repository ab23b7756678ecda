"""The configuration on the command line of programs that use absl. A stand-in plays absl's part."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from cotan.config import config


class _Flags(dict):
    """As absl's FLAGS: called with arguments, it notes which flags are there."""

    def __call__(self, arguments, known_only=False):
        assert known_only
        for argument in arguments[1:]:
            name, _, text = argument.removeprefix("--").partition("=")
            if name in self:
                self[name].present = 1
                self[name].value = text if self[name].kind is str else text != "false"


@pytest.fixture
def absl(monkeypatch):
    """absl's two modules, with the callbacks that ``app.run`` would call."""
    module, flags, app = (ModuleType(name) for name in ("absl", "absl.flags", "absl.app"))
    found = _Flags()

    def define(kind):
        def record(name, default, doc):
            assert name not in found
            assert doc
            found[name] = SimpleNamespace(kind=kind, value=default, present=0)

        return record

    flags.FLAGS, flags.DEFINE_bool, flags.DEFINE_string = found, define(bool), define(str)
    app.callbacks = []
    app.call_after_init = app.callbacks.append
    module.flags, module.app = flags, app
    for name, part in (("absl", module), ("absl.flags", flags), ("absl.app", app)):
        monkeypatch.setitem(sys.modules, name, part)
    return module


@pytest.fixture
def restored():
    """The flags as they were, after a test."""
    names = ("debug_nans", "numpy_rank_promotion", "num_threads", "platform")
    before = {name: config.read(name) for name in names}
    yield
    for name, value in before.items():
        config.update(name, value)


GIVEN = ["--jax_debug_nans", "--jax_numpy_rank_promotion=warn", "--jax_num_threads=2", "--other=1"]


@pytest.mark.usefixtures("restored")
def test_a_program_parses_its_own_arguments(absl, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", *GIVEN, "--", "--jax_platforms=opencl"])
    for _ in range(2):
        config.parse_flags_with_absl()
        assert (config.debug_nans, config.numpy_rank_promotion, config.num_threads) == (True, "warn", 2)
    assert config.platform != "opencl"
    assert {"jax_platforms", "jax_platform", "jax_enable_x64", "jax_enable_checks"} <= {*absl.flags.FLAGS}


@pytest.mark.usefixtures("restored")
def test_an_app_sets_flags_when_it_begins(absl):
    config.config_with_absl()
    [begin] = absl.app.callbacks
    absl.flags.FLAGS(["program", "--jax_debug_nans"], known_only=True)
    assert not config.debug_nans
    begin()
    assert config.debug_nans


def test_a_value_that_is_not_valid(absl, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program", "--jax_numpy_rank_promotion=maybe"])
    with pytest.raises(ValueError, match="numpy_rank_promotion: 'maybe' is not a valid value"):
        config.parse_flags_with_absl()


def test_without_absl(monkeypatch):
    monkeypatch.setitem(sys.modules, "absl", None)
    for ask in (config.config_with_absl, config.parse_flags_with_absl):
        with pytest.raises(ModuleNotFoundError, match="absl"):
            ask()
