"""cotan.custom_derivatives: rules of your own for derivatives. Names only."""

from typing import Any as _Any

from cotan import tracebacks as _tracebacks
from cotan.api.closures import closure_convert as closure_convert
from cotan.api.closures import custom_gradient as custom_gradient
from cotan.api.custom_jvp import custom_jvp as custom_jvp
from cotan.api.custom_rules import CustomVJPPrimal as CustomVJPPrimal
from cotan.api.custom_rules import SymbolicZero as SymbolicZero
from cotan.api.custom_rules import custom_vjp_primal_tree_values as custom_vjp_primal_tree_values
from cotan.api.custom_rules import zero_from_primal as zero_from_primal
from cotan.api.custom_vjp import custom_vjp as custom_vjp
from cotan.api.linear_call import linear_call as linear_call
from cotan.left_out import missing as _missing
from cotan.primitives.custom_jvp import custom_jvp_call_p as custom_jvp_call_p
from cotan.primitives.custom_vjp import custom_vjp_call_p as custom_vjp_call_p


def __getattr__(name: str) -> _Any:
    raise AttributeError(_missing(__name__, name))


_tracebacks.guard(globals(), "cotan.api")
