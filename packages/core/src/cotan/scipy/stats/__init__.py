"""cotan.scipy.stats: densities and distribution functions, ranks, kernel density estimates."""

from cotan import tracebacks as _tracebacks
from cotan.runtime.nans import seen_only as _seen_only
from cotan.scipy.stats import (
    bernoulli as bernoulli,
)
from cotan.scipy.stats import (
    beta as beta,
)
from cotan.scipy.stats import (
    betabinom as betabinom,
)
from cotan.scipy.stats import (
    binom as binom,
)
from cotan.scipy.stats import (
    cauchy as cauchy,
)
from cotan.scipy.stats import (
    chi2 as chi2,
)
from cotan.scipy.stats import (
    dirichlet as dirichlet,
)
from cotan.scipy.stats import (
    expon as expon,
)
from cotan.scipy.stats import (
    gamma as gamma,
)
from cotan.scipy.stats import (
    gennorm as gennorm,
)
from cotan.scipy.stats import (
    geom as geom,
)
from cotan.scipy.stats import (
    gumbel_l as gumbel_l,
)
from cotan.scipy.stats import (
    gumbel_r as gumbel_r,
)
from cotan.scipy.stats import (
    laplace as laplace,
)
from cotan.scipy.stats import (
    logistic as logistic,
)
from cotan.scipy.stats import (
    multinomial as multinomial,
)
from cotan.scipy.stats import (
    multivariate_normal as multivariate_normal,
)
from cotan.scipy.stats import (
    nbinom as nbinom,
)
from cotan.scipy.stats import (
    norm as norm,
)
from cotan.scipy.stats import (
    pareto as pareto,
)
from cotan.scipy.stats import (
    poisson as poisson,
)
from cotan.scipy.stats import (
    t as t,
)
from cotan.scipy.stats import (
    truncnorm as truncnorm,
)
from cotan.scipy.stats import (
    uniform as uniform,
)
from cotan.scipy.stats import (
    vonmises as vonmises,
)
from cotan.scipy.stats import (
    wrapcauchy as wrapcauchy,
)
from cotan.scipy.stats.kde import gaussian_kde as gaussian_kde
from cotan.scipy.stats.ranks import mode as mode
from cotan.scipy.stats.ranks import rankdata as rankdata
from cotan.scipy.stats.ranks import sem as sem

_tracebacks.guard(globals(), again=_seen_only)
for _module in (
    bernoulli,
    beta,
    betabinom,
    binom,
    cauchy,
    chi2,
    dirichlet,
    expon,
    gamma,
    gennorm,
    geom,
    gumbel_l,
    gumbel_r,
    laplace,
    logistic,
    multinomial,
    multivariate_normal,
    nbinom,
    norm,
    pareto,
    poisson,
    t,
    truncnorm,
    uniform,
    vonmises,
    wrapcauchy,
):
    _tracebacks.guard(vars(_module), again=_seen_only)
