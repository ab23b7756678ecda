"""checkpoint: what each policy keeps, options, and what is refused."""

from __future__ import annotations

import logging

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import ad_checkpoint
from cotan import checkpoint_policies as policies
from cotan.ad_checkpoint import checkpoint_name, print_saved_residuals
from cotan.config import config

W, X = np.full((3, 3), 0.1, np.float32), np.float32([0.1, 0.2, 0.3])


def layer(w, x):
    return cnp.sin(checkpoint_name(w @ x, "product"))


def batched(w, x):
    return cnp.einsum("bij,bj->bi", w, x)


def net(w, x):
    return cnp.cos(checkpoint_name(layer(w, layer(w, x)), "last")).sum()


def kept(capsys, f, *args):
    """What is kept beside the arguments, in words without places."""
    print_saved_residuals(f, *args)
    lines = capsys.readouterr().out.splitlines()
    assert all("test_checkpoint.py:" in line for line in lines if "argument" not in line)
    return [line.split(" from ")[0].split(" ", 1)[1] for line in lines if "argument" not in line]


PRODUCTS = ["output of dot_general"] * 2
POLICIES = [
    (None, []),
    (policies.nothing_saveable, []),
    (policies.dots_saveable, PRODUCTS),
    (policies.checkpoint_dots, PRODUCTS),
    (policies.dots_with_no_batch_dims_saveable, PRODUCTS),
    (policies.checkpoint_dots_with_no_batch_dims, PRODUCTS),
    (policies.offload_dot_with_no_batch_dims("device", "pinned_host"), PRODUCTS),
    (policies.save_only_these_names("product"), ["named `product`"] * 2),
    (policies.save_only_these_names("last", "unknown"), ["named `last`"]),
    (policies.save_any_names_but_these("product"), ["named `last`"]),
    (
        policies.save_and_offload_only_these_names(
            names_which_can_be_saved=["product"],
            names_which_can_be_offloaded=["last"],
            offload_src="device",
            offload_dst="pinned_host",
        ),
        ["named `product`", "named `product`", "named `last`"],
    ),
    (
        policies.save_from_both_policies(policies.dots_saveable, policies.save_only_these_names("last")),
        [*PRODUCTS, "named `last`"],
    ),
]


@pytest.mark.parametrize("stage", [lambda f: f, cotan.jit], ids=["plain", "jit"])
@pytest.mark.parametrize(("policy", "expected"), POLICIES)
def test_what_policies_keep(capsys, policy, expected, stage):
    f = cotan.checkpoint(stage(net), policy=policy)
    assert kept(capsys, f, W, X) == expected
    for g in (cotan.grad(f), cotan.jit(cotan.grad(f))):
        np.testing.assert_allclose(g(W, X), cotan.grad(net)(W, X), rtol=1e-6)


def test_policies_of_everything(capsys):
    plain = kept(capsys, net, W, X)
    assert len(plain) >= 4
    assert len(kept(capsys, cotan.checkpoint(net, policy=policies.everything_saveable), W, X)) == len(plain)
    rest = kept(capsys, cotan.checkpoint(net, policy=policies.save_anything_except_these_names("last")), W, X)
    assert len(rest) == len(plain)
    assert not any("named `last`" in line for line in rest)


def test_products_with_batch_axes_are_told_apart(capsys):
    def f(w, x):
        return cnp.sin(batched(w, x)).sum()

    args = np.ones((2, 3, 3), np.float32), np.ones((2, 3), np.float32)
    assert kept(capsys, cotan.checkpoint(f, policy=policies.dots_saveable), *args) == ["output of dot_general"]
    assert kept(capsys, cotan.checkpoint(f, policy=policies.dots_with_no_batch_dims_saveable), *args) == []


def test_residuals_say_where_they_come_from(capsys):
    constant = cnp.arange(3.0)
    print_saved_residuals(lambda params, y: (cotan.jit(cnp.sin)(params["w"]) * constant * y).sum(), {"w": X}, y=X)
    lines = capsys.readouterr().out.splitlines()
    assert "f32[3] from a constant" in lines
    assert "f32[3] from the argument `y`" in lines
    assert any(line.startswith("f32[3] output of jit of `sin` from test_checkpoint.py:") for line in lines)
    print_saved_residuals(lambda x: x * cotan.lax.stop_gradient(x), X)
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_equal_policies_are_one():
    assert policies.save_only_these_names("a") == policies.save_only_these_names("a")
    assert policies.save_only_these_names("a") != policies.save_any_names_but_these("a")
    first, second = (policies.save_from_both_policies(p, policies.dots_saveable) for p in (policies.dots_saveable,) * 2)
    assert (first, hash(first)) == (second, hash(second))


def test_names_on_pytrees():
    out = checkpoint_name({"a": X, "b": (1, None)}, "pair")
    np.testing.assert_array_equal(out["a"], X)
    assert int(out["b"][0]) == 1
    with pytest.raises(
        TypeError, match=r"test_checkpoint.py:\d+, in .*: checkpoint_name: name must be a string, got 3"
    ):
        checkpoint_name(X, 3)


def test_variables_that_are_closed_over_may_change():
    w = cnp.float32(2)
    f = cotan.checkpoint(lambda x: cnp.sin(x) * w)
    np.testing.assert_allclose(f(1.0), 2 * np.sin(1.0), rtol=1e-6)
    w = w + 1
    np.testing.assert_allclose(f(1.0), 3 * np.sin(1.0), rtol=1e-6)
    np.testing.assert_allclose(cotan.grad(f)(1.0), 3 * np.cos(1.0), rtol=1e-6)
    w = 4.0
    np.testing.assert_allclose(cotan.grad(f)(1.0), 4 * np.cos(1.0), rtol=1e-6)


def test_static_arguments_and_options():
    f = cotan.checkpoint(lambda x, n: x**n if n > 1 else x, static_argnums=1)
    assert float(cotan.grad(f)(3.0, 2)) == 6
    g = cotan.checkpoint(static_argnames="n", prevent_cse=(False, True))(lambda x, *, n: x**n if n > 1 else x)
    assert float(cotan.grad(lambda x: g(x, n=3))(2.0)) == 12
    assert float(cotan.grad(cotan.checkpoint(lambda x: x * x, static_argnums=(), static_argnames=()))(3.0)) == 6


def test_static_arguments_that_are_not_hashable(caplog):
    def f(powers, x, *, scale):
        return scale["by"] * sum(x**n for n in powers)

    g = cotan.checkpoint(f, static_argnums=0, static_argnames="scale")
    powers, scale = [2], {"by": 3.0}
    np.testing.assert_allclose(cotan.grad(g, 1)(powers, 2.0, scale=scale), 12)
    powers.append(3)
    np.testing.assert_allclose(cotan.grad(g, 1)(powers, 2.0, scale=scale), 48)
    np.testing.assert_allclose(
        cotan.jit(cotan.vmap(lambda x: g(powers, x, scale={"by": x})))(cnp.arange(3.0)), [0, 2, 24]
    )
    with caplog.at_level(logging.WARNING, "cotan"), config.override(explain_cache_misses=True):
        g(powers, 2.0, scale=scale)
    assert "a static argument is not hashable, so that it is traced by every call" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"concrete": True}, NotImplementedError, "checkpoint of `net`: the option concrete has been removed"),
        ({"policy": "dots"}, TypeError, "checkpoint of `net`: policy must be None or a function such as"),
        (
            {"policy": policies.save_only_these_names},
            TypeError,
            "policy=save_only_these_names makes a policy .* call it",
        ),
        ({"static_argnums": 7}, ValueError, "7"),
    ],
)
def test_bad_options(options, error, match):
    with pytest.raises(error, match=match):
        cotan.checkpoint(net, **options)


def test_bad_policies():
    with pytest.raises(TypeError, match="save_only_these_names makes a policy from names, which are strings, got 3"):
        policies.save_only_these_names(3)
    with pytest.raises(TypeError, match="save_from_both_policies takes two policies, got 'a'"):
        policies.save_from_both_policies("a", policies.dots_saveable)
    with pytest.raises(ValueError, match=r"either saved or offloaded, but \['a'\] are named as both"):
        policies.save_and_offload_only_these_names(
            names_which_can_be_saved=["a"], names_which_can_be_offloaded="a", offload_src="", offload_dst=""
        )


def test_bad_arguments_of_print_saved_residuals():
    with pytest.raises(TypeError, match="print_saved_residuals of `net`: argument `w` is a str"):
        print_saved_residuals(net, "text", X)
    with pytest.raises(TypeError, match="print_saved_residuals takes a function"):
        print_saved_residuals(3)


def test_policies_may_answer_by_decisions(capsys):
    def by(answer):
        return lambda primitive, *avals, **params: answer

    kept_all = kept(capsys, cotan.checkpoint(net, policy=policies.everything_saveable), W, X)
    kept_none = kept(capsys, cotan.checkpoint(net, policy=policies.nothing_saveable), W, X)
    assert kept_all != kept_none
    assert kept(capsys, cotan.checkpoint(net, policy=by(ad_checkpoint.Saveable)), W, X) == kept_all
    assert kept(capsys, cotan.checkpoint(net, policy=by(ad_checkpoint.Recompute)), W, X) == kept_none
    offloaded = ad_checkpoint.Offloadable("device", "pinned_host")
    assert (offloaded.src, offloaded.dst) == ("device", "pinned_host")
    assert kept(capsys, cotan.checkpoint(net, policy=by(offloaded)), W, X) == kept_all
    assert repr([ad_checkpoint.Saveable, ad_checkpoint.Recompute]) == "[Saveable, Recompute]"
