"""cotan.scipy.cluster: grouping of observations."""

from cotan.scipy.cluster import vq as vq
