"""The table of public names is kept, and calls by tests are told apart from other ones."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from surface import recorder
from surface.names import Missing, find, table

import cotan
import cotan.numpy as cnp


def names(tier):
    return [name for name in table() if name.tier == tier and name.is_asked]


def test_nearly_every_name_that_some_programs_use_is_here():
    missing = []
    for name in names(2):
        try:
            find(name)
        except Missing:
            missing.append(str(name))
    assert len(missing) <= 0.02 * len(names(2)), missing


def test_every_name_that_nearly_all_programs_use_is_here():
    assert len(names(1)) > 800
    missing = []
    for name in names(1):
        try:
            find(name)
        except Missing:
            missing.append(str(name))
    assert missing == []


def seen(run, *watched):
    """Which of the ``watched`` names ``run`` calls, as a test."""
    watcher = recorder.Recorder.__new__(recorder.Recorder)
    watcher.watch(dict(watched))
    sys.setprofile(watcher.profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return watcher.current


X = np.ones((2, 2), np.float32)
WATCHED = [
    ("sin", cnp.sin),
    ("cos", cnp.cos),
    ("add", cnp.add),
    ("subtract", cnp.subtract),
    ("mean", cnp.mean),
    ("sum", cnp.sum),
    ("x +", type(cnp.zeros(1)).__add__),
    ("x.sum", type(cnp.zeros(1)).sum),
    ("mT", type(cnp.zeros(1)).mT),
    ("jit", cotan.jit),
    ("vmap", cotan.vmap),
    ("softmax", cotan.nn.softmax),
]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (lambda: cnp.sin(X), {"sin"}),
        (lambda: getattr(cnp, "cos")(X), {"cos"}),  # noqa: B009
        (lambda: cnp.add(X, X), {"add"}),
        (lambda: list(map(cnp.subtract, [X], [X])), {"subtract"}),
        (lambda: cotan.jit(cnp.sin)(X), {"sin", "jit"}),
        (lambda: cotan.jit(cotan.vmap(lambda x: cnp.sum(x)))(X), {"sum", "jit", "vmap"}),
        (lambda: cnp.zeros(1) + 1, {"x +"}),
        (lambda: cnp.ones((2, 2)).mT.sum(), {"mT", "x.sum"}),
        (lambda: cotan.nn.softmax(X), {"softmax"}),
        (lambda: X + X, set()),
    ],
)
def test_calls_are_told_apart(run, expected):
    assert seen(run, *WATCHED) == expected


def test_what_the_libraries_call_themselves_does_not_count():
    assert seen(lambda: cnp.var(X), ("mean", cnp.mean), ("sum", cnp.sum), ("var", cnp.var)) == {"var"}


def _asserts():
    assert X.size


def _asks_another():
    _asserts()


def _runs_only():
    cnp.sin(X)


def _expects_an_error():
    with pytest.raises(TypeError):
        cnp.sin("x")


def test_a_test_that_compares_nothing_does_not_count():
    assert recorder.compares(_asserts)
    assert recorder.compares(_asks_another)
    assert recorder.compares(lambda: np.testing.assert_allclose(X, X))
    assert not recorder.compares(_runs_only)
    assert not recorder.compares(_expects_an_error)
