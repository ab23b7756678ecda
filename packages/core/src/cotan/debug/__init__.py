"""cotan.debug: looking into programs while they run. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.api.breakpoints import breakpoint as breakpoint
from cotan.api.debugging import callback as callback
from cotan.api.debugging import log as log
from cotan.api.debugging import print as print
from cotan.api.shardings import inspect_array_sharding as inspect_array_sharding
from cotan.api.shardings import visualize_array_sharding as visualize_array_sharding
from cotan.api.shardings import visualize_sharding as visualize_sharding
from cotan.ir.effects import DebugEffect as DebugEffect
from cotan.ir.effects import OrderedDebugEffect as OrderedDebugEffect

_tracebacks.guard(globals(), "cotan.api", "cotan.debug")
