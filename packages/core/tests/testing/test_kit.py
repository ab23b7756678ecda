"""The kit around its cases: expected failures, levels, the report, the command and the star import."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from testing.faults import Changed

from cotan.testing.conformance import run, suite
from cotan.testing.conformance.__main__ import main
from cotan.testing.conformance.cases import Check, ProgramCase
from cotan.testing.conformance.catalogue import all_cases
from cotan.testing.conformance.expected import Entry, Expected, read
from cotan.testing.conformance.report import Report
from cotan.testing.conformance.runner import Runner
from cotan.testing.conformance.subject import subject
from cotan.testing.reference import ReferenceBackend

NEG = "literals/floats/negative zero*"


def wrong() -> ReferenceBackend:
    return Changed(["neg"], lambda results, arrays, params: results[0] + 1)


def listed(folder: Path, text: str) -> Path:
    file = folder / "expected_failures.toml"
    file.write_text(text)
    return file


def test_an_expected_failure_is_none(tmp_path):
    file = listed(tmp_path, f'[[expected]]\ncase = "{NEG}"\nreason = "it cannot negate"\n')
    report = run(wrong(), only=NEG, expected=file)
    assert report.passed
    assert report.counts() == {"expected": 2}
    assert "- it cannot negate: `literals/floats/negative zero is kept/eager`, " in report.table()


def test_an_expected_failure_that_passes_is_a_failure(tmp_path):
    file = listed(tmp_path, f'[[expected]]\ncase = "{NEG}"\nreason = "it cannot negate"\n')
    report = run(ReferenceBackend(), only=NEG, expected=file)
    assert not report.passed
    assert set(report.failures.values()) == {
        "it is expected to fail (it cannot negate) and passes: delete its entry",
    }


def test_an_entry_for_another_device_does_not_hold(tmp_path):
    file = listed(tmp_path, f'[[expected]]\ncase = "{NEG}"\nreason = "r"\ndevice = "Mali*"\n')
    assert read(file) == [Entry(NEG, "r", "Mali*")]
    assert run(ReferenceBackend(), only=NEG, expected=file).passed
    assert not run(wrong(), only=NEG, expected=file).passed


@pytest.mark.parametrize(
    "entry", ['case = "a"', 'reason = "r"', 'case = "a"\nreason = " "', 'case="a"\nreason="r"\nx=1']
)
def test_an_entry_needs_a_case_and_a_reason(tmp_path, entry):
    with pytest.raises(ValueError, match=r"expected_failures.toml: entry 1 must have `case` and a `reason`"):
        read(listed(tmp_path, f"[[expected]]\n{entry}\n"))


def test_a_file_that_is_no_toml_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"expected_failures.toml is no TOML: "):
        read(listed(tmp_path, "[[expected]\n"))


def test_an_entry_that_no_case_is_like_is_a_complaint(tmp_path):
    file = listed(tmp_path, '[[expected]]\ncase = "literals/of/nothing"\nreason = "r"\n')
    backend = ReferenceBackend()
    known = Expected(read(file), subject(backend))
    assert known.idle(Runner(subject(backend), all_cases()).cases) == ["literals/of/nothing"]
    report = Report(subject(backend), {}, ["an expected failure that no case is like: literals/of/nothing"])
    assert not report.passed
    assert report.summary().endswith("no case is like: literals/of/nothing")


def test_a_device_that_is_not_there():
    with pytest.raises(ValueError, match="the backend reference has no device 2; its devices are 0 to 1"):
        subject(ReferenceBackend(devices=2), device=2)


def test_levels_are_the_doors_that_a_backend_claims():
    assert subject(ReferenceBackend()).levels == {"eager"}
    assert subject(ReferenceBackend("program")).levels == {"program"}
    with pytest.raises(ValueError, match="the backend reference does not claim the level 'kernels'; it claims eager"):
        subject(ReferenceBackend(), "kernels")


def test_what_is_not_claimed_must_be_refused():
    def negated(x):
        return -x

    args = (np.ones(2, np.float32),)
    unclaimed = ProgramCase(
        "a/b/c", dtypes=frozenset({"float8_e5m2"}), fun=negated, args=args, wanted=lambda: [-args[0]]
    )
    outcome = Runner(subject(ReferenceBackend()), [unclaimed]).outcome(unclaimed)
    assert outcome.status == "failed"
    assert outcome.message == "it does not claim float8_e5m2, and must raise UnsupportedError; it gave a result"


@pytest.mark.parametrize("door", ["eager", "program"])
def test_a_backend_that_claims_little_conforms(door):
    """No double precision, no halves, no complex numbers, no donation: core refuses for it what it does not claim."""
    backend = ReferenceBackend(door)
    wide = {"float64", "float16", "complex64", "complex128", "int64", "uint64"}
    dtypes = backend.capabilities.dtypes - wide
    backend.capabilities = replace(backend.capabilities, dtypes=dtypes, donation=False, host_steps=False)
    report = run(backend)
    assert report.passed, report.failures
    assert report.counts()["refused"] > 1000
    assert report.counts()["passed"] > 2500


def test_an_error_of_a_case_is_a_failure_with_its_traceback():
    def broken(subject):
        raise KeyError("from within")

    case = Check("a/b/c", check=broken)
    outcome = Runner(subject(ReferenceBackend()), [case]).outcome(case)
    assert outcome.status == "failed"
    assert "from within" in outcome.message


def test_a_batch_that_cannot_be_built_falls_back_to_single_programs():
    sound = [ProgramCase(f"a/b/{k}", fun=lambda x: x + 1, args=(np.ones(k, np.float32),), jit=True) for k in (1, 2)]

    def raises(x):
        raise RuntimeError("cannot be traced")

    bad = ProgramCase("a/b/bad", fun=raises, args=(np.ones(3, np.float32),), jit=True)
    runner = Runner(subject(ReferenceBackend("program")), [sound[0], bad, sound[1]])
    assert [runner.outcome(case).status for case in runner.cases] == ["passed", "failed", "passed"]
    assert "cannot be traced" in runner.outcome(bad).message


def test_a_case_that_stands_in_for_another_is_run_only_in_its_place():
    names = {name for name in (c.name for c in all_cases()) if name.startswith("derivatives/sin/")}
    single = {name for name in names if name.endswith("in single precision")}
    assert len(single) == 2
    backend = ReferenceBackend()
    assert {c.name for c in Runner(subject(backend), all_cases()).cases} & names == names - single
    backend.capabilities = replace(backend.capabilities, dtypes=backend.capabilities.dtypes - {"float64"})
    assert {c.name for c in Runner(subject(backend), all_cases()).cases} & names == names


def test_an_operand_that_cases_share_is_passed_once():
    operands = []

    class Counting(ReferenceBackend):
        def compile(self, program, options):
            operands.append(len(program.jaxpr.invars))
            return super().compile(program, options)

    x, y = np.ones(3, np.float32), np.ones(3, np.float32)
    functions = (lambda a, b: a + b, lambda a, b: a * b)
    cases = [ProgramCase(f"a/b/{k}", fun=f, args=(x, (x, y)[k]), jit=True) for k, f in enumerate(functions)]
    runner = Runner(subject(Counting("program")), cases)
    assert [runner.outcome(case).status for case in cases] == ["passed", "passed"]
    assert operands == [2]


def test_what_is_expected_to_fail_is_compiled_by_itself():
    """So that its outcome does not depend on what else is in its batch, nor theirs on it."""
    sizes = []

    class Counting(ReferenceBackend):
        def compile(self, program, options):
            sizes.append(len(program.jaxpr.outvars))
            return super().compile(program, options)

    cases = [
        ProgramCase(
            f"a/b/{k}", fun=lambda x: x + 1, args=(np.ones(k, np.float32),), wanted=lambda: [np.zeros(1)], jit=True
        )
        for k in (1, 2, 3)
    ]
    runner = Runner(subject(Counting("program")), cases, apart=lambda case: case.name == "a/b/2")
    runner.outcome(cases[1])
    assert sizes == [1]
    runner.outcome(cases[0])
    assert sizes[1] == 2


def test_the_command(tmp_path, capsys):
    table = tmp_path / "table.md"
    assert main(["--backend", "cpu", "--only", "types/moved", "--report", str(table)]) == 0
    assert "passed" in capsys.readouterr().out
    assert "# What the backend `cpu` supports" in table.read_text()
    assert "| moved | yes |" in table.read_text()
    assert main(["--backend", "nonesuch"]) == 2
    assert "there is no backend `nonesuch`" in capsys.readouterr().err
    assert main(["--backend", "cpu", "--only", "nothing/like/this"]) == 1
    assert "no case is named 'nothing/like/this'" in capsys.readouterr().out
    assert main(["--backend", "cpu", "--level", "program"]) == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--backend", "cpu", "--batch", "0"], "--batch is at least 1"),
        (["--backend", "cpu", "--patience", "0"], "--patience is a time in seconds"),
        (["--backend", "cpu", "--only", "types", "--summary", "page.md"], "--summary counts all cases"),
        (["--backend", "cpu", "--expected", "nonesuch.toml"], "there is no file nonesuch.toml"),
        ([], "--backend is needed"),
    ],
)
def test_the_command_says_what_it_cannot_do(capsys, arguments, text):
    with pytest.raises(SystemExit):
        main(arguments)
    assert text in capsys.readouterr().err


HANGS = """
import sys, threading
from cotan.testing.conformance import run
from cotan.testing.reference import ReferenceBackend

class Hangs(ReferenceBackend):
    def apply(self, *args):
        threading.Event().wait()

run(Hangs(), only="primitives/tanh", patience=0.5)
"""


def test_a_case_that_does_not_end_ends_the_kit():
    done = subprocess.run([sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "FAILED primitives/tanh/" in done.stdout
    assert "0.5 seconds" in done.stdout
    assert "in apply" in done.stdout + done.stderr


def test_what_the_extra_brings_is_asked_for(monkeypatch, capsys):
    def lacks(*args, **kwargs):
        raise ModuleNotFoundError("No module named 'mpmath'", name="mpmath")

    monkeypatch.setattr("cotan.testing.conformance.__main__.run", lacks)
    assert main(["--backend", "cpu"]) == 2
    assert "pip install" in capsys.readouterr().err


def test_the_sections_of_a_page(tmp_path):
    """A backend's section takes the place of its last one; others stay, in alphabetical order."""
    file = listed(tmp_path, f'[[expected]]\ncase = "{NEG}"\nreason = "it cannot negate"\n')
    report = run(wrong(), only="literals/floats", expected=file)
    page = report.into("# Title\n\nWords.\n\n## zebra\n\nIts table.\n\n## reference (NumPy)\n\nThe old one.\n")
    assert page.startswith("# Title\n\nWords.\n\n## reference (NumPy)\n\nTested as eager, on its only device.\n")
    assert "The old one" not in page
    assert page.endswith("## zebra\n\nIts table.\n")
    passed = report.counts()["passed"]
    assert f"| literals | {passed} |  | 2 |  |\n| all | {passed} |  | 2 |  |\n" in page
    listed_cases = "`literals/floats/negative zero is kept/eager`, `literals/floats/negative zero is kept/jit`"
    assert f"Expected failures:\n\n- it cannot negate: {listed_cases}\n" in page
    assert report.into(page) == page
    several = run(ReferenceBackend(devices=2), only="literals/floats").into("")
    assert several.startswith(
        "# Conformance\n\n## reference (NumPy, 2 devices)\n\nTested as eager, on device number 0.\n"
    )


def test_a_star_import_without_a_backend_says_so():
    module = ModuleType("test_conformance")
    module.__file__ = "test_conformance.py"
    with pytest.raises(pytest.fail.Exception, match=r"test_conformance\.py must say which backend is meant"):
        suite._prepared(module)


def test_the_star_import(tmp_path):
    file = tmp_path / "test_conformance.py"
    file.write_text('from cotan.testing.conformance.suite import *\n\nBACKEND = "cpu"\nLEVEL = "eager"\n')
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # else one of a folder above
    listed(tmp_path, '[[expected]]\ncase = "layouts/backwards/put"\nreason = "it passes, in truth"\n')
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file), "-k", "layouts or missing"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "1 failed, 10 passed" in done.stdout, done.stdout + done.stderr
    assert "layouts/backwards/put\nit is expected to fail (it passes, in truth) and passes" in done.stdout
