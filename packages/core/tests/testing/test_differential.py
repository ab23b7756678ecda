"""The search for programs that mean different things in different places finds those, and only those."""

from __future__ import annotations

import pytest

from cotan.config import config
from cotan.testing import differential
from cotan.testing.reference import ReferenceBackend

SEEDS = range(12)


@pytest.fixture(autouse=True)
def wide():
    with config.override(enable_x64=True):
        yield


def test_what_agrees_is_no_failure():
    device = ReferenceBackend().devices()[0]
    assert differential.failing({"again": lambda programs: differential.at_once(device, programs)}, SEEDS) == []


def test_what_differs_is_made_short():
    def wrong(programs):
        """Forgets the sign of whatever goes through a tanh."""
        results = [differential.by_reference(program) for program in programs]
        has_tanh = ["tanh" in str(program.closed) for program in programs]
        return [[abs(x) + 1 for x in xs] if bad else xs for xs, bad in zip(results, has_tanh, strict=True)]

    expected = [seed for seed in SEEDS if "tanh" in str(differential.draw(seed).closed)]
    texts = differential.failing({"wrong": wrong}, SEEDS)
    assert 0 < len(texts) == len(expected) < len(SEEDS)
    for seed, text in zip(expected, texts, strict=True):
        count = int(text.split(", ")[1].split()[0])
        assert text.startswith(f"seed {seed}, {count} operations, wrong: result 0 is\n")
        assert "tanh" in text
        assert "tanh" not in str(differential.draw(seed, count - 1).closed)


def test_a_program_that_raises_is_found_among_others():
    def refuses(programs):
        if any(program.seed == 3 for program in programs):
            raise ValueError("no threes")
        return [differential.by_reference(program) for program in programs]

    [text] = differential.failing({"refuses": refuses}, SEEDS)
    assert text.startswith("seed 3, 1 operations, refuses: ")
    assert "no threes" in text


def test_command(capsys):
    assert differential.main(["--backend", "cpu", "--first", "5", "--count", "4", "--batch", "3"]) == 0
    assert capsys.readouterr().out == "4 programs, cpu compiled, cpu at once: 0 differ\n"
