"""What users see of an error: their own frames, a text that begins with their line, and the whole on request."""

from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp
from cotan import lax, nn, random
from cotan.config import config
from cotan.experimental.jet import jet
from cotan.scipy import special

ROOM = str(Path(cotan.__file__).parent)
NOTE = "(cotan's own frames are left out of this traceback"
A = np.ones((2, 3), np.float32)


@pytest.fixture(autouse=True)
def _filtered() -> Iterator[None]:
    with config.override(traceback_filtering="auto"):
        yield


def raised(function: Callable[[], Any], kind: type[Exception] = Exception) -> Exception:
    with pytest.raises(kind) as info:
        function()
    return info.value


def files(error: BaseException) -> list[str]:
    return [frame.filename for frame in traceback.extract_tb(error.__traceback__)]


def loss(w: Any) -> Any:
    return cnp.dot(A, w).sum()


def inner_error(x: Any) -> Any:
    raise KeyError("the user's own")


CALLS: dict[str, Callable[[], Any]] = {
    "operator": lambda: cnp.ones(3) + cnp.ones(4),
    "reflected operator": lambda: np.ones(4) @ cnp.ones(3),
    "unary operator": lambda: ~cnp.ones(3),
    "index": lambda: cnp.ones(3)[0, 0],
    "update": lambda: cnp.ones(3).at[0].set("x"),
    "method": lambda: cnp.ones(3).reshape(7),
    "method of a function": lambda: cnp.ones(3).sum(axis=5),
    "ufunc": lambda: cnp.add("x", 1),
    "function": lambda: cnp.matmul(A, A),
    "lax": lambda: lax.add(A, np.ones(4, np.float32)),
    "lax reduction": lambda: lax.reduce_sum(A, (7,)),
    "lax on a list": lambda: lax.concatenate([A, np.ones(2, np.float32)], 0),
    "lax before anything is bound": lambda: lax.concatenate([A], "x"),
    "lax.linalg": lambda: lax.linalg.cholesky(A),
    "lax cumulative": lambda: lax.cumsum(A, 7),
    "nn": lambda: nn.one_hot("x", 3),
    "random": lambda: random.normal("no key"),
    "special": lambda: special.gammaln("x"),
    "grad": lambda: cotan.grad(loss)(cnp.ones(4)),
    "grad of an int": lambda: cotan.grad(loss)(3),
    "jit of vmap of grad": lambda: cotan.jit(cotan.vmap(cotan.grad(loss)))(cnp.ones((5, 4))),
    "jit": lambda: cotan.jit(lambda x: 1 if x > 0 else 2)(1.0),
    "jit options": lambda: cotan.jit(loss, static_argnums=5),
    "vmap": lambda: cotan.vmap(loss)(1.0),
    "jvp": lambda: cotan.jvp(loss, (1.0,), (1,)),
    "vjp": lambda: cotan.vjp(cnp.sin, 1.0)[1]((1.0, 2.0)),
    "linearize": lambda: cotan.linearize(cnp.sin, 1.0)[1](np.ones(3)),
    "jacfwd": lambda: cotan.jacfwd(loss)("x"),
    "jacrev": lambda: cotan.jacrev(loss)(cnp.ones(4)),
    "checkpoint": lambda: cotan.checkpoint(loss)(cnp.ones(4)),
    "eval_shape": lambda: cotan.eval_shape(loss, cnp.ones(4)),
    "make_jaxpr": lambda: cotan.make_jaxpr(loss)(cnp.ones(4)),
    "lower": lambda: cotan.jit(loss).lower(cnp.ones(4)),
    "compiled": lambda: cotan.jit(cnp.sin).lower(1.0).compile()(1, 2),
    "scan": lambda: lax.scan(lambda c, x: (c[0], c), cnp.ones(2), cnp.ones(3)),
    "body of a scan": lambda: lax.scan(lambda c, x: (loss(c), c), cnp.ones(4), cnp.ones(3)),
    "while_loop": lambda: lax.while_loop(lambda x: x, lambda x: x, 1.0),
    "cond": lambda: lax.cond(True, lambda x: x, lambda x: (x, x), 1.0),
    "composite": lambda: lax.full((2, "x"), 1.0),
    "collective": lambda: lax.psum(1.0, "i"),
    "custom_jvp": lambda: cotan.custom_jvp(cnp.sin)(1.0),
    "custom_vjp": lambda: cotan.custom_vjp(cnp.sin)(1.0),
    "callback": lambda: cotan.grad(lambda x: cotan.pure_callback(np.sin, x, x))(1.0),
    "jet": lambda: jet(cnp.sin, (1.0,), ()),
    "export": lambda: cotan.export.deserialize(b"nothing"),
    "device_put": lambda: cotan.device_put("x"),
}


@pytest.mark.parametrize("name", CALLS)
def test_tracebacks_have_no_frames_of_cotan(name: str) -> None:
    error = raised(CALLS[name])
    assert not [f for f in files(error) if f.startswith(ROOM)]
    assert files(error)[-1] == __file__
    [note] = error.__notes__
    assert note == f"{NOTE}; COTAN_TRACEBACK_FILTERING=off shows them)"
    whole = traceback.extract_tb(error.__cotan_unfiltered__)
    assert [frame for frame in whole if frame.filename.startswith(ROOM)]


@pytest.mark.parametrize("name", CALLS)
def test_texts_begin_with_the_users_line(name: str) -> None:
    error = raised(CALLS[name])
    last = traceback.extract_tb(error.__traceback__)[-1]
    assert str(error).startswith(f"test_tracebacks.py:{last.lineno}, in {last.name}: "), str(error)
    assert str(error).count("test_tracebacks.py:" + str(last.lineno) + ", in") <= 2


PUBLIC = [
    "cotan", "cotan.numpy", "cotan.lax", "cotan.nn", "cotan.nn.initializers", "cotan.random", "cotan.scipy.special",
    "cotan.debug", "cotan.export", "cotan.experimental", "cotan.experimental.jet", "cotan.ad_checkpoint",
    "cotan.custom_batching", "cotan.custom_derivatives",
]  # fmt: skip
# Small functions, which everything else calls: their own frame, and no other, may be seen. Those of these rooms that
# are given out, or only imported, stay as they are.
THIN = ("cotan.dtypes", "cotan.tree", "cotan.numpy.promotion")


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_function_is_a_boundary(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [n for n in vars(module) if not n.startswith("_")])
    functions = {n: v for n in names if isinstance(v := getattr(module, n), FunctionType)}
    assert functions
    assert not [n for n, v in functions.items() if not hasattr(v, "_trims") and not v.__module__.startswith(THIN)]


def test_frames_of_the_user_inside_of_a_transformation_stay() -> None:
    error = raised(lambda: cotan.jit(cotan.grad(loss))(cnp.ones(4)))
    names = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert names[-2:] == ["<lambda>", "loss"]


def test_the_users_own_errors_keep_their_text() -> None:
    for call in (cotan.jit(inner_error), cotan.grad(inner_error), cotan.vmap(inner_error)):
        error = raised(lambda call=call: call(cnp.ones(3)), KeyError)
        assert error.args == ("the user's own",)
        assert not [f for f in files(error) if f.startswith(ROOM)]

    def wrong(x: Any) -> Any:
        raise ValueError("mine")

    assert str(raised(lambda: cotan.jit(wrong)(1.0))) == "mine"


def test_the_whole_traceback_is_pieced_together() -> None:
    """What was removed at an inner boundary is there as well as what was removed at the outer one."""
    error = raised(lambda: cotan.jit(loss)(cnp.ones(4)))
    names = [frame.name for frame in traceback.extract_tb(error.__cotan_unfiltered__)]
    assert names.index("jitted") < names.index("stage_to_jaxpr") < names.index("loss") < names.index("dot")


def test_off_keeps_all_frames() -> None:
    with config.override(traceback_filtering="off"):
        error = raised(CALLS["jit of vmap of grad"])
    assert [f for f in files(error) if f.startswith(ROOM)]
    assert not hasattr(error, "__notes__")
    assert str(error).startswith("test_tracebacks.py:")


def test_remove_frames_puts_them_into_a_note() -> None:
    with config.override(traceback_filtering="remove_frames"):
        error = raised(CALLS["jit of vmap of grad"])
    assert not [f for f in files(error) if f.startswith(ROOM)]
    [note] = error.__notes__
    assert note.startswith(f"{NOTE}; with them it is)")
    assert "in jitted" in note
    assert "in stage_to_jaxpr" in note


def marked(error: BaseException) -> list[bool]:
    return [
        frame.f_locals.get("__tracebackhide__", False)
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code.co_filename.startswith(ROOM)
    ]


def test_tracebackhide_marks_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    with config.override(traceback_filtering="tracebackhide"):
        for name in ("function", "jit of vmap of grad", "operator"):
            assert all(marked(raised(CALLS[name])))
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: object()))
    found = marked(raised(CALLS["function"]))
    assert found
    assert all(found)


def test_wrong_modes_are_refused() -> None:
    with pytest.raises(ValueError, match="traceback_filtering: 'some' is not a valid value; allowed are 'auto', 'off'"):
        config.update("jax_traceback_filtering", "some")


def test_what_an_error_came_of_is_trimmed_too() -> None:
    def wrong(x: Any) -> Any:
        try:
            cnp.matmul(A, A)
        except TypeError as cause:
            raise RuntimeError("mine") from cause

    error = raised(lambda: cotan.jit(wrong)(1.0), RuntimeError)
    assert str(error) == "mine"
    assert error.__cause__ is not None
    assert not [f for f in files(error.__cause__) if f.startswith(ROOM)]


def test_an_error_caught_and_raised_again_elsewhere() -> None:
    kept = raised(CALLS["function"])

    def again() -> None:
        raise kept.with_traceback(None)

    def function(x: Any) -> Any:
        again()

    error = raised(lambda: cotan.jit(function)(1.0))
    assert error is kept
    assert [f.name for f in traceback.extract_tb(error.__traceback__)][-2:] == ["function", "again"]
    assert len(error.__notes__) == 1


def test_public_functions_keep_their_names_documentation_and_pickles() -> None:
    assert cnp.matmul.__name__ == "matmul"
    assert "product" in (cnp.matmul.__doc__ or "")
    for function in (cnp.matmul, cnp.add, cnp.reshape, random.normal, nn.softmax, special.gammaln, cotan.grad):
        assert pickle.loads(pickle.dumps(function)) is function


def test_a_script_shows_its_own_lines_only(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import cotan, cotan.numpy as cnp\n"
        "def loss(w):\n"
        "    return cnp.dot(cnp.ones((2, 3)), w).sum()\n"
        "cotan.jit(cotan.grad(loss))(cnp.ones(4))\n"
    )
    environment = {"PATH": "", "COTAN_TRACEBACK_FILTERING": "auto"}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False)
    lines = [line for line in done.stderr.splitlines() if line.startswith("  File")]
    assert lines == [f'  File "{script}", line 4, in <module>', f'  File "{script}", line 3, in loss']
    assert "TypeError: train.py:3, in loss: dot: " in done.stderr
    assert NOTE in done.stderr
