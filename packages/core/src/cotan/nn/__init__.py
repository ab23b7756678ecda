"""cotan.nn: activations and normalisations of neural networks."""

from cotan import tracebacks as _tracebacks
from cotan.nn import initializers as initializers
from cotan.nn.attention import dot_product_attention as dot_product_attention
from cotan.nn.functions import celu as celu
from cotan.nn.functions import elu as elu
from cotan.nn.functions import gelu as gelu
from cotan.nn.functions import glu as glu
from cotan.nn.functions import hard_sigmoid as hard_sigmoid
from cotan.nn.functions import hard_silu as hard_silu
from cotan.nn.functions import hard_swish as hard_swish
from cotan.nn.functions import hard_tanh as hard_tanh
from cotan.nn.functions import identity as identity
from cotan.nn.functions import leaky_relu as leaky_relu
from cotan.nn.functions import log1mexp as log1mexp
from cotan.nn.functions import log_sigmoid as log_sigmoid
from cotan.nn.functions import log_softmax as log_softmax
from cotan.nn.functions import logmeanexp as logmeanexp
from cotan.nn.functions import logsumexp as logsumexp
from cotan.nn.functions import mish as mish
from cotan.nn.functions import one_hot as one_hot
from cotan.nn.functions import relu as relu
from cotan.nn.functions import relu6 as relu6
from cotan.nn.functions import selu as selu
from cotan.nn.functions import sigmoid as sigmoid
from cotan.nn.functions import silu as silu
from cotan.nn.functions import soft_sign as soft_sign
from cotan.nn.functions import softmax as softmax
from cotan.nn.functions import softplus as softplus
from cotan.nn.functions import sparse_plus as sparse_plus
from cotan.nn.functions import sparse_sigmoid as sparse_sigmoid
from cotan.nn.functions import squareplus as squareplus
from cotan.nn.functions import standardize as standardize
from cotan.nn.functions import swish as swish
from cotan.nn.functions import tanh as tanh
from cotan.nn.scaled import get_scaled_dot_general_config as get_scaled_dot_general_config
from cotan.nn.scaled import scaled_dot_general as scaled_dot_general
from cotan.nn.scaled import scaled_matmul as scaled_matmul
from cotan.runtime.nans import seen_only as _seen_only

_tracebacks.guard(globals(), again=_seen_only)
