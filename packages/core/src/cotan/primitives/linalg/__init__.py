"""Linear algebra: factorisations of stacks of matrices, and solutions of equations, as primitives.

Matrices are the last two axes; axes before them are a stack. Factorisations are the work of a library; derivatives are
compositions by formulas of matrix calculus (M. Giles, Collected matrix derivative results for forward and reverse mode
algorithmic differentiation, 2008; J. Townsend, Differentiating the singular value decomposition, 2016).
"""

from cotan.primitives.linalg import condensed, eigen, elimination, factors, orthogonal, schur, solves, spectral

__all__ = ["condensed", "eigen", "elimination", "factors", "orthogonal", "schur", "solves", "spectral"]
