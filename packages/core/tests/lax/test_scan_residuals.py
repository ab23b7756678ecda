"""What a scan keeps for its derivative: not what little work makes from other kept values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, nn

X = np.linspace(-2.0, 2.0, 12, dtype=np.float32).reshape(4, 3)


def stacked(fun: Any, *args: Any) -> list[tuple[int, ...]]:
    """The shapes of the arrays that the first scan of a gradient stacks."""
    text = cotan.make_jaxpr(cotan.grad(fun))(*args)
    first = next(eqn for eqn in text.jaxpr.eqns if eqn.primitive.name == "scan")
    return [v.aval.shape for v in first.outvars[first.params["num_carry"] :]]


def rows(step: Any) -> Any:
    return lambda c, xs: lax.scan(step, c, xs)[0].sum()


@pytest.mark.parametrize(
    ("step", "kept"),
    [
        (lambda c, x: (nn.sigmoid(c + x), None), 1),
        (lambda c, x: (cnp.tanh(c * x), None), 1),  # the result, not 1 minus its square
        (lambda c, x: (nn.sigmoid(c + x) * cnp.tanh(c - x), None), 2),
        (lambda c, x: (cnp.sin(c + x), None), 1),  # a cosine is much work
        (lambda c, x: (c + (c + x) * 2, None), 0),
    ],
    ids=["logistic", "tanh", "product", "sine", "linear"],
)
def test_kept_arrays(step: Any, kept: int) -> None:
    c = np.float32([0.1, -0.2, 0.3])
    assert stacked(rows(step), c, X) == [X.shape] * kept
    for of in (0, 1):
        found = cotan.grad(rows(step), of)(c, X)

        def unrolled(c: Any, xs: Any) -> Any:
            for x in xs:
                c, _ = step(c, x)
            return c.sum()

        np.testing.assert_allclose(found, cotan.grad(unrolled, of)(c, X), rtol=1e-5, atol=1e-6)


def test_second_derivatives_through_what_is_made_again() -> None:
    def loss(c: Any) -> Any:
        return lax.scan(lambda c, x: (nn.sigmoid(c * x), c), c, X)[1].sum()

    def unrolled(c: Any) -> Any:
        total = 0.0
        for x in X:
            total, c = total + c.sum(), nn.sigmoid(c * x)
        return total

    c = np.float32([0.1, -0.2, 0.3])
    np.testing.assert_allclose(cotan.hessian(loss)(c), cotan.hessian(unrolled)(c), rtol=1e-4, atol=1e-5)
