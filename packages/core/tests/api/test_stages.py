"""Ahead-of-time stages: what they tell, what they share with ordinary calls, what they refuse."""

from __future__ import annotations

import subprocess
import sys
from functools import partial

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan.runtime import compile as compiling
from cotan.stages import ArgInfo, Compiled, Lowered, Traced, Wrapped

Struct = cotan.ShapeDtypeStruct
F43 = Struct((4, 3), "float32")


@pytest.fixture
def compilations(monkeypatch):
    """The names of the programs that are compiled."""
    names = []
    original = compiling._compile

    def counted(closed, device, donated, name, *options):
        names.append(name)
        return original(closed, device, donated, name, *options)

    monkeypatch.setattr(compiling, "_compile", counted)
    return names


def layer(params, x, *, scale=1.0):
    return {"y": cnp.tanh(x @ params["w"]) * scale, "norm": cnp.sum(x * x)}


PARAMS = {"w": Struct((3, 5), "float32")}


# ---- What they tell


def test_traced():
    traced = cotan.jit(layer).trace(PARAMS, F43, scale=2.0)
    assert isinstance(traced, Traced)
    assert traced.fun_name == "layer"
    assert traced.in_tree == cotan.tree.structure(((PARAMS, F43), {"scale": 0}))
    assert traced.out_tree == cotan.tree.structure({"norm": 0, "y": 0})
    assert traced.out_info == {"norm": Struct((), "float32"), "y": Struct((4, 5), "float32")}
    assert [v.short() for v in cotan.tree.leaves(traced.in_avals)] == ["f32[3,5]", "f32[4,3]", "~f32[]"]
    assert traced.out_avals["y"].shape == (4, 5)
    assert traced.jaxpr.jaxpr.arg_names == ("params['w']", "x", "scale")
    assert "tanh" in str(traced.jaxpr)
    assert repr(traced) == "<Traced `layer` (params['w']: f32[3,5], x: f32[4,3], scale: ~f32[])>"


def test_traced_programs_can_be_called_and_transformed():
    traced = cotan.jit(lambda x, y=1.0: {"r": x * x * y}).trace(Struct((), "float32"), y=1.0)
    assert traced(np.float32(3), y=2.0) == {"r": 18.0}
    assert cotan.grad(lambda x: traced(x, y=2.0)["r"])(np.float32(3)) == 12
    with pytest.raises(TypeError, match=r"the traced function .* argument `y` was passed by keyword, now by position"):
        traced(np.float32(3), 2.0)
    with pytest.raises(TypeError, match=r"as it was traced for: `x` is f32\[\], got f32\[2\]\. Trace it"):
        traced(np.ones(2, np.float32), y=2.0)


def test_args_info_and_donation():
    traced = cotan.jit(lambda a, b: (a + b["c"], b), donate_argnums=1).trace(F43, {"c": F43})
    (a, b), kwargs = traced.args_info
    assert isinstance(a, ArgInfo)
    assert not kwargs
    assert (a.shape, a.dtype, a.donated) == ((4, 3), np.float32, False)
    assert b["c"].donated
    assert traced.donate_argnums == traced.lower().donate_argnums == traced.lower().compile().donate_argnums == (1,)


def test_closed_over_arrays_are_constants_of_the_traced_program():
    table = cnp.arange(3.0)
    traced = cotan.jit(lambda x: x * table).trace(F43)
    assert [v.aval.short() for v in traced.jaxpr.jaxpr.invars] == ["f32[4,3]"]
    assert traced.jaxpr.consts[0] is table
    np.testing.assert_array_equal(traced.lower().compile()(cnp.ones((4, 3))), np.ones((4, 3)) * np.arange(3))


def test_lowered_texts():
    lowered = cotan.jit(lambda x: cnp.sum(cnp.tanh(x), axis=0)).lower(F43)
    assert isinstance(lowered, Lowered)
    assert "fused: reduce_sum tanh" in lowered.as_text()
    assert lowered.as_text() == lowered.as_text("program")
    assert lowered.as_text("jaxpr") == str(lowered.compiler_ir("jaxpr"))
    assert "0 tanh: test_stages.py:" in lowered.as_text("jaxpr", debug_info=True)
    assert len(lowered.compiler_ir().steps) == 1
    with pytest.raises(
        ValueError, match=r"test_stages.py:\d+, in .*there is no dialect 'hlo'; known are 'program', 'jaxpr'"
    ):
        lowered.as_text("hlo")


def test_costs():
    lowered = cotan.jit(lambda a, b: cnp.sum(a @ b)).lower(Struct((200, 300), "float32"), Struct((300, 500), "float32"))
    product = 2 * 200 * 300 * 500
    moved = 4 * (200 * 300 + 300 * 500 + 200 * 500)
    before, after = lowered.cost_analysis(), lowered.compile().cost_analysis()
    for cost in (before, after):
        assert product <= cost["flops"] <= product + 2 * 200 * 500
        assert moved <= cost["bytes accessed"] <= moved + 3 * 4 * 200 * 500
    assert sum(step["flops"] for step in after["steps"]) == after["flops"]
    assert after["steps"][0]["step"] == "dot_general"
    assert after["optimal_seconds"] > 0


def test_memory():
    def f(x, y):
        return cnp.tanh(x @ y) @ y

    n = 128
    plain = cotan.jit(f).lower(Struct((n, n), "float32"), Struct((n, n), "float32")).compile().memory_analysis()
    size = 4 * n * n
    assert plain.argument_size_in_bytes == 2 * size
    assert plain.output_size_in_bytes == size
    assert plain.alias_size_in_bytes == 0
    assert plain.temp_size_in_bytes >= size
    assert plain.generated_code_size_in_bytes > 100
    assert plain.peak_memory_in_bytes == 3 * size + plain.temp_size_in_bytes
    donating = cotan.jit(lambda x: x * 2, donate_argnums=0).lower(Struct((n, n), "float32")).compile().memory_analysis()
    assert donating.alias_size_in_bytes == size
    assert donating.peak_memory_in_bytes == size


def test_compiled_tells_its_device():
    device = cotan.devices()[0]
    compiled = cotan.jit(lambda x, y: (x, y)).lower(1.0, F43).compile()
    (x, _), kwargs = compiled.input_shardings
    assert x.device is device
    assert kwargs == {}
    assert compiled.output_shardings[1].device_set == {device}
    assert compiled.out_info[1] == F43.update(sharding=device)
    text = compiled.as_text()
    assert text.startswith("program <lambda>:")
    assert compiled.runtime_executable().text() in text


def test_eval_shape_and_wrapped():
    f = cotan.jit(layer)
    assert f.eval_shape(PARAMS, F43)["y"] == Struct((4, 5), "float32")
    assert isinstance(f, Wrapped)
    assert not isinstance(layer, Wrapped)


# ---- Results


def test_compiled_computes_what_the_function_does():
    rng = np.random.default_rng(0)
    w, x = rng.standard_normal((3, 5), np.float32), rng.standard_normal((4, 3), np.float32)
    compiled = cotan.jit(layer).lower(PARAMS, F43, scale=1.0).compile()
    assert isinstance(compiled, Compiled)
    for params, batch in (({"w": w}, x), ({"w": cnp.asarray(w)}, cnp.asarray(x))):
        found = compiled(params, batch, scale=3.0)
        np.testing.assert_allclose(found["y"], np.tanh(x @ w) * 3, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found["norm"], np.sum(x * x), rtol=1e-5)


def test_static_arguments_are_not_given_again():
    f = cotan.jit(lambda n, x, mode: x * n if mode == "times" else x + n, static_argnames=("n", "mode"))
    compiled = f.lower(3, cnp.ones(2), mode="times").compile()
    assert compiled(cnp.full(2, 2.0)).tolist() == [6.0, 6.0]
    with pytest.raises(TypeError, match="it was called with 1 positional argument, now with 2"):
        compiled(3, cnp.ones(2))


def test_weak_types_and_scalars():
    compiled = cotan.jit(lambda x: x + 1).lower(Struct((), "float32", weak_type=True)).compile()
    for value in (2.0, np.float32(2), np.float64(2), cnp.float32(2), cnp.asarray(2.0)):
        assert compiled(value) == 3.0
    assert compiled.in_avals[0][0].weak_type


def test_donated_arguments_are_deleted():
    compiled = cotan.jit(lambda x: x * 2, donate_argnums=0).lower(F43).compile()
    x = cnp.ones((4, 3))
    compiled(x)
    assert x.is_deleted()


def test_functions_without_arguments():
    table = cnp.arange(3.0)
    assert cotan.jit(lambda: table * 2).lower().compile()().tolist() == [0, 2, 4]


def test_random_keys_are_arguments():
    key = cotan.random.key(3)
    compiled = cotan.jit(lambda k: cotan.random.uniform(k, (3,))).lower(key).compile()
    np.testing.assert_array_equal(compiled(key), cotan.random.uniform(key, (3,)))


def test_methods_can_be_lowered():
    class Model:
        @partial(cotan.jit, static_argnums=0)
        def double(self, x):
            return 2 * x

    model = Model()
    assert model.double.lower(model, 1.0).compile()(4.0) == 8.0


# ---- Sharing


def test_stages_and_calls_share_one_trace_and_one_compilation(compilations):
    traces = []

    @cotan.jit
    def f(x):
        traces.append(1)
        return cnp.sin(x) - 2.25

    lowered = f.lower(F43)
    assert not compilations
    compiled = lowered.compile()
    f(cnp.ones((4, 3)))
    compiled(cnp.ones((4, 3)))
    assert f.trace(cnp.ones((4, 3))).lower().compile() is not compiled
    assert len(traces) == 1
    assert compilations == ["f"]


def test_nothing_is_computed_before_the_call():
    seen = []
    f = cotan.jit(lambda x: cotan.pure_callback(lambda v: seen.append(1) or v, F43, x))
    compiled = f.lower(F43).compile()
    assert not seen
    compiled(cnp.ones((4, 3)))
    assert seen == [1]


def test_compiler_options(compilations):
    lowered = cotan.jit(lambda x: cnp.exp(x) * 1.125).lower(Struct((100, 100), "float32"))
    lowered.compile()
    lowered.compile()
    one = lowered.compile({"num_threads": 1})
    np.testing.assert_allclose(one(cnp.zeros((100, 100))), 1.125)
    assert len(compilations) == 2
    with pytest.raises(ValueError, match="compiler_options: there is no option 'xla_fast'; there are num_threads"):
        lowered.compile({"xla_fast": True})


# ---- What they refuse


@pytest.fixture
def compiled():
    return cotan.jit(layer).lower(PARAMS, F43, scale=1.0).compile()


def test_other_structures(compiled):
    x = cnp.ones((4, 3))
    with pytest.raises(TypeError, match=r"test_stages.py:\d+.*`layer`.*structure of argument `params` was .*'w'.*'v'"):
        compiled({"v": x}, x, scale=1.0)
    with pytest.raises(TypeError, match="argument `scale` was passed by keyword, now by position"):
        cotan.jit(lambda x, scale: x).lower(x, scale=1.0).compile()(x, 1.0)
    with pytest.raises(TypeError, match="it was called with 2 positional arguments and `scale`, now with 2 positional"):
        compiled({"w": x}, x)


def test_other_types(compiled):
    w, x = cnp.ones((3, 5)), cnp.ones((4, 3))
    with pytest.raises(TypeError, match=r"for: `x` is f32\[4,3\], got f32\[5,3\]\. Compile it"):
        compiled({"w": w}, cnp.ones((5, 3)), scale=1.0)
    with pytest.raises(
        TypeError,
        match=r"for: `params\['w'\]` is f32\[3,5\], got i32\[3,5\]; `scale` is ~f32\[\], got a str\. Compile it",
    ):
        compiled({"w": w.astype(int)}, x, scale="a")


def test_transformations(compiled):
    w, x = cnp.ones((3, 5)), cnp.ones((4, 3))
    calls = {
        "jit": lambda: cotan.jit(lambda x: compiled({"w": w}, x, scale=1.0))(x),
        "grad": lambda: cotan.grad(lambda x: compiled({"w": w}, x, scale=1.0)["norm"])(x),
        "vmap": lambda: cotan.vmap(lambda x: compiled({"w": w}, x, scale=1.0))(x[None]),
    }
    for name, call in calls.items():
        with pytest.raises(
            TypeError, match=f"`layer`.*while `x` is traced by .*{name}.*transform the function, then lower"
        ):
            call()


def test_leaves_without_a_type():
    with pytest.raises(TypeError, match="argument `x` is a str, not an array"):
        cotan.jit(lambda x: x).lower("a")


def test_closed_over_tracers_are_traced_but_not_lowered():
    seen = []

    def outer(x):
        traced = cotan.jit(lambda y: x * y).trace(F43)
        seen.append(traced.out_info)
        with pytest.raises(TypeError, match="closes over values that an outer function is being traced with"):
            traced.lower()
        return x

    cotan.jit(outer)(1.0)
    assert seen == [F43]


def test_platforms_and_devices():
    traced = cotan.jit(lambda x: x).trace(F43)
    assert traced.lower(lowering_platforms=("cpu",)).compile()(cnp.ones((4, 3))).shape == (4, 3)
    with pytest.raises(ValueError, match="one platform at a time"):
        traced.lower(lowering_platforms=("cpu", "tpu"))
    with pytest.raises(cotan.errors.BackendUnavailableError, match="nowhere"):
        traced.lower(lowering_platforms=("nowhere",))
    with pytest.raises(ValueError, match="device_assignment names 0 devices"):
        traced.lower().compile(device_assignment=())


def test_shape_dtype_structs():
    struct = Struct((2, 3), "float32", weak_type=True, sharding=cotan.devices()[0])
    assert struct.update(shape=(4,)) == Struct((4,), "float32", weak_type=True, sharding=cotan.devices()[0])
    assert struct.update(sharding=None, weak_type=False) == Struct((2, 3), "float32")
    assert repr(struct).endswith("weak_type=True, sharding=SingleDeviceSharding(device=CpuDevice(id=0)))")
    assert (struct.ndim, struct.size, len(struct)) == (2, 6, 2)
    with pytest.raises(ValueError, match="dtype must not be None"):
        Struct((2,), None)
    with pytest.raises(TypeError, match="ShapeDtypeStruct: sharding takes a device"):
        Struct((2,), "float32", sharding=3)


_SEVERAL_DEVICES = """
import cotan, cotan.numpy as cnp
first, second = cotan.devices()
Struct = cotan.ShapeDtypeStruct
table = cotan.device_put(cnp.ones(3), first)
f = cotan.jit(lambda x: x + table)
compiled = f.lower(Struct((3,), "float32", sharding=second)).compile()
assert compiled.output_shardings.device is second
assert compiled(cnp.ones(3)).device is second
assert f(cotan.device_put(cnp.ones(3), second)).device is second
assert f(cnp.ones(3)).device is first
there = f.lower(cotan.device_put(cnp.ones(3), second))
assert there.compile(device_assignment=[first]).output_shardings.device is first
try:
    f.lower(Struct((3,), "float32", sharding=first)), cotan.jit(lambda x, y: x).lower(
        Struct((3,), "float32", sharding=first), Struct((3,), "float32", sharding=second)
    )
except ValueError as error:
    assert "got arguments on different devices" in str(error), error
else:
    raise AssertionError("not refused")
"""


def test_several_devices():
    import os

    done = subprocess.run(
        [sys.executable, "-c", _SEVERAL_DEVICES],
        env={**os.environ, "COTAN_NUM_CPU_DEVICES": "2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
