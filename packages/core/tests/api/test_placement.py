"""What jit is told about places, and its other options that JAX has."""

from __future__ import annotations

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.backend import registry
from cotan.config import config
from cotan.runtime.devices import SingleDeviceSharding
from cotan.sharding import Mesh, NamedSharding, PartitionSpec

P = PartitionSpec


@pytest.fixture
def two():
    """Two CPU devices, for the time of one test."""
    with registry.aside():
        with config.override(num_cpu_devices=2):
            found = cotan.devices("cpu")
        yield found


def double(x, n=2):
    return {"twice": x * n, "kind": cnp.ones(2)}


@pytest.mark.parametrize("value", [1.5, np.ones(2), cnp.ones(2)])
def test_a_device_for_everything(two, value):
    f = cotan.jit(double, device=two[1])
    for _ in range(3):
        out = f(value)
        assert {x.device for x in out.values()} == {two[1]}
        assert all(x.committed for x in out.values())
    assert out["twice"].weak_type == isinstance(value, float)
    assert cotan.jit(lambda: cnp.ones(2), device=two[1])().device is two[1]
    assert f.lower(value).compile()(cotan.device_put(value, two[1]))["twice"].device is two[1]


def test_a_backend_by_name():
    assert cotan.jit(double, backend="cpu")(1.0)["twice"].device.platform == "cpu"


def test_static_arguments_stay_where_they_are(two):
    f = cotan.jit(double, static_argnames="n", device=two[1])
    assert f(cnp.ones(2), 3)["twice"].tolist() == f(cnp.ones(2), n=3)["twice"].tolist() == [3, 3]
    g = cotan.jit(double, static_argnums=1, in_shardings=(SingleDeviceSharding(two[1]),))
    assert g(cnp.ones(2), 3)["twice"].device is two[1]


@pytest.mark.parametrize("kind", ["one", "tuple", "list", "named", "spec"])
def test_shardings_of_arguments(two, kind):
    mesh = Mesh(np.array(two[1:]), ("x",))
    single = SingleDeviceSharding(two[1])
    shardings = {
        "one": single,
        "tuple": (single,),
        "list": [single],
        "named": NamedSharding(mesh, P("x")),
        "spec": P("x"),
    }
    f = cotan.jit(lambda x: x + 1, in_shardings=shardings[kind])
    with cotan.set_mesh(mesh):
        assert f(cnp.ones(2)).device is two[1]


def test_shardings_by_parts(two):
    here, there = map(SingleDeviceSharding, two)
    out = cotan.jit(double, out_shardings={"twice": there, "kind": None})(cnp.ones(2))
    assert [out["twice"].device, out["kind"].device] == [two[1], two[0]]
    f = cotan.jit(lambda a, b: a["x"] + b, in_shardings=({"x": there}, None))
    assert f({"x": cotan.device_put(1.0, here)}, 2.0).device is two[1]


def test_none_and_keep_unused_change_nothing():
    f = cotan.jit(lambda x, y: x, in_shardings=None, out_shardings=None, keep_unused=True, device=None, backend=None)
    assert float(f(1.0, y=2.0)) == 1


def test_transforms_of_a_placed_function(two):
    f = cotan.jit(cnp.sin, in_shardings=SingleDeviceSharding(two[1]), out_shardings=SingleDeviceSharding(two[1]))
    assert float(cotan.grad(f)(0.0)) == 1
    assert cotan.vmap(f)(cnp.zeros(3)).shape == (3,)
    assert cotan.jit(lambda x: f(x) + f(2 * x))(0.0) == 0
    assert f.eval_shape(cnp.ones(2)).shape == (2,)


def test_donation_with_a_device():
    x = cnp.ones(100)
    cotan.jit(lambda x: x + 1, donate_argnums=0, device=x.device)(x)
    assert x.is_deleted()


def test_compiler_options_are_the_compilers():
    x = cnp.ones(10)
    f = cotan.jit(lambda x: x * 3.25, compiler_options={"num_threads": 1})
    seen = []
    before = cotan.jit(lambda x: x * 3.25)(x)
    g = cotan.jit(lambda x: (seen.append(config.num_threads), x * 3.25)[1], compiler_options={"jax_num_threads": 1})
    assert f(x).tolist() == f(x).tolist() == g(x).tolist() == before.tolist()
    assert f.lower(x).compile()(x).tolist() == before.tolist()
    assert seen == [1]


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"device": "cpu", "backend": "cpu"}, ValueError, "both a device and a backend"),
        ({"backend": "cpu", "in_shardings": P()}, ValueError, "shardings cannot be given as well"),
        ({"in_shardings": 3}, TypeError, "in_shardings holds shardings, PartitionSpecs and None, and got 3"),
        ({"out_shardings": ("x",)}, TypeError, "out_shardings holds shardings"),
        ({"device": 3}, TypeError, "jit takes a device"),
        ({"compiler_options": {"xla_fast": True}}, ValueError, "there is no option 'xla_fast'"),
        ({"in_shardings": P()}, RuntimeError, "in_shardings: P.*there is none; make one current"),
    ],
)
def test_refusals(options, error, text):
    with pytest.raises(error, match=text):
        cotan.jit(lambda x: x, **options)(1.0)


def test_shardings_that_do_not_fit():
    sharding = cnp.ones(1).sharding
    with pytest.raises(ValueError, match="in_shardings must have the structure of the value"):
        cotan.jit(lambda x: x, in_shardings=(sharding, sharding))(1.0)
    with pytest.raises(ValueError, match="out_shardings must have the structure of the value"):
        cotan.jit(lambda x: x, out_shardings=(sharding, sharding))(1.0)
    with pytest.raises(ValueError, match="has the keywords x; pass them by position"):
        cotan.jit(lambda x: x, in_shardings=sharding)(x=1.0)
