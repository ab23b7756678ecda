"""Error rules of what holds programs: calls, loops, branches, functions with rules of their own.

The programs are checked, and their errors come back as results. A loop carries the first error of its steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cotan.experimental.checkify.errors import Sites
from cotan.experimental.checkify.state import State, none
from cotan.experimental.checkify.transform import Checker, checked, checks, with_sites
from cotan.ir.jaxpr import ClosedJaxpr
from cotan.ir.primitive import Primitive
from cotan.primitives.call import jit_p, remat_p
from cotan.primitives.control.cond import cond_p
from cotan.primitives.control.scan import scan_p
from cotan.primitives.control.while_loop import while_p
from cotan.primitives.custom_jvp import BatchedTracedJVP, custom_jvp_call_p
from cotan.primitives.custom_solve import custom_linear_solve_p
from cotan.primitives.custom_vjp import BatchedTracedVJP, Forward, custom_vjp_call_p
from cotan.primitives.custom_vmap import custom_vmap_call_p
from cotan.primitives.linear_call import linear_call_p
from cotan.transforms.cache import weakly_cached
from cotan.transforms.stage import replay, stage_closed


def _call(primitive: Primitive) -> None:
    @checks(primitive)
    def rule(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        program = checked(params["jaxpr"], checker.enabled)
        return checker.after(program.sites, primitive.bind(*args, **{**params, "jaxpr": program.closed}))


_call(jit_p)
_call(remat_p)


# ---- Branches and loops


@checks(cond_p)
def _cond(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    programs = [checked(one, checker.enabled) for one in params["branches"]]
    sites = Sites({site for one in programs for site in one.sites.sites})
    branches = tuple(with_sites(one, sites) if sites else one.closed for one in programs)
    return checker.after(sites, cond_p.bind(*args, branches=branches))


@checks(scan_p)
def _scan(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    program = checked(params["jaxpr"], checker.enabled)
    if not program.sites:
        return scan_p.bind(*args, **{**params, "jaxpr": program.closed})  # type: ignore[no-any-return]
    consts, count = params["num_consts"], program.count
    body = _carrying(program.closed, program.sites, consts)
    operands = [*args[:consts], *none.flat(program.sites), *args[consts:]]
    changed = {**params, "jaxpr": body, "num_carry": params["num_carry"] + count}
    return checker.after(program.sites, scan_p.bind(*operands, **changed))


@weakly_cached
def _carrying(closed: ClosedJaxpr, sites: Sites, consts: int) -> ClosedJaxpr:
    """A checked body that carries the first error: from (consts, error, ...) to (error, ...)."""
    count = len(sites)

    def fun(*flat: Any) -> list[Any]:
        before = State.from_flat(sites, flat[consts : consts + count])
        results = replay(closed.jaxpr, closed.consts, [*flat[:consts], *flat[consts + count :]])
        return [*before.then(State.from_flat(sites, results[:count])).flat(sites), *results[count:]]

    avals = closed.in_avals
    return stage_closed(fun, [*avals[:consts], *sites.avals, *avals[consts:]], name=closed.jaxpr.name)


@checks(while_p)
def _while(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    cond, body = checked(params["cond_jaxpr"], checker.enabled), checked(params["body_jaxpr"], checker.enabled)
    sites = cond.sites | body.sites
    if not sites:
        plain = {**params, "cond_jaxpr": cond.closed, "body_jaxpr": body.closed}
        return while_p.bind(*args, **plain)  # type: ignore[no-any-return]
    first, consts = params["cond_nconsts"], params["body_nconsts"]
    cond_consts, body_consts, carry = args[:first], args[first : first + consts], args[first + consts :]
    start = none
    if cond.sites:
        found = replay(cond.closed.jaxpr, cond.closed.consts, [*cond_consts, *carry])
        start = State.from_flat(cond.sites, found[: cond.count])
    programs = _while_programs(body.closed, cond.closed, body.sites, cond.sites, first, consts)
    results = while_p.bind(
        *cond_consts, *cond_consts, *body_consts, *start.flat(sites), *carry, cond_jaxpr=programs[0],
        body_jaxpr=programs[1], cond_nconsts=first, body_nconsts=first + consts,
    )  # fmt: skip
    return checker.after(sites, results)


@weakly_cached
def _while_programs(
    body: ClosedJaxpr, cond: ClosedJaxpr, body_sites: Sites, cond_sites: Sites, first: int, consts: int
) -> tuple[ClosedJaxpr, ClosedJaxpr]:
    """Condition and body with the first error as first carry; the body asks for the condition's errors, too."""
    sites = cond_sites | body_sites
    count = len(sites)

    def condition(*flat: Any) -> list[Any]:
        return replay(cond.jaxpr, cond.consts, [*flat[:first], *flat[first + count :]])[-1:]

    def step(*flat: Any) -> list[Any]:
        before, carry = flat[first + consts : first + consts + count], flat[first + consts + count :]
        results = replay(body.jaxpr, body.consts, [*flat[first : first + consts], *carry])
        inner = len(body_sites) if body_sites else 0
        state = State.from_flat(sites, before).then(State.from_flat(body_sites, results[:inner]))
        if cond_sites:
            asked = replay(cond.jaxpr, cond.consts, [*flat[:first], *results[inner:]])
            state = state.then(State.from_flat(cond_sites, asked[: len(cond_sites)]))
        return [*state.flat(sites), *results[inner:]]

    cond_avals, body_avals = cond.in_avals, body.in_avals
    name = body.jaxpr.name
    return (
        stage_closed(condition, [*cond_avals[:first], *sites.avals, *cond_avals[first:]], name=name),
        stage_closed(step, [*cond_avals[:first], *body_avals[:consts], *sites.avals, *body_avals[consts:]], name=name),
    )


# ---- Functions with rules for derivatives: errors are those of the function itself, and have no derivative


class _CheckedJVP:
    """The rule for tangents of a checked function: results are by the rule, errors by the function."""

    def __init__(self, inner: Any, program: ClosedJaxpr, count: int) -> None:
        self.inner, self.program, self.count = inner, program, count
        self.name, self.kind, self.symbolic_zeros = inner.name, inner.kind, inner.symbolic_zeros

    def __repr__(self) -> str:
        return str(self.name)

    def closed(self, nonzero: tuple[bool, ...]) -> tuple[ClosedJaxpr, tuple[bool, ...]]:
        """As that of ``TracedJVP``."""
        closed, out_mask = self.inner.closed(nonzero)
        return _beside(_unchecked(closed), self.program, self.count), (False,) * self.count + out_mask

    def batched(self, axis: Any, dims: Any, out_dims: Any) -> BatchedTracedJVP:
        """As that of ``TracedJVP``."""
        return BatchedTracedJVP(self, axis, dims, out_dims)  # type: ignore[arg-type]


def _unchecked(closed: ClosedJaxpr) -> ClosedJaxpr:
    return checked(closed, frozenset()).closed


@weakly_cached
def _beside(closed: ClosedJaxpr, program: ClosedJaxpr, count: int) -> ClosedJaxpr:
    """``closed`` with the first ``count`` results of ``program``, which takes its first arguments, before its own."""

    def fun(*args: Any) -> list[Any]:
        errors = replay(program.jaxpr, program.consts, args[: len(program.in_avals)])[:count]
        return [*errors, *replay(closed.jaxpr, closed.consts, args)]

    return stage_closed(fun, closed.in_avals, name=closed.jaxpr.name)


class _CheckedVJP:
    """The rule for reverse mode of a checked function."""

    def __init__(self, inner: Any, program: ClosedJaxpr, count: int) -> None:
        self.inner, self.program, self.count = inner, program, count
        self.name, self.kind = inner.name, inner.kind

    def __repr__(self) -> str:
        return str(self.name)

    def forward(self, nonzero: tuple[bool, ...]) -> Forward:
        """As that of ``TracedVJP``."""
        found = self.inner.forward(nonzero)
        closed = _beside(_unchecked(found.closed), self.program, self.count)
        return Forward(closed, found.results + self.count, _AfterErrors(found.backward, self.count))

    def batched(self, axis: Any, dims: Any, out_dims: Any) -> BatchedTracedVJP:
        """As that of ``TracedVJP``."""
        return BatchedTracedVJP(self, axis, dims, out_dims)  # type: ignore[arg-type]


class _AfterErrors:
    """A backward function whose first ``count`` cotangents are those of an error."""

    def __init__(self, inner: Any, count: int) -> None:
        self.inner, self.count, self.name = inner, count, inner.name

    def __repr__(self) -> str:
        return str(self.name)

    def pull(self, residuals: Sequence[Any], cts: Sequence[Any]) -> list[Any]:
        """As that of ``Backward``."""
        back: list[Any] = self.inner.pull(residuals, cts[self.count :])
        return back


def _custom(primitive: Primitive, rule_of: Any) -> None:
    @checks(primitive)
    def rule(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        program = checked(params["call_jaxpr"], checker.enabled)
        if program.closed is params["call_jaxpr"]:
            return primitive.bind(*args, **params)  # type: ignore[no-any-return]
        changed = rule_of(params["rule"], program.closed, program.count)
        results = primitive.bind(*args, **{**params, "call_jaxpr": program.closed, "rule": changed})
        return checker.after(program.sites, results)


_custom(custom_jvp_call_p, _CheckedJVP)
_custom(custom_vjp_call_p, _CheckedVJP)


def _in_place(primitive: Primitive) -> None:
    """A function with a rule that says nothing of errors is replaced by its operations, if these may go wrong."""

    @checks(primitive)
    def rule(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
        program = checked(params["call_jaxpr"], checker.enabled)
        if program.closed is params["call_jaxpr"]:
            return primitive.bind(*args, **params)  # type: ignore[no-any-return]
        return checker.after(program.sites, replay(program.closed.jaxpr, program.closed.consts, args))


_in_place(custom_vmap_call_p)
_in_place(linear_call_p)


@checks(custom_linear_solve_p)
def _solve(checker: Checker, args: Sequence[Any], params: dict[str, Any]) -> list[Any]:
    """The errors of the solver are the last of what it tells beside the solution; the other programs tell nothing."""
    program = checked(params["solve"], checker.enabled)
    changed = {
        name: _unchecked(params[name]) if params[name] is not None else None
        for name in ("matvec", "vecmat", "transpose_solve")
    }
    solve = _errors_last(program.closed, program.count) if program.sites else program.closed
    results = custom_linear_solve_p.bind(*args, **{**params, **changed, "solve": solve})
    own = len(results) - program.count
    return checker.after(program.sites, [*results[own:], *results[:own]])


@weakly_cached
def _errors_last(closed: ClosedJaxpr, count: int) -> ClosedJaxpr:
    outvars = closed.jaxpr.outvars
    return ClosedJaxpr(closed.jaxpr.replace(outvars=[*outvars[count:], *outvars[:count]]), closed.consts)
