"""The language: abstract values, primitives, rule tables, traces, jaxprs, kernels and programs. Data, and no mathematics."""
