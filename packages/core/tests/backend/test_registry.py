"""Discovery: what is found, what is refused, and in which words."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from cotan.__main__ import info, main
from cotan.backend import Capabilities, LoweringTable, backends_found, default_backend, get_backend
from cotan.backend.hookspecs import Specs
from cotan.config import config
from cotan.errors import BackendUnavailableError

GOOD = """
from cotan.backend import API_VERSION, Backend, BackendEntry, Capabilities, Probe, hookimpl

class Nothing(Backend):
    name = "{name}"
    capabilities = Capabilities(program=True)
    tables = ()
    def devices(self):
        return []
    def extend(self, table):
        self.tables += (table,)

@hookimpl
def cotan_backends():
    return [BackendEntry("{name}", api_version={version}, priority={priority}, aliases={aliases},
                         probe=lambda: Probe({usable}, ("one device",), "{reason}"), open=Nothing)]
"""


def good(name, *, priority=0, aliases=(), usable=True, reason="", version="API_VERSION"):
    return GOOD.format(
        name=name, priority=priority, aliases=tuple(aliases), usable=usable, reason=reason, version=version
    )


def test_nothing_installed_names_the_package_to_install(site):
    with pytest.raises(BackendUnavailableError, match=r'no backend is installed: pip install "cotan\[cpu\]"'):
        default_backend()
    with pytest.raises(BackendUnavailableError, match=r"`acme` was asked for and no backend is installed"):
        get_backend("acme")
    assert "no backend is installed" in info()


def test_priority_aliases_and_identity(site):
    site.install("acme-slow", good("slow"))
    site.install("acme-fast", good("fast", priority=9, aliases=["rapid"]))
    assert default_backend().name == "fast"
    assert get_backend("rapid") is get_backend("fast") is get_backend()
    assert [item.name for item in backends_found()] == ["fast", "slow"]
    assert "acme-fast 1.0 (acme_fast)" in info()
    with pytest.raises(BackendUnavailableError, match="there is no backend `none`; installed: fast, slow"):
        get_backend("none")


_ENDING = """
import types
from cotan.backend import API_VERSION, Backend, BackendEntry, Capabilities, Probe, get_backend, registry

class Busy:
    def __init__(self, name, error):
        self.name, self.error = name, error
    def synchronize(self):
        print("waited for", self.name)
        if self.error:
            raise RuntimeError("a result that nobody asked for")

class Two(Backend):
    name = "two"
    capabilities = Capabilities(program=True)
    def devices(self):
        return [Busy("first", True), Busy("second", False)]
    def extend(self, table):
        pass

class Plugin:
    from cotan.backend import hookimpl
    @hookimpl
    def cotan_backends(self):
        return [BackendEntry("two", api_version=API_VERSION, probe=lambda: Probe(True), open=Two)]

registry._entry_points = lambda: [types.SimpleNamespace(name="two", value="two", load=Plugin)]
get_backend("two")
"""


def test_the_end_of_the_process_waits_for_what_backends_still_run():
    done = subprocess.run([sys.executable, "-c", _ENDING], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["waited for first", "waited for second", ""]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks on this system")
def test_the_end_of_a_forked_process_waits_for_nothing():
    forking = "import os, sys\nif child := os.fork():\n    os._exit(os.waitpid(child, 0)[1])\n"
    command = [sys.executable, "-c", _ENDING + forking]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_default_can_be_chosen_and_backends_can_be_excluded(site):
    site.install("acme-slow", good("slow"))
    site.install("acme-fast", good("fast", priority=9))
    with config.override(platform="slow"):
        assert default_backend().name == "slow"
    with config.override(backends="slow"):
        assert default_backend().name == "slow"
        with pytest.raises(BackendUnavailableError, match="`fast` is excluded by COTAN_BACKENDS=slow"):
            get_backend("fast")
    with config.override(backends=["absent"]), pytest.raises(BackendUnavailableError, match="allows absent only"):
        default_backend()


def test_an_unusable_backend_is_passed_over_and_says_why(site):
    site.install("acme-slow", good("slow"))
    site.install("acme-gpu", good("gpu", priority=9, usable=False, reason="no driver found"))
    assert default_backend().name == "slow"
    with pytest.raises(BackendUnavailableError, match=r"`gpu` \(acme-gpu 1.0.*cannot be used: no driver found"):
        get_backend("gpu")
    assert "because no driver found" in info()


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("import a_driver_that_is_absent\n", "cannot be loaded: ModuleNotFoundError"),
        ("raise OSError('bad library')\n", "cannot be loaded: OSError: bad library"),
        ("import sys\nsys.exit(3)\n", "cannot be loaded: SystemExit: 3"),
        ("def cotan_backends():\n    return []\n", "it has no hook; mark its function cotan_backends"),
        (
            "from cotan.backend import hookimpl\n@hookimpl\ndef cotan_backends():\n    raise RuntimeError('oh')\n",
            "its hook cotan_backends failed: RuntimeError: oh",
        ),
        (
            "from cotan.backend import hookimpl\n@hookimpl\ndef cotan_backends():\n    return ['gpu']\n",
            "must return BackendEntry records, not str",
        ),
        (
            good("acme-broken", version=99),
            "written for version 99 of the backend interface and this cotan has version 1: install a matching cotan",
        ),
        (
            good("acme-broken", version=0),
            "written for version 0 of the backend interface and this cotan has version 1: install a matching release",
        ),
    ],
)
def test_a_broken_plugin_is_remembered_and_disturbs_nobody(site, source, text):
    site.install("acme-broken", source)
    site.install("acme-slow", good("slow"))
    assert default_backend().name == "slow"
    with pytest.raises(BackendUnavailableError, match="acme-broken") as caught:
        get_backend("acme-broken")
    assert text in str(caught.value)
    assert text in info()


def test_only_broken_plugins(site):
    site.install("acme-broken", "raise OSError('bad library')")
    with pytest.raises(BackendUnavailableError, match="none of the installed backends can be used here: acme-broken"):
        default_backend()


def test_a_probe_or_an_open_that_raises(site):
    site.install("acme-a", good("a").replace("lambda: Probe(", "lambda: 1 / 0 or Probe("))
    site.install("acme-b", good("b").replace("open=Nothing", "open=lambda: 1 / 0"))
    with pytest.raises(BackendUnavailableError, match=r"`a`.*its probe raised ZeroDivisionError"):
        get_backend("a")
    with pytest.raises(BackendUnavailableError, match=r"`b`.*could not be opened: ZeroDivisionError"):
        get_backend("b")


def test_a_probe_or_an_open_that_gives_something_else(site):
    site.install("acme-a", good("a").replace("lambda: Probe(", "lambda: None and Probe("))
    site.install("acme-b", good("b").replace("open=Nothing", "open=lambda: None"))
    with pytest.raises(BackendUnavailableError, match=r"`a`.*its probe must return a Probe, not NoneType"):
        get_backend("a")
    with pytest.raises(BackendUnavailableError, match=r"`b`.*`open` must return a Backend, not NoneType"):
        get_backend("b")
    assert "its probe must return a Probe, not NoneType" in info()


def test_two_backends_of_one_name_are_an_error_that_names_both(site):
    site.install("acme-one", good("same"))
    site.install("acme-two", good("same"))
    site.install("acme-slow", good("slow", priority=-5))
    with pytest.raises(BackendUnavailableError, match=r"acme-one 1.0 .*acme-two 1.0|acme-two 1.0 .*acme-one 1.0"):
        get_backend("same")
    assert default_backend().name == "slow"
    shown = info()
    assert shown.count("because two backends are named `same`: from acme-") == 2
    assert "uninstall one of them" in shown
    with pytest.raises(BackendUnavailableError, match="installed: same, slow"):
        get_backend("another")


def test_a_name_that_is_another_ones_alias_is_taken_too(site):
    site.install("acme-one", good("one", aliases=["fast"]))
    site.install("acme-two", good("fast"))
    for name in ("one", "fast"):
        with pytest.raises(BackendUnavailableError, match=r"two backends are named `fast`: from acme-"):
            get_backend(name)
    assert info().count("two backends are named `fast`") >= 2


def test_rules_from_another_package(site):
    site.install("acme-slow", good("slow"))
    site.install(
        "acme-rules",
        """
        from cotan.backend import LoweringTable, hookimpl

        @hookimpl
        def cotan_lowerings(backend):
            return LoweringTable("slow") if backend.name == "slow" else None
        """,
    )
    site.install(
        "acme-worse",
        "from cotan.backend import hookimpl\n@hookimpl\ndef cotan_lowerings(backend):\n    raise ValueError('no')\n",
    )
    assert len(get_backend("slow").tables) == 1
    assert "extended by acme-rules" in info()
    assert "rules of acme-worse 1.0 (acme_worse) are not used: ValueError: no" in info()


def test_every_hook_is_documented():
    hooks = [name for name in vars(Specs) if name.startswith("cotan_")]
    assert hooks == ["cotan_backends", "cotan_lowerings"]
    assert all(getattr(Specs, name).__doc__ for name in hooks)


def test_a_backend_without_a_door_is_refused():
    with pytest.raises(ValueError, match="at least one door"):
        Capabilities()
    with pytest.raises(ValueError, match="'native', 'host' or 'none'"):
        Capabilities(eager=True, collectives="some")


def test_lowering_tables_refuse_doubles_and_merge():
    table, other = LoweringTable("acme"), LoweringTable("acme")
    table.rule("eager", "add")(lambda x, y: 1)
    other.rule("eager", "add")(lambda x, y: 2)
    with pytest.raises(ValueError, match="already has a rule of kind `eager` for `add`"):
        table.rule("eager", "add")(print)
    with pytest.raises(ValueError, match="a rule is of kind"):
        table.rule("fast", "add")
    assert table.merged([other]).eager["add"](0, 0) == 2


def test_command_line(capsys, site):
    assert main(["info"]) == 0
    assert "cotan" in capsys.readouterr().out
    assert main(["nonsense"]) == 2
    assert "usage" in capsys.readouterr().err
