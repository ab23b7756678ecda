"""Policies of ``checkpoint``: which values of the forward pass may be kept for the backward pass.

A policy is called as ``policy(primitive, *operand avals, **params)`` and says whether the results of such an operation
may be kept: by True or False, or by `Saveable`, `Recompute` or `Offloadable`. Policies made twice with the same names
are equal, so that programs transformed under one are found again.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

from cotan.errors import where
from cotan.ir.primitive import Primitive
from cotan.primitives.call import name_p
from cotan.primitives.dot import dot_general_p
from cotan.transforms.remat import Policy


@dataclass(frozen=True)
class Decision:
    """What a policy may answer instead of True or False: `Saveable` or `Recompute`."""

    keeps: bool

    def __bool__(self) -> bool:
        return self.keeps

    def __repr__(self) -> str:
        return "Saveable" if self.keeps else "Recompute"


Saveable, Recompute = Decision(True), Decision(False)


class Offloadable(NamedTuple):
    """What a policy may answer: keep it, in another memory. Devices here have one, in which it is kept.

    >>> from cotan.ad_checkpoint import Offloadable
    >>> bool(Offloadable("device", "pinned_host"))
    True
    """

    src: str
    dst: str


def _everything(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Keep all values."""
    return True


def _nothing(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Keep no value."""
    return False


def _dots(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Keep products of matrices."""
    return primitive is dot_general_p


def _dots_without_batch(primitive: Primitive, *avals: Any, **params: Any) -> bool:
    """Keep products of matrices that have no batch axes, such as those of activations and weights."""
    return primitive is dot_general_p and not params["dimension_numbers"][1][0]


# ---- By name


def _names(what: str, names: Any) -> frozenset[str]:
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"{where()}: checkpoint_policies.{what} makes a policy from names, which are strings, got {name!r}; "
                f'write policy=cotan.checkpoint_policies.{what}("a name", ...)'
            )
    return frozenset(names)


@dataclass(frozen=True)
class ByName:
    """Keep a value marked by ``checkpoint_name`` if its name is among ``names`` (or, with ``but``, if it is not).

    ``others`` says whether values without a name are kept.
    """

    names: frozenset[str]
    but: bool = False
    others: bool = False

    def __call__(self, primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return (params["name"] in self.names) != self.but if primitive is name_p else self.others


def _save_only_these_names(*names: str) -> Policy:
    """Keep only values marked by ``checkpoint_name`` with one of ``names``."""
    return ByName(_names("save_only_these_names", names))


def _save_any_names_but_these(*names: str) -> Policy:
    """Keep all values marked by ``checkpoint_name``, but for these ``names``."""
    return ByName(_names("save_any_names_but_these", names), but=True)


def _save_anything_except_these_names(*names: str) -> Policy:
    """Keep all values, marked or not, but for those marked by ``checkpoint_name`` with one of ``names``."""
    return ByName(_names("save_anything_except_these_names", names), but=True, others=True)


# ---- Combined, and for memories of several kinds


@dataclass(frozen=True)
class Either:
    """Keep what either policy allows."""

    first: Policy
    second: Policy

    def __call__(self, primitive: Primitive, *avals: Any, **params: Any) -> bool:
        return self.first(primitive, *avals, **params) or self.second(primitive, *avals, **params)


def _save_from_both_policies(policy_1: Policy, policy_2: Policy) -> Policy:
    """Keep what either policy allows."""
    for policy in (policy_1, policy_2):
        if not callable(policy):
            raise TypeError(
                f"{where()}: checkpoint_policies.save_from_both_policies takes two policies, got {policy!r} as one"
            )
    return Either(policy_1, policy_2)


def _save_and_offload_only_these_names(
    *, names_which_can_be_saved: Any, names_which_can_be_offloaded: Any, offload_src: str, offload_dst: str
) -> Policy:
    """Keep only values marked by ``checkpoint_name`` with one of the names.

    Devices here have one kind of memory: what may be offloaded is kept where it is.
    """
    saved = _names("save_and_offload_only_these_names", names_which_can_be_saved)
    offloaded = _names("save_and_offload_only_these_names", names_which_can_be_offloaded)
    if saved & offloaded:
        raise ValueError(
            f"{where()}: checkpoint_policies.save_and_offload_only_these_names: a value is either saved or offloaded, "
            f"but {sorted(saved & offloaded)} are named as both"
        )
    return ByName(saved | offloaded)


def _offload_dot_with_no_batch_dims(offload_src: str, offload_dst: str) -> Policy:
    """Keep products of matrices that have no batch axes.

    Devices here have one kind of memory: what may be offloaded is kept where it is.
    """
    return _dots_without_batch


checkpoint_policies = SimpleNamespace(
    everything_saveable=_everything,
    nothing_saveable=_nothing,
    dots_saveable=_dots,
    checkpoint_dots=_dots,
    dots_with_no_batch_dims_saveable=_dots_without_batch,
    checkpoint_dots_with_no_batch_dims=_dots_without_batch,
    offload_dot_with_no_batch_dims=_offload_dot_with_no_batch_dims,
    save_anything_except_these_names=_save_anything_except_these_names,
    save_any_names_but_these=_save_any_names_but_these,
    save_only_these_names=_save_only_these_names,
    save_from_both_policies=_save_from_both_policies,
    save_and_offload_only_these_names=_save_and_offload_only_these_names,
)

# What is called to make a policy, and mistaken for one at times.
MAKERS = tuple(maker for name, maker in vars(checkpoint_policies).items() if name.startswith(("save_", "offload_")))
