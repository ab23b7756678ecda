"""cotan.debug: looking into programs while they run. Names only."""

from cotan.api.debugging import callback as callback
from cotan.api.debugging import log as log
from cotan.api.debugging import print as print
from cotan.ir.effects import DebugEffect as DebugEffect
from cotan.ir.effects import OrderedDebugEffect as OrderedDebugEffect
