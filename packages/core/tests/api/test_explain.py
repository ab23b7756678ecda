"""``cotan.explain``: the compiled program in words, host steps included."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp

X = np.ones((4, 6), np.float32)


def test_a_softmax_is_one_kernel_with_its_reductions():
    text = cotan.explain(cotan.nn.softmax)(X)
    assert "program softmax: 1 kernel;" in text
    for word in ("exp", "reduce_max", "reduce_sum", "parallel i0 < 4"):
        assert word in text


def test_what_runs_on_the_host_is_named():
    text = cotan.explain(lambda x: cnp.sort(x) + 1)(X)
    assert "1 kernel, 1 host step" in text
    assert "HOST STEP sort" in text


def test_products_are_library_calls_and_structs_are_enough():
    text = cotan.explain(cotan.jit(cnp.matmul))(X, cotan.ShapeDtypeStruct((6, 5), "float32"))
    assert "library call dot_general" in text
    assert "f32[4,5]" in text


def test_bad_arguments_are_named():
    with pytest.raises(TypeError, match="explain of `<lambda>`: argument `mode` is a str"):
        cotan.explain(lambda x, mode: x)(X, "fast")
    assert "program" in cotan.explain(lambda x, mode: x + 1, static_argnums=1)(X, "fast")
