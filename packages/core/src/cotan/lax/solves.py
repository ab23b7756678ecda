"""Solutions of equations with derivatives by implicit differentiation: custom_root and custom_linear_solve.

Whatever the solvers do, derivatives come from the equation at its solution. No solver is here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cotan.api.autodiff import linearize
from cotan.api.custom_jvp import custom_jvp
from cotan.api.custom_rules import SymbolicZero, zero_from_primal
from cotan.api.flat import check_callable, check_result_leaves, lift_leaf
from cotan.errors import a_type, where
from cotan.ir.avals import ShapedArray, get_aval, is_array_like, same_type
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.primitives.arithmetic import neg
from cotan.primitives.custom_solve import Parts
from cotan.primitives.custom_solve import custom_linear_solve as solve_linear
from cotan.structural import Zero, convert_element_type, instantiate
from cotan.transforms.custom import Lifted, stage_lifted
from cotan.transforms.jvp import jvp_flat
from cotan.transforms.stage import replay
from cotan.transforms.transpose import transpose_jaxpr
from cotan.tree import keystr, tree_flatten, tree_flatten_with_path
from cotan.tree.calling import fun_name

Function = Callable[..., Any]


class _Values:
    """Values of one structure and type: initial guesses, right-hand sides, solutions."""

    def __init__(self, api: str, what: str, value: Any) -> None:
        self.api = api
        self.leaves, self.tree = tree_flatten(value)
        for path, leaf in tree_flatten_with_path(value)[0]:
            if not is_array_like(leaf):
                raise TypeError(f"{where()}: {api}: {what}{keystr(path)} is {a_type(leaf)}, not an array")
        self.avals = [get_aval(x) for x in self.leaves]

    def flatten(self, fun: Function, what: str, value: Any, does: str = "must return") -> list[Any]:
        """The leaves of another value, which must be of the same structure and types.

        Args:
          fun: whose value it is. what: which one that is, and what it ``does`` with the value, for messages.

        Raises:
          TypeError: it is not.
        """
        who = f"{where()}: {self.api}: {what} `{fun_name(fun)}`"
        leaves, tree = tree_flatten(value)
        if tree != self.tree:
            raise TypeError(f"{who} {does} something of the structure {self.tree}, got {tree}")
        check_result_leaves(self.api, fun, value, leaves)
        fitting = []
        for (path, x), aval in zip(tree_flatten_with_path(value)[0], self.avals, strict=True):
            if type(x) in (int, float, complex) and not aval.shape:
                x = convert_element_type(x, aval.dtype, aval.weak_type)
            if not same_type(get_aval(x), aval):
                raise TypeError(f"{who} {does} {aval.short()}{keystr(path)}, got {get_aval(x).short()}")
            fitting.append(x)
        return fitting


def _pair(api: str, fun: Function, what: str, out: Any, has_aux: bool) -> tuple[Any, Any]:
    """A solver's solution and what it adds to it."""
    if not has_aux:
        return out, None
    if not (isinstance(out, tuple | list) and len(out) == 2):
        raise TypeError(
            f"{where()}: {api} with has_aux=True: {what} `{fun_name(fun)}` must return a pair (solution, aux)"
        )
    return out[0], out[1]


class _Solver:
    """A solver as a flat function; the structure of what it adds to a solution is known when it has run."""

    def __init__(self, api: str, fun: Function, what: str, values: _Values, has_aux: bool) -> None:
        self.api, self.fun, self.what, self.values, self.has_aux = api, fun, what, values, has_aux
        self.aux_tree: Any = None

    def __call__(self, of: Function, flat: Sequence[Any]) -> list[Any]:
        out = self.fun(of, self.values.tree.unflatten(flat))
        x, aux = _pair(self.api, self.fun, self.what, out, self.has_aux)
        leaves, self.aux_tree = tree_flatten(aux)
        check_result_leaves(self.api, self.fun, aux, leaves)
        return [*self.values.flatten(self.fun, self.what, x), *leaves]

    def result(self, outs: Sequence[Any]) -> Any:
        """What the user gets."""
        outs = list(map(lift_leaf, outs))
        count = len(self.values.avals)
        x = self.values.tree.unflatten(outs[:count])
        return (x, self.aux_tree.unflatten(outs[count:])) if self.has_aux else x


def _staged(fun: Function, avals: Sequence[ShapedArray], api: str, user: Function) -> Lifted:
    return stage_lifted(fun, avals, name=fun_name(user), by=api)


# ---- Linear equations


def custom_linear_solve(
    matvec: Function,
    b: Any,
    solve: Function,
    transpose_solve: Function | None = None,
    symmetric: bool = False,
    has_aux: bool = False,
) -> Any:
    """The solution x of ``matvec(x) == b`` by a solver of your own, with derivatives from the equation.

    Args:
      matvec: a linear function, from and to values like ``b``. Derivatives with respect to what it closes over are
        those of the solution.
      b: the right-hand side, an array or a pytree of arrays.
      solve: ``solve(matvec, b) -> x``; it need not be differentiable.
      transpose_solve: ``transpose_solve(vecmat, b) -> x`` for the transpose of ``matvec``; reverse mode needs it.
      symmetric: whether ``matvec`` is its own transpose, so that ``solve`` serves for both.
      has_aux: whether the solvers return a pair ``(x, aux)``; aux has no derivative.

    Returns:
      x, like ``b``; with has_aux the pair ``(x, aux)``.

    Raises:
      TypeError: something is not an array, or a function returns something else than is told here; reverse mode was
        asked for and there is no ``transpose_solve``.

    >>> import cotan, cotan.numpy as cnp
    >>> def solution(a, b):
    ...     return cotan.lax.custom_linear_solve(lambda x: a * x, b, lambda f, b: b / a, symmetric=True)
    >>> [float(g) for g in cotan.grad(solution, (0, 1))(2.0, 8.0)]
    [-2.0, 0.5]
    """
    api = "custom_linear_solve"
    for function in (matvec, solve) if transpose_solve is None else (matvec, solve, transpose_solve):
        check_callable(api, function)
    if symmetric and transpose_solve is None:
        transpose_solve = solve
    values = _Values(api, "b", b)

    def apply(*flat: Any) -> list[Any]:
        return values.flatten(matvec, "matvec", matvec(values.tree.unflatten(flat)))

    forward = _staged(apply, values.avals, api, matvec)
    solver = _Solver(api, solve, "solve", values, has_aux)
    solved = _staged(lambda *flat: solver(matvec, flat), values.avals, api, solve)
    back: Lifted | None = None
    back_solved: Lifted | None = None
    if transpose_solve is not None:
        back = forward if symmetric else Lifted(_transposed(forward, len(values.avals)), forward.tracers)
        vecmat = matvec if symmetric else _vecmat(values, back)
        back_solver = _Solver(api, transpose_solve, "transpose_solve", values, has_aux)
        back_solved = _staged(lambda *flat: back_solver(vecmat, flat), values.avals, api, transpose_solve)
    programs = (forward, back, solved, back_solved)
    parts = Parts(*[*(list(program.tracers) if program else [] for program in programs), values.leaves])
    outs = solve_linear(
        parts,
        forward.closed,
        back.closed if back else None,
        solved.closed,
        back_solved.closed if back_solved else None,
        fun_name(matvec),
    )
    return solver.result(outs)


def _transposed(forward: Lifted, size: int) -> ClosedJaxpr:
    """The transpose of a linear function with respect to its arguments, as a program of the same kind."""
    known = len(forward.tracers)
    linear = (False,) * known + (True,) * size
    return transpose_jaxpr(forward.closed, linear, (False,) * size, True)[0]


def _vecmat(values: _Values, back: Lifted) -> Function:
    def vecmat(x: Any) -> Any:
        flat = values.flatten(vecmat, "the transpose of matvec,", x, "takes")
        return values.tree.unflatten(replay(back.closed.jaxpr, back.closed.consts, [*back.tracers, *flat]))

    return vecmat


# ---- Roots


def custom_root(
    f: Function, initial_guess: Any, solve: Function, tangent_solve: Function, has_aux: bool = False
) -> Any:
    """A root of ``f`` by a solver of your own, with derivatives by the implicit function theorem.

    Args:
      f: a function from and to values like ``initial_guess``. Derivatives with respect to what it closes over are
        those of the root.
      initial_guess: where the solver begins, an array or a pytree of arrays; the root does not depend on it.
      solve: ``solve(f, initial_guess) -> x`` with ``f(x) == 0``; it need not be differentiable.
      tangent_solve: ``tangent_solve(g, y) -> x`` with ``g(x) == y`` for a linear function g (``f`` linearised at the
        root); linear in y, and differentiable. For scalars: ``lambda g, y: y / g(1.0)``.
      has_aux: whether ``solve`` returns a pair ``(x, aux)``; aux has no derivative.

    Returns:
      The root, like ``initial_guess``; with has_aux the pair ``(root, aux)``.

    Raises:
      TypeError: something is not an array, or a function returns something else than is told here.

    >>> import cotan, cotan.numpy as cnp
    >>> def square_root(a):
    ...     def solve(f, x):
    ...         return cnp.sqrt(a)
    ...     return cotan.lax.custom_root(lambda x: x * x - a, a, solve, lambda g, y: y / g(1.0))
    >>> float(cotan.grad(square_root)(4.0))
    0.25
    """
    api = "custom_root"
    for function in (f, solve, tangent_solve):
        check_callable(api, function)
    values = _Values(api, "initial_guess", initial_guess)
    size = len(values.avals)

    def apply(*flat: Any) -> list[Any]:
        return values.flatten(f, "f", f(values.tree.unflatten(flat)))

    def step(*flat: Any) -> list[Any]:
        """The solution of f'(root) x = y, from the root and y."""
        _, linear = linearize(f, values.tree.unflatten(flat[:size]))
        x = tangent_solve(linear, values.tree.unflatten(flat[size:]))
        return values.flatten(tangent_solve, "tangent_solve", x)

    equation = _staged(apply, values.avals, api, f)
    solver = _Solver(api, solve, "solve", values, has_aux)
    solved = _staged(lambda *flat: solver(f, flat), values.avals, api, solve)
    stepped = _staged(step, [*values.avals, *values.avals], api, tangent_solve)
    root = _root(equation, solved, stepped, size)
    return solver.result(root(equation.tracers, solved.tracers, stepped.tracers, values.leaves))


def _run(program: Lifted, *args: Any) -> list[Any]:
    return replay(program.closed.jaxpr, program.closed.consts, [x for part in args for x in part])


def _root(equation: Lifted, solved: Lifted, stepped: Lifted, size: int) -> custom_jvp:
    """The root as a function of what the three programs close over, and of the guess."""

    @custom_jvp
    def root(of_f: Any, of_solve: Any, of_step: Any, guess: Any) -> list[Any]:
        return _run(solved, of_solve, guess)

    def rule(primals: Any, tangents: Any) -> Any:
        of_f, _, of_step, _ = primals
        outs = root(*primals)
        x = outs[:size]
        moved = [Zero(t.aval) if isinstance(t, SymbolicZero) else t for t in tangents[0]]
        _, dots = jvp_flat(lambda *consts: _run(equation, consts, x), list(of_f), moved)
        if all(type(t) is Zero for t in dots):
            return outs, [zero_from_primal(y, symbolic_zeros=True) for y in outs]
        steps = _run(stepped, of_step, x, [neg(instantiate(t)) for t in dots])
        return outs, [*steps, *(zero_from_primal(y, symbolic_zeros=True) for y in outs[size:])]

    root.defjvp(rule, symbolic_zeros=True)
    return root
