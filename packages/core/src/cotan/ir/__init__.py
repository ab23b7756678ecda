"""The language: abstract values, primitives, rule tables, traces, jaxprs, kernels, Programs. Data, no mathematics."""
