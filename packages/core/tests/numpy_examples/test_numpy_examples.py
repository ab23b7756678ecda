"""NumPy's docstring examples agree, but for those that are left out by category and a few with a reason."""

from __future__ import annotations

import ast

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from numpy_examples.categories import CATEGORIES, NOT_OFFERED, by_text
from numpy_examples.converter import namespaces, of_imports, of_lists
from numpy_examples.differences import REASONS
from numpy_examples.examples import documented, parse
from numpy_examples.running import Docstring, compare, outcomes


@pytest.fixture(scope="module")
def found():
    return list(outcomes())


def test_nearly_all_agree(found):
    compared = [o for o in found if o.category is None]
    agree = sum(not o.difference for o in compared)
    assert len(compared) > 1400
    assert agree >= 0.97 * len(compared)


def test_differences_are_those_with_a_reason(found):
    different = {o.example.name: o.difference for o in found if o.difference}
    assert {name: text for name, text in different.items() if name not in REASONS} == {}
    assert sorted(set(REASONS) - set(different)) == []


def test_every_category_leaves_something_out_and_few_are_needed(found):
    used = {o.category for o in found if o.category}
    assert used == {c.name for c in CATEGORIES}
    assert sum(o.category is not None for o in found) < 0.3 * len(found)


def test_what_is_called_not_offered_is_not_there():
    assert [name for name in NOT_OFFERED if hasattr(cnp, name)] == []


def test_most_functions_have_examples():
    assert len(list(documented())) > 300


# ---- The harness itself


def run(text):
    with cotan.enable_x64():
        return list(Docstring().run(list(parse("f", text))))


def test_the_second_run_is_of_cotan():
    """Imports in an example don't bring NumPy into the second run."""
    docstring = Docstring()
    text = ">>> import numpy as np\n>>> from numpy import linalg as LA\n>>> x = np.ones(2)\n"
    list(docstring.run(list(parse("f", text))))
    assert isinstance(docstring.ours["x"], cnp.ndarray)
    assert isinstance(docstring.theirs["x"], np.ndarray)
    assert docstring.ours["LA"].norm(docstring.ours["x"]).aval is not None


def test_a_difference_is_found():
    (outcome,) = run(">>> np.isscalar(np.array(1.0))\n")
    assert outcome.difference == "True instead of False"


def test_a_failure_is_a_difference():
    assert "arrays cannot have the dtype object" in run(">>> np.isin(1, {1})\n")[0].difference


def test_names_that_an_excluded_example_makes_are_excluded():
    found = run(">>> x = np.array(['a'])\n>>> x.size\n>>> np.ones(2).size\n")
    assert [o.category for o in found] == ["strings and dates", "strings and dates", None]


def test_arrays_that_were_changed_in_place_are_handed_over():
    found = run(">>> x = np.zeros(3)\n>>> x[1] = 2\n>>> x\n>>> x.sum()\n")
    assert [(o.category, o.difference) for o in found] == [("in place", ""), ("in place", ""), (None, "")]


def test_random_numbers_are_those_of_the_other_run():
    text = ">>> rng = np.random.default_rng()\n>>> print(rng.normal())\n>>> rng.normal(size=3)\n"
    assert [(o.category, o.difference) for o in run(text)] == [("text", ""), (None, "")]
    theirs, ours = namespaces()
    assert isinstance(ours.random.normal(size=2), cnp.ndarray)
    np.testing.assert_allclose(theirs.random.normal(size=2), namespaces()[1].random.normal(size=2), rtol=1e-6)


@pytest.mark.parametrize(
    ("source", "converted"),
    [
        ("x[[0, 1]] + [1, 2]", "x[np.array([0, 1])] + np.array([1, 2])"),
        ("x[i, ::2]", "x[as_index(i), ::2]"),
        ("[1] + [2]", "[1] + [2]"),
        ("x == [1]", "x == np.array([1])"),
    ],
)
def test_lists_as_operands_and_indices_become_arrays(source, converted):
    assert ast.unparse(of_lists(ast.parse(source))) == converted


def test_imports_become_assignments():
    tree = of_imports(ast.parse("import numpy as np\nfrom numpy.linalg import inv\nimport math"))
    assert ast.unparse(tree) == "np = given_numpy\ninv = given_numpy.linalg.inv\nimport math"


@pytest.mark.parametrize(
    ("source", "category"),
    [
        ("print(x)", "text"),
        ("x[0] = 1", "in place"),
        ("x.sort()", "in place"),
        ("np.sum(x, out=y)", "in place"),
        ("np.cos(x, y)", "in place"),
        ("np.add(x, y)", None),
        ("np.sort(x)", None),
        ("np.ravel(x, order='K')", "layout"),
        ("np.ravel(x, order='F')", None),
        ("x is y", "layout"),
        ("np.array(x, dtype=object)", "objects"),
        ("np.poly1d(x)", "not offered"),
        ("import matplotlib.pyplot as plt", "other packages"),
        ("from numpy import linalg as LA", None),
        ("np.ma.array(x)", "subclasses"),
    ],
)
def test_categories_by_text(source, category):
    (example,) = parse("f", f">>> {source}\n")
    assert by_text(example) == category


@pytest.mark.parametrize(
    ("got", "expected", "agree"),
    [
        (np.float64(1.0), 1, False),
        (np.array([1, 2]), [1, 2], False),
        ([1, 2], [1, 2], True),
        ((1.0, np.nan), (1.0, np.nan), True),
        (1.0 + 1e-8, 1.0, False),
        (np.float32(1.0 + 1e-7), np.float32(1.0), True),
        (np.zeros((1, 2)), np.zeros(2), False),
        ({"a": 1}, {"b": 1}, False),
        (np.uint8(3), np.int64(3), True),
        ("x", 3, False),
    ],
)
def test_comparison(got, expected, agree):
    assert (compare(got, expected) == "") is agree
