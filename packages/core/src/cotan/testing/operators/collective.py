"""Collectives, which mean nothing for one example alone: they run in tests/lax/test_parallel.py, under vmap."""

from __future__ import annotations

from cotan.primitives import collective
from cotan.testing.operators.table import operator

operator(collective.psum_p, ())
operator(collective.pmax_p, ())
operator(collective.pmin_p, ())
operator(collective.all_gather_p, ())
operator(collective.psum_scatter_p, ())
operator(collective.all_to_all_p, ())
operator(collective.ppermute_p, ())
operator(collective.pbroadcast_p, ())
operator(collective.axis_index_p, ())
