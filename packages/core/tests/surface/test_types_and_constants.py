"""Names that are no functions: element types, their kinds, constants, and what annotations are written with."""

from __future__ import annotations

import logging
import pickle
import typing

import ml_dtypes
import numpy as np
import pytest

import cotan
import cotan.lax as lax
import cotan.numpy as cnp
from cotan import custom_batching, custom_derivatives, debug, dtypes, nn, random, sharding, stages, test_util, tree_util
from cotan.ad_checkpoint import checkpoint_name
from cotan.example_libraries import optimizers, stax
from cotan.experimental import ode
from cotan.flatten_util import ravel_pytree
from cotan.typing import ArrayLike, DTypeLike

# ---- Element types

TYPES = [
    (cnp.bool_, np.bool_),
    (cnp.bool, np.bool_),
    (cnp.int8, np.int8),
    (cnp.int16, np.int16),
    (cnp.int32, np.int32),
    (cnp.int64, np.int64),
    (cnp.uint8, np.uint8),
    (cnp.uint16, np.uint16),
    (cnp.uint32, np.uint32),
    (cnp.uint64, np.uint64),
    (cnp.float16, np.float16),
    (cnp.float32, np.float32),
    (cnp.float64, np.float64),
    (cnp.complex64, np.complex64),
    (cnp.complex128, np.complex128),
    (cnp.int_, np.int64),
    (cnp.uint, np.uint64),
    (cnp.float_, np.float64),
    (cnp.complex_, np.complex128),
    (cnp.bfloat16, ml_dtypes.bfloat16),
    (cnp.int4, ml_dtypes.int4),
    (cnp.uint4, ml_dtypes.uint4),
    (cnp.float8_e4m3fn, ml_dtypes.float8_e4m3fn),
    (cnp.float8_e5m2, ml_dtypes.float8_e5m2),
]


@pytest.mark.parametrize(("ours", "theirs"), TYPES, ids=lambda x: getattr(x, "__name__", ""))
def test_element_types(ours, theirs):
    with cotan.enable_x64(True):
        made = ours(1)
        assert isinstance(made, cotan.Array)
        assert made.dtype == theirs == ours
        assert float(np.asarray(made).astype(np.complex128).real) == 1
        assert cnp.zeros(2, ours).dtype == np.dtype(theirs) == cnp.dtype(ours)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(cnp.float6_e2m3fn, ml_dtypes.float6_e2m3fn), (cnp.float6_e3m2fn, ml_dtypes.float6_e3m2fn)],
)
def test_element_types_of_six_bits(ours, theirs):
    assert cnp.dtype(ours) == np.dtype(theirs)
    assert cnp.finfo(ours).bits == 6


KINDS = {
    cnp.signedinteger: "i",
    cnp.unsignedinteger: "u",
    cnp.integer: "iu",
    cnp.floating: "f",
    cnp.complexfloating: "c",
    cnp.inexact: "fc",
    cnp.number: "iufc",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_kinds_of_types(kind):
    for dtype in (np.bool_, np.int8, np.uint16, np.float32, np.complex64):
        assert cnp.issubdtype(dtype, kind) == (np.dtype(dtype).kind in KINDS[kind])
        assert cnp.issubdtype(dtype, kind) == bool(np.issubdtype(dtype, getattr(np, kind.__name__)))


def test_scalar_types_of_python():
    for value, kind in [(np.bool_(1), bool), (np.int8(1), int), (cnp.ones(2), float), (1j, complex)]:
        assert dtypes.scalar_type_of(value) is kind


@pytest.mark.parametrize("source", [np.int8, np.float32, np.complex64])
@pytest.mark.parametrize("target", [np.uint8, np.float64, np.int64])
@pytest.mark.parametrize("casting", ["safe", "same_kind", "unsafe", "no"])
def test_casts_that_are_allowed(source, target, casting):
    assert cnp.can_cast(source, target, casting) == np.can_cast(source, target, casting)


# ---- Constants and indices


def test_constants():
    assert (cnp.pi, cnp.e, cnp.euler_gamma, cnp.inf) == (np.pi, np.e, np.euler_gamma, np.inf)
    assert np.isnan(cnp.nan)
    assert cnp.newaxis is None


def test_index_expressions():
    assert cnp.index_exp[1:2, ..., None] == np.index_exp[1:2, ..., None]
    assert cnp.index_exp[3] == (3,)
    assert cnp.s_[1:5:2] == slice(1, 5, 2)
    np.testing.assert_array_equal(cnp.arange(6)[cnp.s_[1:5:2]], [1, 3])
    assert cnp.arange(3)[:, cnp.newaxis].shape == (3, 1)


def test_memory_is_shared_with_numpy():
    x = cnp.arange(4.0)
    np.testing.assert_array_equal(cnp.from_dlpack(np.arange(3, dtype=np.float32)), [0, 1, 2])
    np.testing.assert_array_equal(np.from_dlpack(x), [0, 1, 2, 3])


# ---- What annotations are written with


def test_annotations_name_what_is_accepted():
    for value in (1, 2.5, 1j, True, np.float32(1), np.ones(2), cnp.ones(2)):
        assert isinstance(value, typing.get_args(ArrayLike))
    assert not isinstance("text", typing.get_args(ArrayLike))
    assert isinstance("float32", str)
    assert str in typing.get_args(DTypeLike)
    assert lax.Precision in typing.get_args(lax.PrecisionLike)
    assert typing.get_origin(lax.DotDimensionNumbers) is tuple
    assert lax.ConvDimensionNumbers in typing.get_args(lax.ConvGeneralDilatedDimensionNumbers)
    assert typing.get_origin(stages.CompilerOptions) is dict
    assert callable(nn.initializers.Initializer)
    assert nn.initializers.zeros(random.key(0), (2,)).tolist() == [0, 0]


def test_precisions_and_modes():
    assert lax.Precision("highest") is lax.Precision("float32") is lax.Precision.HIGHEST
    assert lax.Precision(None) is lax.Precision.DEFAULT
    with pytest.raises(ValueError, match="is not a valid Precision"):
        lax.Precision("exact")
    assert lax.GatherScatterMode.from_any("clip") is lax.GatherScatterMode.CLIP
    assert lax.GatherScatterMode.from_any(None) is lax.GatherScatterMode.FILL_OR_DROP
    found = lax.dot(cnp.full((2, 2), 3.0), cnp.eye(2), precision=lax.Precision.HIGHEST)
    np.testing.assert_array_equal(found, np.full((2, 2), 3))


# ---- Small functions


def test_keys():
    key = random.key(3)
    assert random.key_impl(key) == "threefry2x32"
    np.testing.assert_array_equal(random.key_data(random.clone(key)), random.key_data(key))
    np.testing.assert_array_equal(random.bits(random.clone(key), (4,)), random.bits(key, (4,)))


def test_derivative_checks_of_given_rules():
    def cube(x):
        return x**3

    test_util.check_jvp(cube, lambda p, t: (p[0] ** 3, 3 * p[0] ** 2 * t[0]), (1.5,))
    test_util.check_vjp(cube, lambda x: (x**3, lambda ct: (3 * x**2 * ct,)), (1.5,))
    with pytest.raises(AssertionError):
        test_util.check_jvp(cube, lambda p, t: (p[0] ** 3, 2 * p[0] ** 2 * t[0]), (1.5,))
    with pytest.raises(AssertionError):
        test_util.check_vjp(cube, lambda x: (x**3, lambda ct: (2 * x**2 * ct,)), (1.5,))


def test_zero_tangents():
    zero = custom_derivatives.zero_from_primal(np.float32([1, 2]))
    assert (zero.shape, zero.dtype, zero.tolist()) == ((2,), np.float32, [0, 0])
    assert custom_derivatives.zero_from_primal(3).dtype == cotan.float0
    assert custom_derivatives.zero_from_primal(1.5, symbolic_zeros=True).shape == ()


def test_what_a_function_closes_over_becomes_arguments():
    def solve(y):
        function, extra = custom_derivatives.closure_convert(lambda x: x * y, 1.0)
        return function(2.0, *extra)

    assert cotan.grad(solve)(3.0) == 2.0


def test_a_loop_for_vmap():
    seen = []

    @custom_batching.sequential_vmap
    def f(x):
        seen.append(cnp.shape(x))
        return cnp.sin(x)

    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    np.testing.assert_allclose(cotan.vmap(f)(x), np.sin(x), rtol=1e-6)
    assert set(seen) == {(2,)}


def test_named_values_are_kept():
    policy = cotan.checkpoint_policies.save_only_these_names("bent")
    f = cotan.checkpoint(lambda x: cnp.cos(checkpoint_name(cnp.sin(x), "bent")), policy=policy)
    np.testing.assert_allclose(f(0.5), np.cos(np.sin(0.5)), rtol=1e-6)
    np.testing.assert_allclose(cotan.grad(f)(0.5), -np.sin(np.sin(0.5)) * np.cos(0.5), rtol=1e-6)


def test_functions_of_vectors():
    tree = {"a": np.float32([1, 2]), "b": np.float32(3)}
    vector, restore = ravel_pytree(tree)
    scale = ode.ravel_first_arg(lambda t, s: cotan.tree.map(lambda x: s * x, t), restore)
    np.testing.assert_array_equal(scale(vector, 2.0), [2, 4, 6])


def test_where_arrays_lie(capsys, caplog):
    found = []
    debug.inspect_array_sharding(cnp.ones(2), callback=found.append)
    assert found == [cnp.ones(2).sharding]
    debug.visualize_array_sharding(cnp.ones(4))
    assert "CPU 0" in capsys.readouterr().out
    debug.visualize_sharding((2, 3), cnp.ones((2, 3)).sharding)
    assert "CPU 0" in capsys.readouterr().out
    with caplog.at_level(logging.INFO, "cotan.debug"):
        debug.log("two is {}", 2)
        cotan.effects_barrier()
    assert "two is 2" in caplog.text
    kind = sharding.AbstractDevice("cpu", 1)
    assert kind == sharding.AbstractDevice("cpu", 1) != sharding.AbstractDevice("gpu", 1)
    assert pickle.loads(pickle.dumps(kind)) == kind


def test_nodes_of_pytrees():
    class Pair:
        def __init__(self, left, right):
            self.left, self.right = left, right

    tree_util.register_pytree_node(Pair, lambda p: ((p.left, p.right), "aux"), lambda aux, parts: Pair(*parts))

    @tree_util.register_pytree_node_class
    class Scaled(Pair):
        def tree_flatten(self):
            return (self.left,), self.right

        @classmethod
        def tree_unflatten(cls, right, parts):
            return cls(*parts, right)

    @tree_util.register_static
    class Still:
        pass

    leaves, structure = tree_util.tree_flatten((Pair(1, 2), Scaled(3, "kept"), Still()))
    assert leaves == [1, 2, 3]
    assert isinstance(structure, tree_util.PyTreeDef)
    pair, scaled, _ = structure.unflatten([4, 5, 6])
    assert (pair.left, pair.right, scaled.left, scaled.right) == (4, 5, 6, "kept")
    assert structure.num_leaves == 3


def test_types_convert_traced_values():
    np.testing.assert_array_equal(cotan.jit(lambda x: cnp.int8(x) + cnp.int8(1))(np.float32([3.7, -2.5])), [4, -1])
    assert cotan.grad(lambda x: cnp.float32(x) * 2)(1.0) == 2.0
    assert not cnp.float32(1).weak_type
    assert isinstance(np.float32(1), cnp.float32)
    assert not isinstance(np.float64(1), cnp.float32)
    assert {np.float32: "a"}[cnp.float32] == "a"
    assert pickle.loads(pickle.dumps(cnp.bfloat16)) is cnp.bfloat16
    assert repr(cnp.int4) == "<class 'cotan.numpy.int4'>"
    with pytest.raises(ValueError, match="could not convert string to float"):
        cnp.float32("1.5x")


# ---- What arrays say of themselves


def test_arrays_are_whole_and_at_hand():
    x = cnp.asarray([[1.0, 5.0], [2.0, 3.0]])
    assert x.is_fully_addressable is True
    assert x.is_fully_replicated is True
    assert x.copy_to_host_async() is None
    assert x.to_device(x.device).tolist() == [[1, 5], [2, 3]]
    assert x.ptp(axis=1).tolist() == [4, 1]
    assert (np.ones((2, 2)) + x).tolist() == [[2, 6], [3, 4]]
    assert x.__array_priority__ > np.ones(1).__array_priority__
    assert ".at[" in refusal(lambda: x.__setitem__(0, 1))
    assert "not hashable" in refusal(lambda: x.__hash__())


def refusal(call):
    """What a call is refused with."""
    try:
        call()
    except TypeError as error:
        return str(error)
    return ""


def test_axes_over_which_values_vary():
    kind = sharding.ManualAxisType(varying=frozenset({"i"}))
    assert (kind.varying, kind.reduced, kind.unreduced) == (frozenset({"i"}), frozenset(), frozenset())
    assert kind == sharding.ManualAxisType(varying=frozenset({"i"})) != sharding.ManualAxisType()


def test_layers_that_grow():
    layer = stax.GeneralConvTranspose(("NHWC", "HWIO", "NHWC"), 1, (2, 2), (2, 2))
    shape, (w, b) = layer[0](random.key(0), (1, 2, 2, 1))
    image = np.float32([[[[1], [2]], [[3], [4]]]])
    assert shape == (1, 4, 4, 1)
    # Strides as wide as windows: every pixel becomes a block, the kernel turned.
    expected = np.kron(image[0, :, :, 0], np.asarray(w)[::-1, ::-1, 0, 0]) + np.asarray(b).ravel()
    np.testing.assert_allclose(np.asarray(layer[1]((w, b), image))[0, :, :, 0], expected, rtol=1e-4, atol=1e-5)


def test_optimisers_of_single_arrays_become_those_of_trees():
    @optimizers.optimizer
    def descent(rate):
        return lambda x: x, lambda i, g, x: x - rate * g, lambda x: x

    init, update, get = found = descent(0.5)
    assert isinstance(found, optimizers.Optimizer)
    state = init({"w": 3.0, "b": (1.0,)})
    assert isinstance(state, optimizers.OptimizerState)
    assert get(update(0, {"w": 1.0, "b": (2.0,)}, state)) == {"w": 2.5, "b": (0.0,)}


def test_paths_of_registered_nodes():
    @tree_util.register_pytree_with_keys_class
    class Box:
        def __init__(self, value):
            self.value = value

        def tree_flatten_with_keys(self):
            return ((tree_util.GetAttrKey("value"), self.value),), None

        @classmethod
        def tree_unflatten(cls, aux, parts):
            return cls(*parts)

    ((path, leaf),), _ = tree_util.tree_flatten_with_path(Box(7))
    assert (tree_util.keystr(path), leaf) == (".value", 7)
    assert typing.get_origin(tree_util.KeyPath) is tuple
    assert tree_util.KeyEntry is typing.get_args(tree_util.KeyPath)[0]
