"""What stands beside the transformations: segments, vectors of pytrees, gradient checks, meshes, traces, references."""

from __future__ import annotations

import dataclasses
import glob
import gzip
import json
import pickle
import subprocess
import sys
import typing

import numpy as np
import pytest
from user_functions import type_of

import cotan
import cotan.numpy as cnp
from cotan import flatten_util, monitoring, ops, profiler, ref, sharding, test_util
from cotan.typing import ArrayLike, DTypeLike

P = cotan.P
DATA = np.array([[1.0, 2.0], [3.0, -4.0], [5.0, 6.0], [0.5, 7.0]], np.float32)
IDS = np.array([2, 0, 2, 7])


def mesh(*names):
    return cotan.make_mesh((1,) * len(names), names)


# ---- ops


@pytest.mark.parametrize(
    ("name", "combine", "neutral"),
    [("sum", np.add, 0), ("prod", np.multiply, 1), ("max", np.maximum, -np.inf), ("min", np.minimum, np.inf)],
)
@pytest.mark.parametrize("bucket_size", [None, 3])
@pytest.mark.parametrize("ids", [IDS, np.array([2, -1, 2, -4]), np.array([-5, 3, 0, 4])])
def test_segments(name, combine, neutral, bucket_size, ids):
    function = getattr(ops, f"segment_{name}")
    expected = np.full((4, 2), neutral, np.float32)
    for row, number in zip(DATA, ids, strict=True):
        if 0 <= number < 4:
            expected[number] = combine(expected[number], row)
    call = lambda x, ids: function(x, ids, num_segments=4, bucket_size=bucket_size)  # noqa: E731
    np.testing.assert_allclose(call(DATA, ids), expected)
    np.testing.assert_allclose(cotan.jit(call)(DATA, ids), expected)
    assert function(DATA, ids).shape == (ids.max() + 1, 2)


def test_segments_of_one_row_or_a_number():
    np.testing.assert_array_equal(ops.segment_sum(2.0, IDS[:3], 3), [2, 0, 4])
    np.testing.assert_array_equal(ops.segment_max(DATA[:1], IDS[:3], 3), [[1, 2], [-np.inf] * 2, [1, 2]])


def test_segments_have_derivatives():
    slope = cotan.grad(lambda x: (ops.segment_sum(x, IDS[:3], 3) ** 2).sum())(DATA[:3, 0])
    np.testing.assert_allclose(slope, [12, 6, 12])


# ---- flatten_util


def test_ravel_pytree():
    tree = {"a": cnp.arange(4.0).reshape(2, 2), "b": (1.0, np.float32(2))}
    vector, restore = flatten_util.ravel_pytree(tree)
    np.testing.assert_array_equal(vector, [0, 1, 2, 3, 1, 2])
    back = restore(vector)
    assert cotan.tree.structure(back) == cotan.tree.structure(tree)
    cotan.tree.map(np.testing.assert_array_equal, back, tree)
    gradient = cotan.grad(lambda v: restore(v)["a"].sum() * restore(v)["b"][0])(vector)
    np.testing.assert_array_equal(gradient, [1, 1, 1, 1, 6, 0])
    assert flatten_util.ravel_pytree({})[0].shape == (0,)
    assert flatten_util.ravel_pytree({})[1](cnp.zeros(0)) == {}


def test_leaves_of_several_dtypes_keep_them():
    vector, restore = flatten_util.ravel_pytree((cnp.arange(2), cnp.ones(1)))
    assert vector.dtype == np.float32
    assert [x.dtype for x in restore(vector)] == [np.int32, np.float32]
    with pytest.raises(TypeError, match="takes a vector of dtype float32"):
        restore(cnp.arange(3))
    with pytest.raises(ValueError, match="a vector of 3 elements"):
        restore(cnp.ones(4))


@pytest.mark.parametrize(
    ("tree", "kind"),
    [
        (1.5, "~float32"),
        ((1.5, 2.0), "~float32"),
        ((1.5, np.float32(2)), "float32"),
        ((1, 2.5), "float32"),  # the 1 is converted
        ((1.5, np.float16(2)), "float32"),
        ((np.int8(1), 300), "int32"),
    ],
)
def test_vectors_hold_what_leaves_hold(tree, kind):
    vector, restore = flatten_util.ravel_pytree(tree)
    assert type_of(vector) == kind
    np.testing.assert_array_equal(vector, np.asarray(cotan.tree.leaves(tree)))
    back = cotan.tree.leaves(restore(vector))
    assert [x.dtype for x in back] == [cnp.asarray(x).dtype for x in cotan.tree.leaves(tree)]


def test_the_inverse_goes_through_jit_and_is_found_again():
    _, restore = flatten_util.ravel_pytree((1.0, 2.0))
    _, other = flatten_util.ravel_pytree((3.0, 4.0))
    traced = []

    @cotan.jit
    def use(function, v):
        traced.append(1)
        return function(v)

    use(restore, cnp.ones(2))
    use(other, cnp.ones(2))
    assert len(traced) == 1


# ---- test_util


@pytest.mark.parametrize("order", [1, 2, 3])
def test_right_derivatives_pass(order):
    test_util.check_grads(lambda x, y: {"z": cnp.sin(x["a"]) * y}, ({"a": DATA[0]}, 0.7), order)
    test_util.check_grads(lambda x, n: x * x * n, (1.5, 3), order)
    with cotan.enable_x64():
        test_util.check_grads(lambda x: cnp.exp(x) * 1j + x, (DATA[0].astype(np.complex128) / 5,), order)


@pytest.mark.parametrize("mode", ["fwd", "rev"])
def test_wrong_derivatives_do_not(mode):
    @cotan.custom_jvp
    def f(x):
        return cnp.sin(x)

    f.defjvp(lambda primals, tangents: (cnp.sin(primals[0]), 1.1 * cnp.cos(primals[0]) * tangents[0]))
    with pytest.raises(AssertionError, match="the derivative differs from differences"):
        test_util.check_grads(f, (0.3,), 1, modes=(mode,))


def test_a_wrong_second_derivative_is_found():
    @cotan.custom_jvp
    def f(x):
        return cnp.sin(x)

    f.defjvp(lambda p, t: (cnp.sin(p[0]), (cotan.lax.stop_gradient(cnp.cos(p[0]))) * t[0]))
    test_util.check_grads(f, (0.3,), 1)
    with pytest.raises(AssertionError, match="fwd of fwd;"):
        test_util.check_grads(f, (0.3,), 2, modes=("fwd",))


# ---- forward and backward


@pytest.mark.parametrize("jitted", [True, False])
def test_fwd_and_bwd(jitted):
    fwd, bwd = cotan.fwd_and_bwd(lambda x, y: (x * cnp.sin(y), x + 1), (1, 0), has_aux=True, jitted=jitted)
    out, residuals, aux = fwd(2.0, 3.0)
    np.testing.assert_allclose([out, aux], [2 * np.sin(3), 3], rtol=1e-6)
    np.testing.assert_allclose(bwd(residuals, 2.0), [4 * np.cos(3), 2 * np.sin(3)], rtol=1e-6)


def test_the_backward_pass_is_traced_once():
    traced = []

    def square(x):
        traced.append(1)
        return x**2

    fwd, bwd = cotan.fwd_and_bwd(square, 0)
    for x in (3.0, 4.0):
        _, residuals = fwd(x)
        assert float(bwd(residuals, 1.0)) == 2 * x
    assert len(traced) == 1


def test_jacobian_is_jacrev():
    assert cotan.jacobian is cotan.jacrev


# ---- arrays


def test_arrays_from_parts():
    place = cnp.ones(1).sharding
    given = []
    x = cotan.make_array_from_callback((4, 2), place, lambda index: given.append(index) or DATA[index])
    assert given == [(slice(None), slice(None))]
    np.testing.assert_array_equal(x, DATA)
    y = cotan.make_array_from_single_device_arrays((4, 2), place, [x], dtype=np.float16)
    assert y.dtype == np.float16
    z = cotan.make_array_from_process_local_data(place, DATA, (4, 2))
    np.testing.assert_array_equal(z, DATA)
    (shard,) = x.addressable_shards
    assert isinstance(shard, cotan.Shard)
    assert (shard.device, shard.replica_id, shard.index) == (x.device, 0, (slice(None),) * 2)
    assert shard.data is x.global_shards[0].data is x
    assert x.on_device_size_in_bytes() == 32


def test_live_arrays():
    before = len(cotan.live_arrays())
    x = cnp.arange(7)
    assert any(y is x for y in cotan.live_arrays("cpu"))
    x.delete()
    assert len(cotan.live_arrays()) == before


def test_known_values_are_computed_while_tracing():
    def f(x, n):
        with cotan.ensure_compile_time_eval():
            size = int(cnp.sum(cnp.arange(n)))
        return cnp.broadcast_to(x, (size,))

    assert cotan.jit(f, static_argnums=1)(1.0, 4).shape == (6,)


def _known_beside_traced(x):
    with cotan.ensure_compile_time_eval():
        known = float(cnp.sum(cnp.arange(3.0)))  # fails unless it is computed now
        inner = cotan.jit(lambda v: v * x)(2.0) + cotan.grad(lambda v: v * v * x)(1.5)
        total, _ = cotan.lax.scan(lambda c, v: (c + v * x, None), 0.0, cnp.arange(3.0))
        return known * x + inner + total


@pytest.mark.parametrize(
    "transform",
    [
        lambda f: f,
        cotan.jit,
        cotan.grad,
        cotan.vmap,
        lambda f: cotan.jit(cotan.grad(f)),
        lambda f: cotan.grad(cotan.jit(f)),
    ],
)
def test_traced_values_may_be_used_where_known_ones_are_computed(transform):
    x = cnp.ones(2) if transform is cotan.vmap else 1.0
    np.testing.assert_allclose(transform(_known_beside_traced)(x), 3 + 5 + 3.0, rtol=1e-6)


def test_what_names_a_mapped_axis_is_not_computed_before_it_is_mapped():
    def f(x):
        with cotan.ensure_compile_time_eval():
            return cotan.lax.axis_index("i") + cotan.lax.psum(2.0, "i") + x

    np.testing.assert_array_equal(cotan.vmap(f, axis_name="i")(cnp.arange(3.0)), [6.0, 8.0, 10.0])


def test_names_for_annotations():
    assert isinstance(cnp.ones(1), typing.get_args(ArrayLike)[0])
    assert np.ndarray in typing.get_args(ArrayLike)
    assert str in typing.get_args(DTypeLike)
    assert isinstance(cotan.devices()[0], cotan.Device)
    assert cotan.core.ShapedArray is type(cotan.typeof(1.0)) is cotan.core.AbstractValue


def test_programs_run_as_they_are_and_under_transforms():
    made = cotan.make_jaxpr(lambda x: (2 * x, cnp.sin(x) + DATA))(1.0)

    def run(x):
        return cotan.core.eval_jaxpr(made.jaxpr, made.consts, x)

    for f in (run, cotan.jit(run), lambda x: [y[0] for y in cotan.vmap(run)(cnp.ones(1) * x)]):
        double, shifted = f(3.0)
        assert float(double) == 6
        np.testing.assert_allclose(shifted, np.sin(3) + DATA, rtol=1e-6)
    assert float(cotan.grad(lambda x: run(x)[0])(3.0)) == 2
    assert all(isinstance(y, cotan.Array) for y in cotan.core.eval_jaxpr(made.jaxpr, made.consts, 1.0))
    with pytest.raises(TypeError, match=r"eval_jaxpr takes a jaxpr, as make_jaxpr\(f\)\(x\)\.jaxpr, got a ClosedJaxpr"):
        cotan.core.eval_jaxpr(made, [], 1.0)
    with pytest.raises(ValueError, match="the jaxpr has 1 arguments, but 2 are given"):
        cotan.core.eval_jaxpr(made.jaxpr, made.consts, 1.0, 2.0)
    with pytest.raises(ValueError, match=r"the jaxpr has \d constants, but 9 are given"):
        cotan.core.eval_jaxpr(made.jaxpr, [1.0] * 9, 1.0)


def test_core_names_evaluation_at_compile_time_too():
    def f(x):
        with cotan.core.ensure_compile_time_eval():
            return 2 * x if cnp.ones(()) > 0 else x

    assert float(cotan.jit(f)(3.0)) == 6


def test_types_tell_that_arrays_are_undivided():
    seen = []
    cotan.jit(lambda x: seen.append(cotan.typeof(x)))(DATA)
    for aval in (*seen, cotan.typeof(DATA), cotan.typeof(cnp.asarray(DATA)), cotan.core.ShapedArray((4, 2), np.int32)):
        assert aval.sharding == cotan.NamedSharding(cotan.sharding.AbstractMesh((), ()), P(None, None))
        assert (aval.sharding.is_fully_replicated, aval.sharding.mesh.empty) == (True, True)
    given = cotan.NamedSharding(mesh("x"), P("x"))
    assert cotan.core.ShapedArray((4,), np.float32, sharding=given).sharding == given
    assert cotan.core.ShapedArray((4,), np.float32, sharding=given) != cotan.core.ShapedArray((4,), np.float32)
    plain = cotan.core.ShapedArray((4, 2), np.dtype(np.float32))
    told = cotan.core.ShapedArray((4, 2), np.dtype(np.float32), sharding=plain.sharding)
    assert (told, hash(told)) == (plain, hash(plain))
    described = cotan.ShapeDtypeStruct((4, 2), np.float32, sharding=cotan.typeof(DATA).sharding)
    assert described.sharding is None
    assert cotan.jit(cnp.sin).lower(described).out_info.shape == (4, 2)


def test_static_fields():
    @cotan.tree_util.register_dataclass
    @dataclasses.dataclass
    class Layer:
        w: object
        name: str = cotan.tree.static(default="dense", metadata={"note": 1})

    assert cotan.tree.leaves(Layer(1.0)) == [1.0]
    assert dataclasses.fields(Layer)[1].metadata == {"static": True, "note": 1}


def test_dlpack():
    np.testing.assert_array_equal(cotan.dlpack.from_dlpack(DATA), DATA)
    assert cotan.dlpack.is_supported_dtype(np.int8)
    assert not cotan.dlpack.is_supported_dtype(cnp.float8_e5m2)


def test_names_of_dtypes():
    assert cotan.dtypes.TypePromotionError is cotan.errors.TypePromotionError
    assert cnp.ones(1, np.int8).__numpy_dtype__ == np.int8


def test_processes():
    assert (cotan.process_indices(), cotan.host_id(), cotan.host_count(), cotan.host_ids()) == ([0], 0, 1, [0])
    assert cotan.print_environment_info(return_string=True).startswith("cotan ")
    assert cotan.version.__version_info__ == cotan.__version_info__
    assert ".".join(map(str, cotan.__version_info__)) == cotan.__version__
    with cotan.enable_checks(False), cotan.check_tracer_leaks(True):
        assert not cotan.config.check_jaxprs
        assert cotan.config.check_tracer_leaks


def test_printing_the_environment(capsys):
    assert cotan.print_environment_info() is None
    assert capsys.readouterr().out.startswith("cotan ")


# ---- sharding


def test_partition_specs():
    spec = P("x", ["y", "z"], None, ("w",))
    assert repr(spec) == "P('x', ('y', 'z'), None, 'w')"
    assert spec == P("x", ("y", "z"), None, "w")
    assert hash(spec) == hash(P("x", ("y", "z"), None, "w"))
    assert (len(spec), spec[1], spec.index("w"), spec.count(None)) == (4, ("y", "z"), 3, 1)
    assert P("x") + P("y") == P("x", "y")
    assert P("x").update(partitions=("y",)) == P("y")
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert P("x") != P("x", unreduced={"y"})


def test_meshes():
    m = mesh("x", "y")
    assert m == sharding.Mesh(np.array([[cotan.devices()[0]]]), ("x", "y"), (sharding.AxisType.Explicit,) * 2)
    assert (dict(m.shape), m.size, m.empty, m.device_ids.tolist()) == ({"x": 1, "y": 1}, 1, False, [[0]])
    assert (m.explicit_axes, m.auto_axes, m.manual_axes) == (("x", "y"), (), ())
    assert m.local_mesh is m
    assert m.local_devices == cotan.devices()[:1]
    assert not m.is_multi_process
    assert m.update(axis_names=("a", "b")).axis_names == ("a", "b")
    abstract = sharding.AbstractMesh((1, 1), ("x", "y"), sharding.AxisType.Explicit)
    assert m.abstract_mesh == abstract == abstract.abstract_mesh
    assert repr(abstract) == "AbstractMesh('x': 1, 'y': 1, axis_types=(Explicit, Explicit))"
    assert abstract.update(axis_sizes=(2, 3)).shape_tuple == (("x", 2), ("y", 3))
    assert hash(m) == hash(mesh("x", "y"))


def test_the_current_mesh():
    m, other = mesh("x"), mesh("y")
    assert sharding.get_mesh().empty
    with m:
        assert sharding.get_mesh() is m
        with cotan.set_mesh(other) as entered:
            assert entered is sharding.get_mesh() is other
            with m:
                assert sharding.get_abstract_mesh() == m.abstract_mesh
            assert sharding.get_mesh() is other
        assert sharding.get_mesh() is m
    with sharding.use_abstract_mesh(sharding.AbstractMesh((8,), ("z",))):
        assert sharding.get_abstract_mesh().size == 8
        assert sharding.get_mesh().empty
    cotan.set_mesh(m)
    assert sharding.get_mesh() is m
    cotan.set_mesh(None)
    assert sharding.get_abstract_mesh() == sharding.AbstractMesh((), ())


def test_named_shardings():
    s = sharding.NamedSharding(mesh("x", "y"), P("x", None))
    x = cotan.device_put(DATA, s)
    assert x.committed
    assert x.sharding.is_equivalent_to(s, 2)
    assert s.is_equivalent_to(x.sharding, 2)
    assert (s.num_devices, s.is_fully_replicated, s.is_fully_addressable, s.shard_shape((4, 2))) == (
        1,
        True,
        True,
        (4, 2),
    )
    assert s.devices_indices_map((4, 2)) == {cotan.devices()[0]: (slice(None), slice(None))}
    assert s == sharding.NamedSharding(mesh("x", "y"), P("x", None))
    assert hash(s) == hash(sharding.NamedSharding(mesh("x", "y"), P("x", None)))
    assert s.update(spec=P(None, "y")) == sharding.NamedSharding(mesh("x", "y"), P(None, "y"))
    assert s.update(spec=["y"], memory_kind="device").spec == P("y")
    assert s.update(mesh=mesh("x")) == sharding.NamedSharding(mesh("x"), P("x", None))
    assert s.update() == s
    with pytest.raises(ValueError, match="names the axis 'y'"):
        s.update(spec=P("y"), mesh=mesh("x"))
    assert s.with_memory_kind("device") is s
    assert sharding.make_single_device_sharding(cotan.devices()[0]) == x.sharding
    y = cotan.jit(lambda v: cotan.lax.with_sharding_constraint(2 * v, s))(DATA)
    np.testing.assert_array_equal(y, 2 * DATA)


def test_bringing_arrays_to_places():
    with cotan.set_mesh(mesh("x")):
        np.testing.assert_array_equal(cotan.reshard(DATA, P("x")), DATA)
        np.testing.assert_array_equal(cotan.jit(lambda v: cotan.reshard(v, P(None, "x")) + 1)(DATA), DATA + 1)
        double = sharding.auto_axes(lambda v: 2 * v, axes="x", out_sharding=P("x"))
        np.testing.assert_array_equal(double(DATA), 2 * DATA)
        same = sharding.explicit_axes(axes=("x",), in_sharding=P("x"))(lambda v: v)
        np.testing.assert_array_equal(same(DATA), DATA)
        with pytest.raises(ValueError, match="the current mesh has no axis 'q'"):
            sharding.auto_axes(lambda v: v, axes="q")(DATA)


WIDE = sharding.AbstractMesh((2, 4), ("x", "y"))


def test_parts_of_arrays_on_wide_meshes():
    s = sharding.NamedSharding(WIDE, P("x", ("y",)))
    assert s.shard_shape((8, 4)) == (4, 1)
    assert not s.is_fully_replicated


# ---- profiler and monitoring


def events(directory):
    (path,) = glob.glob(f"{directory}/plugins/profile/*/*.trace.json.gz")
    with gzip.open(path) as file:
        return [event for event in json.load(file)["traceEvents"] if event["ph"] == "X"]


def test_traces(tmp_path):
    @cotan.jit
    def step(x):
        return cnp.sin(x) + 1

    @profiler.annotate_function
    def load(n):
        return cnp.ones(n)

    with profiler.trace(tmp_path, create_perfetto_trace=True):
        x = load(3)
        for k in range(3):
            with profiler.StepTraceAnnotation("train", step_num=k):
                x = step(x)
    found = events(tmp_path)
    assert sum(e["name"] == "step" and e["cat"] == "program" for e in found) == 3
    steps = [e for e in found if e["name"] == "train"]
    assert [e["args"]["step_num"] for e in steps] == [0, 1, 2]
    assert any(e["name"].endswith("load") and e["cat"] == "annotation" for e in found)
    runs = [e for e in found if e["name"] == "step" and e["cat"] == "program"]
    for run, around in zip(runs, steps, strict=True):
        assert around["ts"] <= run["ts"]
        assert run["ts"] + run["dur"] <= around["ts"] + around["dur"]
    assert glob.glob(f"{tmp_path}/plugins/profile/*/perfetto_trace.json.gz")
    assert not cotan.config.record_runs


def test_nothing_is_recorded_outside_of_traces(tmp_path):
    cotan.jit(lambda x: x - 5)(cnp.ones(2))
    with profiler.TraceAnnotation("before"):
        pass
    profiler.start_trace(tmp_path)
    profiler.stop_trace()
    assert events(tmp_path) == []
    assert profiler.ProfileOptions().host_tracer_level == 2


def test_listeners():
    seen = []
    listeners = {
        "event": lambda event, **kw: seen.append((event, kw)),
        "duration": lambda event, seconds, **kw: seen.append((event, seconds)),
        "span": lambda event, start, end, **kw: seen.append((event, start, end)),
        "scalar": lambda event, value, **kw: seen.append((event, value)),
    }
    monitoring.register_event_listener(listeners["event"])
    monitoring.register_event_duration_secs_listener(listeners["duration"])
    monitoring.register_event_time_span_listener(listeners["span"])
    monitoring.register_scalar_listener(listeners["scalar"])
    monitoring.record_event("/a", n=1)
    monitoring.record_event_duration_secs("/b", 2.0)
    monitoring.record_event_time_span("/c", 1.0, 2.0)
    monitoring.record_scalar("/d", 3)
    assert seen == [("/a", {"n": 1}), ("/b", 2.0), ("/c", 1.0, 2.0), ("/d", 3)]
    cotan.jit(lambda x: x * 1.2345 + len(seen))(cnp.ones(3))
    assert seen[-1][0] == "/cotan/compile"
    monitoring.unregister_event_listener(listeners["event"])
    monitoring.unregister_event_duration_listener(listeners["duration"])
    monitoring.unregister_event_time_span_listener(listeners["span"])
    monitoring.unregister_scalar_listener(listeners["scalar"])
    count = len(seen)
    monitoring.record_event("/e")
    monitoring.register_event_listener(listeners["event"])
    monitoring.clear_event_listeners()
    monitoring.record_event("/f")
    assert len(seen) == count


# ---- references


def program(x):
    total, seen = cotan.new_ref(cnp.zeros(3)), cotan.new_ref(0)
    for k in range(3):
        ref.addupdate(total, k, x * k)
        seen[...] += 1
    before = ref.swap(total, 0, x)
    ref.set(total, slice(1, 2), 5.0 * x)
    return ref.freeze(total).sum() + before + ref.get(seen, ...) * x


@pytest.mark.parametrize("transform", [lambda f: f, cotan.jit, cotan.checkpoint])
def test_references_inside_of_one_call(transform):
    f = transform(program)
    np.testing.assert_allclose(f(2.0), 2 + 10 + 4 + 0 + 6)
    np.testing.assert_allclose(cotan.grad(f)(2.0), 11)
    np.testing.assert_allclose(cotan.vmap(f)(cnp.arange(3.0)), [0, 11, 22])


def test_what_references_say_of_themselves():
    r = cotan.new_ref(DATA)
    assert (r.shape, r.dtype, r.ndim, r.size, len(r)) == ((4, 2), np.float32, 2, 8, 4)
    assert (r.aval.shape, r.aval.dtype, r.aval.ndim) == ((4, 2), np.float32, 2)
    assert isinstance(r.aval, ref.AbstractRef)
    assert repr(cotan.new_ref(cnp.arange(2))) == "Ref(Array([0, 1], dtype=int32))"
    np.testing.assert_array_equal(r[1:, 0], DATA[1:, 0])
    r.set(1.0)
    np.testing.assert_array_equal(r[...], np.ones((4, 2)))
    cotan.free_ref(r)
    assert repr(r) == "Ref(<freed>)"
    np.testing.assert_array_equal(cotan.empty_ref(cotan.typeof(DATA))[...], np.zeros((4, 2)))


OUTSIDE = "can be used only by the call that made it"


def writes_in_a_loop(r):
    def body(k, _):
        r[...] += 1
        return 0

    return cotan.lax.fori_loop(0, 3, body, 0)


def frozen():
    r = cotan.new_ref(1.0)
    cotan.freeze(r)
    return r


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: cotan.jit(lambda x: cotan_ref[...] + x)(1.0), ValueError, OUTSIDE),
        (lambda: cotan.grad(lambda x: cotan_ref.set(x) or x)(1.0), ValueError, OUTSIDE),
        (lambda: writes_in_a_loop(cotan_ref), ValueError, OUTSIDE),
        (lambda: cotan.jit(lambda r: 1.0)(cotan_ref), TypeError, "is a Ref, not an array"),
        (lambda: hash(cotan_ref), TypeError, "unhashable"),
        (lambda: frozen()[...], ValueError, "read after it was frozen or freed"),
        (lambda: cotan.free_ref(frozen()), ValueError, "freed after it was frozen"),
        (lambda: cotan.freeze(1.0), TypeError, "freeze takes a reference"),
        (lambda: cotan.new_ref(cotan_ref), TypeError, "got a reference"),
        (lambda: ops.segment_sum(DATA, IDS.astype(np.float32)), TypeError, "segment_ids must be integers"),
        (lambda: ops.segment_sum(DATA, IDS[:2]), ValueError, "one number for each"),
        (lambda: ops.segment_sum(DATA, IDS, -1), ValueError, "num_segments must not be negative"),
        (lambda: ops.segment_sum(DATA, IDS, bucket_size=0), ValueError, "bucket_size must be positive"),
        (lambda: cotan.jit(ops.segment_sum)(DATA, IDS), TypeError, "pass num_segments"),
        (lambda: test_util.check_grads(cnp.sin, (1.0,), 1, modes=("up",)), ValueError, "unknown mode 'up'"),
        (lambda: cotan.fwd_and_bwd(lambda x: x, 3)(1.0), TypeError, "not callable"),
        (lambda: cotan.fwd_and_bwd(lambda x: x, 3)[0](1.0), ValueError, "argnums names argument 3"),
        (
            lambda: cotan.make_array_from_callback((3,), cnp.ones(1).sharding, lambda i: DATA),
            ValueError,
            "the part has shape",
        ),
        (
            lambda: cotan.make_array_from_single_device_arrays((3,), cnp.ones(1).sharding, []),
            ValueError,
            "0 parts for one device",
        ),
        (lambda: P("x", "x"), ValueError, "named twice"),
        (lambda: sharding.AbstractMesh((2,), ("x", "y")), ValueError, "give one name for each"),
        (lambda: sharding.AbstractMesh((2, 2), ("x", "x")), ValueError, "names of axes must differ"),
        (lambda: sharding.AbstractMesh((2,), ("x",), (1,)), ValueError, "one AxisType for each"),
        (lambda: WIDE.devices, ValueError, "has no devices"),
        (lambda: sharding.Mesh([1], ("x",)), TypeError, "takes an array of devices"),
        (lambda: cotan.make_mesh((64,), ("x",)), ValueError, "needs 64 devices"),
        (lambda: sharding.NamedSharding(1, P()), TypeError, "takes a Mesh"),
        (lambda: sharding.NamedSharding(WIDE, ("x",)), TypeError, "takes a PartitionSpec"),
        (lambda: sharding.NamedSharding(WIDE, P("z")), ValueError, "names the axis 'z'"),
        (lambda: sharding.NamedSharding(WIDE, P("x")).shard_shape(()), ValueError, "more entries than"),
        (lambda: sharding.NamedSharding(WIDE, P("x")).shard_shape((3,)), ValueError, "divided evenly"),
        (lambda: cnp.ones(1).sharding.with_memory_kind("pinned_host"), ValueError, "have one memory"),
        (lambda: cotan.device_put(1.0, two_devices()), ValueError, "divides arrays over 2 devices"),
        (lambda: sharding.Sharding().device_set, NotImplementedError, "does not say which devices"),
        (lambda: cotan.reshard(1.0, P()), ValueError, "none is current"),
        (lambda: cotan.set_mesh(3), TypeError, "takes a Mesh or None"),
        (lambda: sharding.use_abstract_mesh(3), TypeError, "takes an AbstractMesh"),
        (lambda: profiler.stop_trace(), RuntimeError, "no trace is being recorded"),
        (lambda: profiler.start_trace("/tmp", create_perfetto_link=True), ValueError, "nothing is served"),
        (lambda: profiler.stop_server(), RuntimeError, "no profiling server is running"),
        (lambda: monitoring.register_event_listener(3), TypeError, "a listener is a function"),
        (lambda: monitoring.unregister_event_listener(print), ValueError, "is not registered"),
        (lambda: cotan.pmap, AttributeError, "programs run on one device here"),
        (lambda: cotan.shard_map, AttributeError, "programs run on one device here"),
        (lambda: cotan.distributed.initialize("nowhere", 2, 0), ValueError, "is host:port"),
        (lambda: cotan.lib, AttributeError, "no foreign compiler underneath"),
        (lambda: cotan.extend, AttributeError, "not public"),
        (lambda: cotan.no_such_name, AttributeError, "has no attribute 'no_such_name'$"),
        (lambda: profiler.register_subprocess, AttributeError, "in one process here"),
    ],
)
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


cotan_ref = cotan.new_ref(1.0)


def two_devices():
    class Two(sharding.Sharding):
        device_set = frozenset({cotan.devices()[0], "another"})

    return Two()


def test_a_second_recording_is_refused(tmp_path):
    with profiler.trace(tmp_path), pytest.raises(RuntimeError, match="recorded already"):
        profiler.start_trace(tmp_path)


def test_rooms_are_imported_when_they_are_asked_for():
    code = "import cotan, sys; assert 'cotan.profiler' not in sys.modules; cotan.profiler.trace; cotan.ops.segment_sum"
    subprocess.run([sys.executable, "-c", code], check=True)
