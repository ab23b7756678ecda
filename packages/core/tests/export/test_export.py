"""Exported functions: results, derivatives, files, and what is refused."""

from __future__ import annotations

import collections
import contextlib
import enum
import os
import struct
import subprocess
import sys
from typing import NamedTuple

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import export, lax
from cotan.export import exported as files

Struct = cotan.ShapeDtypeStruct
F3 = Struct((3,), "float32")


def roundtrip(exported, vjp_order=0):
    return export.deserialize(exported.serialize(vjp_order=vjp_order))


def sine(x):
    return cnp.sin(x) * 2


@pytest.fixture
def exported():
    return export.export(cotan.jit(sine))(F3)


# ---- What it tells, and results


def test_attributes(exported):
    for e in (exported, roundtrip(exported)):
        assert e.fun_name == "sine"
        assert e.in_tree == cotan.tree.structure(((0,), {}))
        assert e.out_tree == cotan.tree.structure(0)
        assert [v.short() for v in (*e.in_avals, *e.out_avals)] == ["f32[3]", "f32[3]"]
        assert e.platforms == ("cpu",) == (export.default_export_platform(),)
        assert e.nr_devices == 1
        assert e.ordered_effects == e.unordered_effects == ()
        assert e.calling_convention_version == export.maximum_supported_calling_convention_version
        assert str(e) == "Exported(fun_name=sine, (f32[3]) -> (f32[3]), platforms=('cpu',))"
        assert str(e.jaxpr) == str(exported.jaxpr)
    assert export.minimum_supported_calling_convention_version <= export.maximum_supported_calling_convention_version


def test_results_and_transformations(exported):
    x = np.linspace(-1, 1, 3, dtype=np.float32)
    again = roundtrip(exported)
    np.testing.assert_allclose(again.call(x), 2 * np.sin(x), rtol=1e-6)
    np.testing.assert_allclose(cotan.jit(again.call)(x), 2 * np.sin(x), rtol=1e-6)
    np.testing.assert_allclose(cotan.vmap(again.call)(x[None]), 2 * np.sin(x)[None], rtol=1e-6)
    np.testing.assert_allclose(cotan.jvp(again.call, (x,), (x,))[1], 2 * np.cos(x) * x, rtol=1e-6)
    second = cotan.grad(lambda x: cnp.sum(cotan.grad(lambda x: cnp.sum(again.call(x)))(x)))(x)
    np.testing.assert_allclose(second, -2 * np.sin(x), rtol=1e-6)


def test_structures_constants_and_static_arguments():
    table = cnp.arange(6.0).reshape(2, 3)
    rows = np.array([1, 0])

    def f(n, params, *, scale):
        return collections.OrderedDict(b=params["w"] @ table[rows] * scale + n, a=[params["b"], None])

    made = export.export(cotan.jit(f, static_argnums=0))(7, {"w": Struct((4, 2), "float32"), "b": 1}, scale=2.0)
    w = np.random.default_rng(0).standard_normal((4, 2)).astype(np.float32)
    for e in (made, roundtrip(made)):
        out = e.call({"w": w, "b": 3}, scale=0.5)
        assert type(out) is collections.OrderedDict
        assert list(out) == ["b", "a"]
        assert out["a"][0] == 3
        np.testing.assert_allclose(out["b"], w @ np.asarray(table)[rows] * 0.5 + 7, rtol=1e-6)
        assert e.in_avals[1].short() == "f32[4,2]"


def test_awkward_numbers():
    def f(x):
        return [
            x + cnp.float32(np.nan),
            x * -0.0,
            x + 1e-40,
            cnp.where(x > 0, cnp.inf, -cnp.inf),
            x + (1 + 2j),
            x >= 2**30,
        ]

    made = export.export(cotan.jit(f))(F3)
    x = np.array([1, 0, -1], np.float32)
    for a, b in zip(made.call(x), roundtrip(made).call(x), strict=True):
        np.testing.assert_array_equal(np.asarray(a).view(np.uint8), np.asarray(b).view(np.uint8))
    assert np.signbit(roundtrip(made).call(x)[1]).tolist() == [True, True, False]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int4", "bfloat16", "float8_e4m3fn", "float16", "complex64"])
def test_constants_of_all_dtypes(dtype):
    table = cnp.asarray(np.arange(1200) % 2).astype(dtype)
    made = export.export(cotan.jit(lambda: (table, table[:3])))()
    for a, b in zip(made.call(), roundtrip(made).call(), strict=True):
        assert b.dtype == a.dtype
        np.testing.assert_array_equal(np.asarray(a).view(np.uint8), np.asarray(b).view(np.uint8))


def test_random_keys():
    held = cotan.random.split(cotan.random.key(5), 3)
    made = export.export(cotan.jit(lambda k: cotan.random.uniform(k, (2,)) + cotan.random.uniform(held[1])))(
        cotan.random.key(0)
    )
    key = cotan.random.key(9)
    np.testing.assert_array_equal(roundtrip(made).call(key), made.call(key))


def test_nested_programs_are_written_once():
    @cotan.jit
    def inner(x):
        for k in range(50):
            x = cnp.sin(x) + k
        return x

    def calls(n):
        def f(x):
            for _ in range(n):
                x = inner(x)
            return x

        return export.export(cotan.jit(f))(F3)

    one, many = calls(1).serialize(), calls(40).serialize()
    assert len(many) < 2 * len(one)
    again = export.deserialize(many)
    assert len({id(eqn.params["jaxpr"].jaxpr) for eqn in again.jaxpr.eqns}) == 1


def test_weak_types_and_donation_do_not_matter_to_callers():
    made = export.export(cotan.jit(lambda x: x + 1, donate_argnums=0))(1.0)
    x = cnp.asarray(2.0)
    assert roundtrip(made).call(x) == 3
    assert roundtrip(made).call(2.0).weak_type
    assert not x.is_deleted()


# ---- Another process


_LOADING = """
import sys, numpy as np, cotan
from cotan import export, lax
loaded = export.deserialize(sys.stdin.buffer.read())
x = np.arange(6, dtype=np.float32).reshape(2, 3)
out = loaded.call({"w": x}, 2)
slope = cotan.grad(lambda w: cotan.numpy.sum(loaded.call({"w": w}, 2)[0]))(x)
sys.stdout.buffer.write(np.asarray(out[0]).tobytes() + np.asarray(slope).tobytes())
"""


def test_another_process():
    scale = cnp.linspace(0, 1, 3)

    def model(params, n):
        return cotan.nn.softmax(cnp.tanh(params["w"] * scale), axis=1) ** 2, n + 1

    made = export.export(cotan.jit(model))({"w": Struct((2, 3), "float32")}, 1)
    done = subprocess.run([sys.executable, "-c", _LOADING], input=bytes(made.serialize()), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    found = np.frombuffer(done.stdout, np.float32).reshape(2, 2, 3)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    t = np.tanh(x.astype(np.float64) * np.linspace(0, 1, 3))
    p = np.exp(t) / np.exp(t).sum(1, keepdims=True)
    np.testing.assert_allclose(found[0], p**2, rtol=1e-5)
    ds = 2 * p * p - p * (2 * p * p).sum(1, keepdims=True)
    np.testing.assert_allclose(found[1], ds * (1 - t * t) * np.linspace(0, 1, 3), rtol=1e-4, atol=1e-7)


def test_a_file_of_the_first_format_is_read_for_ever():
    with open(os.path.join(os.path.dirname(__file__), "format1.bin"), "rb") as file:
        loaded = export.deserialize(file.read())
    x = np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)
    y, order = loaded.call({"w": x[:3]}, x, bias=np.float32(0.5))
    np.testing.assert_allclose(y, np.maximum(x @ x[:3] + 0.5, 0), rtol=1e-6)
    np.testing.assert_array_equal(order, np.argsort(x[:, 0]))


# ---- Derivatives


def test_vjp(exported):
    for derivative in (exported.vjp(), roundtrip(exported).vjp(), roundtrip(exported.vjp())):
        assert derivative.fun_name == "sine_vjp"
        assert [v.short() for v in derivative.in_avals] == ["f32[3]", "f32[3]"]
        x, ct = np.float32([0, 1, 2]), np.float32([1, 10, 100])
        (back,) = derivative.call(x, ct)
        np.testing.assert_allclose(back, 2 * np.cos(x) * ct, rtol=1e-6)


def test_vjp_of_integers():
    made = export.export(cotan.jit(lambda n, x: (n + 1, x * n)))(3, F3)
    zero = np.zeros((), cotan.float0)
    for derivative in (made.vjp(), roundtrip(made).vjp(), roundtrip(made.vjp())):
        dn, dx = derivative.call(4, np.ones(3, np.float32), zero, np.float32([1, 2, 3]))
        assert dn.dtype == cotan.float0
        np.testing.assert_array_equal(dx, [4, 8, 12])


@pytest.fixture
def ruled():
    """A function whose rule gives three times the derivative."""

    @cotan.custom_vjp
    def cube(x):
        return x**3

    cube.defvjp(lambda x: (cube(x), x), lambda x, ct: (9 * x**2 * ct,))
    return export.export(cotan.jit(lambda x: cube(x) + x))(F3)


def test_custom_rules_hold_in_the_process(ruled):
    x = np.float32([1, 2, 3])
    np.testing.assert_allclose(cotan.grad(lambda x: cnp.sum(ruled.call(x)))(x), 9 * x**2 + 1)
    assert ruled.has_vjp()


def test_custom_rules_are_left_out_of_files(ruled):
    x = np.float32([1, 2, 3])
    loaded = roundtrip(ruled)
    np.testing.assert_allclose(loaded.call(x), x**3 + x)
    np.testing.assert_allclose(cotan.vmap(loaded.call)(x[None])[0], x**3 + x)
    assert loaded.rules_left_out == ("custom_vjp_call",)
    assert not loaded.has_vjp()
    with pytest.raises(
        ValueError, match=r"test_export.py:\d+.*no derivative: its rules for custom_vjp_call.*vjp_order=1"
    ):
        loaded.vjp()
    with pytest.raises(ValueError, match="no derivative"):
        cotan.grad(lambda x: cnp.sum(loaded.call(x)))(x)


@pytest.mark.parametrize("again", [False, True])
def test_files_hold_derivatives_of_custom_rules(ruled, again):
    x = np.float32([1, 2, 3])
    loaded = roundtrip(ruled, vjp_order=1)
    if again:
        loaded = roundtrip(loaded, vjp_order=1)
    assert loaded.has_vjp()
    np.testing.assert_allclose(loaded.vjp().call(x, np.ones(3, np.float32))[0], 9 * x**2 + 1)
    np.testing.assert_allclose(cotan.grad(lambda x: cnp.sum(loaded.call(x)))(x), 9 * x**2 + 1)
    np.testing.assert_allclose(cotan.jit(cotan.grad(lambda x: cnp.sum(loaded.call(x))))(x), 9 * x**2 + 1)


# ---- What is refused when it is made


def test_only_jitted_functions():
    with pytest.raises(ValueError, match=r"takes a jitted function, and `sine` is none"):
        export.export(sine)
    with pytest.raises(ValueError, match="platforms must be a sequence of names, got 'cpu'"):
        export.export(cotan.jit(sine), platforms="cpu")


def test_closed_over_tracers():
    def outer(y):
        with pytest.raises(TypeError, match="closes over values that an outer function is being traced with"):
            export.export(cotan.jit(lambda x: x * y))(F3)
        return y

    cotan.jit(outer)(1.0)


def test_python_functions_are_not_written():
    made = export.export(cotan.jit(lambda x: cotan.pure_callback(lambda v: v, F3, x)))(F3)
    np.testing.assert_array_equal(made.call(np.ones(3, np.float32)), 1)
    with pytest.raises(ValueError, match=r"`pure_callback` \(test_export.py:\d+.*cannot be written into a file"):
        made.serialize()


POLICIES = {
    "none": None,
    "dots": cotan.checkpoint_policies.dots_saveable,
    "names": cotan.checkpoint_policies.save_only_these_names("a", "b"),
    "both": cotan.checkpoint_policies.save_from_both_policies(
        cotan.checkpoint_policies.nothing_saveable, cotan.checkpoint_policies.save_any_names_but_these("c")
    ),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_policies_of_checkpoint(policy):
    f = cotan.checkpoint(lambda x: cnp.sin(cnp.sin(x)), policy=POLICIES[policy])
    loaded = roundtrip(export.export(cotan.jit(f))(F3))
    assert loaded.rules_left_out == ()
    assert loaded.jaxpr.eqns[0].params["policy"] == POLICIES[policy]
    x = np.float32([0, 1, 2])
    slope = cotan.grad(lambda x: cnp.sum(loaded.call(x)))(x)
    np.testing.assert_allclose(slope, np.cos(np.sin(x)) * np.cos(x), rtol=1e-5)


def test_policies_of_the_user_are_replaced():
    """They say what is kept, not what is computed."""
    f = cotan.checkpoint(lambda x: cnp.sin(x), policy=lambda primitive, *avals, **params: True)
    loaded = roundtrip(export.export(cotan.jit(f))(F3))
    assert loaded.rules_left_out == ()
    assert loaded.jaxpr.eqns[0].params["policy"] is None
    np.testing.assert_allclose(cotan.grad(lambda x: cnp.sum(loaded.call(x)))(np.zeros(3, np.float32)), 1)


LOOPS = {
    "scan": lambda x: lax.scan(lambda c, y: (c * y, c + y), x, cnp.stack([x, x]), reverse=True),
    "while_loop": lambda x: lax.while_loop(lambda v: v.sum() < 100, lambda v: v * 2, x),
    "fori_loop": lambda x: lax.fori_loop(0, 5, lambda i, v: v + i, x),
    "cond": lambda x: lax.cond(x[0] > 0, lambda v: v * 2, lambda v: v - 1, x),
    "switch": lambda x: lax.switch(x[0].astype(int), [lambda v: v, lambda v: v - 1], x),
    "associative_scan": lambda x: lax.associative_scan(cnp.add, x),
    "custom_linear_solve": lambda x: lax.custom_linear_solve(lambda v: v * 2, x, lambda mv, b: b / 2, symmetric=True),
    "random": lambda x: cotan.random.permutation(cotan.random.key(1), x),
    "derivative": cotan.grad(lambda x: lax.scan(lambda c, y: (c * y, c), x[0], x)[0]),
}


@pytest.mark.parametrize("name", LOOPS)
def test_programs_of_all_kinds(name):
    f = LOOPS[name]
    x = np.float32([0.5, 1.5, 2])
    loaded = roundtrip(export.export(cotan.jit(f))(x))
    for a, b in zip(cotan.tree.leaves(loaded.call(x)), cotan.tree.leaves(f(x)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_negative_vjp_order(exported):
    with pytest.raises(ValueError, match="vjp_order must not be negative, got -1"):
        exported.serialize(vjp_order=-1)


# ---- What is refused when it is called


def test_other_arguments(exported):
    with pytest.raises(ValueError, match="it was called with 1 positional argument, now with 2"):
        exported.call(1.0, 2.0)
    with pytest.raises(TypeError, match="argument `x` is a str, not an array"):
        exported.call("a")
    for e in (exported, roundtrip(exported)):
        with pytest.raises(ValueError, match=r"test_export.py.*`sine` takes .*`x` is f32\[3\], got f32\[4\]"):
            e.call(np.ones(4, np.float32))


def test_other_platforms():
    made = export.export(cotan.jit(sine), platforms=("cuda", "tpu"))(F3)
    for e in (made, roundtrip(made)):
        assert e.platforms == ("cuda", "tpu")
        with pytest.raises(ValueError, match="was exported for cuda, tpu, and is called on cpu"):
            e.call(np.ones(3, np.float32))
    free = export.export(cotan.jit(sine), platforms=("cuda",), disabled_checks=[export.DisabledSafetyCheck.platform()])(
        F3
    )
    assert roundtrip(free).call(np.zeros(3, np.float32)).tolist() == [0, 0, 0]


def test_disabled_checks():
    check = export.DisabledSafetyCheck.custom_call("f")
    assert check == export.DisabledSafetyCheck.custom_call("f") != export.DisabledSafetyCheck.platform()
    assert check.is_custom_call() == "f"
    assert export.DisabledSafetyCheck.platform().is_custom_call() is None
    assert str(check) == "DisabledSafetyCheck.custom_call('f')"


# ---- Files that cannot be read


def test_not_bytes():
    with pytest.raises(TypeError, match="deserialize takes bytes, got a str"):
        export.deserialize("abc")


def test_foreign():
    for blob in (b"", b"PK\x03\x04" + bytes(100), bytes(10)):
        with pytest.raises(ValueError, match=r"test_export.py.*not a program that cotan exported"):
            export.deserialize(blob)


def test_truncated(exported):
    data = exported.serialize()
    for length in range(1, len(data)):
        with pytest.raises(ValueError, match="truncated"):
            export.deserialize(data[:length])


def test_damaged(exported):
    data = exported.serialize()
    for place in range(8, len(data)):
        broken = bytearray(data)
        broken[place] ^= 0x10
        with pytest.raises(ValueError, match=r"damaged|truncated"):
            export.deserialize(broken)
    with pytest.raises(ValueError, match="damaged"):
        export.deserialize(data + b"x")


def test_newer(exported):
    payload = files.unpack(bytes(exported.serialize()))
    head = files._HEAD.pack(files._MAGIC, 7, len(payload), files._digest(7, payload))
    with pytest.raises(ValueError, match=r"another version of cotan \(7; this one reads 1\); update"):
        export.deserialize(head + payload)


def test_strangers_bytes_never_do_more_than_raise(exported):
    """With checksums made right, so that the readers see every kind of nonsense."""
    payload = files.unpack(bytes(roundtrip(exported).serialize()))
    rng = np.random.default_rng(0)
    read = 0
    for _ in range(600):
        broken = bytearray(payload)
        for place in rng.integers(0, len(payload), rng.integers(1, 4)):
            broken[place] = rng.integers(0, 256)
        with contextlib.suppress(ValueError):
            export.deserialize(files.pack(bytes(broken)))
            read += 1
    assert read < 300


def test_unknown_primitives(exported):
    payload = files.unpack(bytes(exported.serialize()))
    with pytest.raises(ValueError, match="uses the primitive `sim`, which is not known here"):
        export.deserialize(files.pack(payload.replace(b"\x03sin", b"\x03sim")))


def test_ill_typed_programs(exported):
    payload = files.unpack(bytes(exported.serialize()))
    with pytest.raises(ValueError, match="it is no valid program"):
        export.deserialize(files.pack(payload.replace(b"\x03sin", b"\x03not")))


# ---- Structures of the user's


class Point(NamedTuple):
    x: object
    y: object


class Tagged:
    def __init__(self, value, tag):
        self.value, self.tag = value, tag


cotan.tree_util.register_pytree_node(
    Tagged, lambda t: ((t.value,), t.tag), lambda tag, children: Tagged(*children, tag)
)


@pytest.fixture
def registered(monkeypatch):
    from cotan.export import trees

    monkeypatch.setattr(trees, "_by_class", {})
    monkeypatch.setattr(trees, "_by_name", {})
    export.register_namedtuple_serialization(Point, serialized_name="test.Point")
    export.register_pytree_node_serialization(
        Tagged, serialized_name="test.Tagged", serialize_auxdata=str.encode, deserialize_auxdata=bytes.decode
    )


def swap(p):
    return Tagged(Point(p.value.y, p.value.x), p.tag + "!")


def test_registered_nodes(registered):
    loaded = roundtrip(export.export(cotan.jit(swap))(Tagged(Point(1.0, 2), "a")))
    out = loaded.call(Tagged(Point(1.0, 2), "a"))
    assert type(out) is Tagged
    assert out.tag == "a!"
    assert type(out.value) is Point
    assert tuple(out.value) == (2, 1.0)
    with pytest.raises(ValueError, match="structure of argument"):
        loaded.call(Tagged(Point(1.0, 2), "b"))


def test_unregistered_nodes():
    with pytest.raises(ValueError, match=r"hold a Point, .*register_namedtuple_serialization"):
        export.export(cotan.jit(lambda p: p.x))(Point(1.0, 2.0)).serialize()
    with pytest.raises(ValueError, match=r"hold a Tagged, .*register_pytree_node_serialization"):
        export.export(cotan.jit(lambda p: p.value))(Tagged(1.0, "")).serialize()


def test_nodes_that_are_not_registered_where_they_are_read(registered, monkeypatch):
    from cotan.export import trees

    data = export.export(cotan.jit(swap))(Tagged(Point(1.0, 2), "a")).serialize()
    monkeypatch.setattr(trees, "_by_name", {})
    with pytest.raises(ValueError, match=r"hold a 'test.Point', which is not registered here"):
        export.deserialize(data)


def test_from_children(monkeypatch):
    from cotan.export import trees

    monkeypatch.setattr(trees, "_by_class", {})
    monkeypatch.setattr(trees, "_by_name", {})
    made = []
    export.register_pytree_node_serialization(
        Tagged,
        serialized_name="t",
        serialize_auxdata=str.encode,
        deserialize_auxdata=bytes.decode,
        from_children=lambda tag, children: made.append(tag) or Tagged(*children, tag),
    )
    loaded = roundtrip(export.export(cotan.jit(lambda t: Tagged({"a": t.value}, "out")))(Tagged([1.0, None], "in")))
    assert made == ["in", "out"]
    assert loaded.call(Tagged([2.0, None], "in")).value == {"a": [2.0, None]}


def test_registering_twice(registered):
    with pytest.raises(ValueError, match=r"Point is registered already, as 'test.Point'"):
        export.register_namedtuple_serialization(Point, serialized_name="other")
    with pytest.raises(ValueError, match=r"the name 'test.Point' is taken by Point"):
        export.register_namedtuple_serialization(NamedTuple("Other", [("x", int)]), serialized_name="test.Point")
    with pytest.raises(ValueError, match="Tagged is no named tuple"):
        export.register_namedtuple_serialization(Tagged, serialized_name="x")
    with pytest.raises(ValueError, match="dict needs no registration"):
        export.register_pytree_node_serialization(
            dict, serialized_name="x", serialize_auxdata=str, deserialize_auxdata=str
        )


def test_dictionaries_of_all_kinds():
    made = export.export(cotan.jit(lambda d: d))({(1, "a"): 1.0, (2, "b"): collections.defaultdict(list, k=2.0)})
    out = roundtrip(made).call({(1, "a"): 3.0, (2, "b"): collections.defaultdict(list, k=4.0)})
    assert out == {(1, "a"): 3.0, (2, "b"): {"k": 4.0}}
    assert out[2, "b"].default_factory is list
    colour = enum.Enum("Colour", ["RED"])
    with pytest.raises(ValueError, match=r"has a key <Colour.RED: 1> of type Colour"):
        export.export(cotan.jit(lambda d: 1))({colour.RED: 1.0}).serialize()
    with pytest.raises(ValueError, match="a defaultdict makes its values by <class 'set'>"):
        export.export(cotan.jit(lambda d: 1))(collections.defaultdict(set, a=1.0)).serialize()


# ---- Names that are not there


@pytest.mark.parametrize("name", ["symbolic_shape", "symbolic_args_specs", "is_symbolic_dim", "SymbolicScope"])
def test_symbolic_shapes(name):
    with pytest.raises(AttributeError, match=f"no `{name}`: programs have fixed shapes"):
        getattr(export, name)


def test_other_names():
    with pytest.raises(AttributeError, match="has no attribute 'nonsense'"):
        export.nonsense  # noqa: B018
    assert struct.calcsize("<8sHQ16s") == files._HEAD.size
