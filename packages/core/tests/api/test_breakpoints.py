"""debug.breakpoint: a prompt on the host with the user's frames and what the program computed."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest

import cotan
import cotan.numpy as cnp


def answers(output: io.StringIO) -> list[str]:
    """What the prompt said after the lines of context."""
    return output.getvalue().split("(cotan) ")[1:]


def session(commands, transform=lambda f: f, **options):
    output = io.StringIO()

    def helper(x, text="plain"):
        doubled = {"y": [x * 2]}
        cotan.debug.breakpoint(stdin=io.StringIO(commands), stdout=output, **options)
        return doubled["y"][0]

    def outer(x, n=3):
        result = helper(x + 1)
        return result * n

    return transform(outer), output


TRANSFORMS = [lambda f: f, cotan.jit, cotan.grad, lambda f: cotan.jit(cotan.value_and_grad(f))]


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_the_values_of_all_frames_are_visible(transform):
    fun, output = session("p doubled\nx - 1\np text\nup\np n\np np.__name__\nc\n", transform)
    fun(cnp.asarray(2.0, "float32"))
    said = [text.split("\n")[0] for text in answers(output)]
    assert said.pop(3).startswith("> ")
    expected = ["{'y': [Array(6., dtype=float32)]}", "Array(2., dtype=float32)", "'plain'", "3", "'numpy'", ""]
    assert said == expected
    assert "->          result = helper(x + 1)" in answers(output)[3]


def test_commands():
    fun, output = session("w\nl\nd\np 1 +\npp {'b': 1}\n\nnonsense\nhelp p\ncont\n", cotan.jit)
    fun(1.0)
    said = answers(output)
    assert 'test_breakpoints.py", line' in said[0]
    assert said[0].index("in outer") < said[0].index("in helper")
    assert "->          cotan.debug.breakpoint" in said[1]
    assert said[2].startswith("This is the innermost frame.\n> ")
    assert said[3].startswith("*** SyntaxError")
    assert said[4] == "{'b': 1}\n"
    assert said[5] == ""
    assert said[6].startswith("*** NameError: name 'nonsense'")
    assert said[7].startswith("p expression: print its value.")


def test_num_frames_and_internal_frames():
    fun, output = session("u\nu\nc\n", num_frames=1)
    fun(1.0)
    assert answers(output)[0].startswith("This is the outermost frame.")
    fun, output = session("w\nc\n", cotan.jit, filter_frames=False)
    fun(1.0)
    assert "stage_to_jaxpr" in answers(output)[0]
    fun, output = session("w\nc\n", cotan.jit)
    fun(1.0)
    assert "stage_to_jaxpr" not in answers(output)[0]


def test_quitting_raises_system_exit_and_so_does_the_end_of_input():
    for commands in ("q\n", ""):
        for transform in (lambda f: f, cotan.jit):
            fun, _ = session(commands, transform)
            with pytest.raises(SystemExit):
                fun(1.0)
    assert float(cotan.jit(lambda x: x + 1)(1.0)) == 2.0


def test_under_vmap_it_stops_for_each_example():
    fun, output = session("x\nc\nx\nc\n" * 2)
    cotan.vmap(fun)(np.arange(2.0))
    assert [s.strip() for s in answers(output) if s.startswith("Array")] == [
        "Array(1., dtype=float32)",
        "Array(2., dtype=float32)",
    ]


def test_token():
    output = io.StringIO()

    @cotan.jit
    def f(x, used):
        y, z = cotan.debug.breakpoint(token=(x, x * 2), stdin=io.StringIO("x\nc\n"), stdout=output)
        return cnp.where(used, y + z, 0)

    assert float(f(1.0, True)) == 3.0
    assert answers(output)[0] == "Array(1., dtype=float32)\n"
    output.truncate(0)
    cotan.jit(lambda x: (cotan.debug.breakpoint(token=x, stdin=io.StringIO("c\n"), stdout=output), x)[1])(1.0)
    assert output.getvalue() == ""


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"test_breakpoints\.py.*there is no debugger 'web'; there is 'cli'"):
        cotan.debug.breakpoint(backend="web")
    with pytest.raises(ValueError, match="either ordered or token"):
        cotan.debug.breakpoint(token=1.0, ordered=True)


def test_in_another_thread():
    fun, output = session("x\nc\n", cotan.jit)
    thread = threading.Thread(target=fun, args=(1.0,))
    thread.start()
    thread.join()
    assert f"Entering the debugger (thread {thread.ident})" in output.getvalue()


def test_variables_that_cannot_be_flattened_are_shown_as_they_are():
    output = io.StringIO()

    @cotan.jit
    def f(x):
        mixed = {1: x, "a": x}  # keys that cannot be sorted
        cotan.debug.breakpoint(stdin=io.StringIO("p len(mixed)\nx\nc\n"), stdout=output)
        return mixed[1]

    f(1.0)
    assert answers(output)[:2] == ["2\n", "Array(1., dtype=float32)\n"]
