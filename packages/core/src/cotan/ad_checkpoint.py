"""cotan.ad_checkpoint: rematerialisation, its policies, and a look at what is kept. Names only."""

from cotan import tracebacks as _tracebacks
from cotan.api.checkpoint import checkpoint as checkpoint
from cotan.api.checkpoint import checkpoint_name as checkpoint_name
from cotan.api.checkpoint import remat as remat
from cotan.api.policies import Offloadable as Offloadable
from cotan.api.policies import Recompute as Recompute
from cotan.api.policies import Saveable as Saveable
from cotan.api.policies import checkpoint_policies as checkpoint_policies
from cotan.api.residuals import print_saved_residuals as print_saved_residuals

_tracebacks.guard(globals(), "cotan.api")
