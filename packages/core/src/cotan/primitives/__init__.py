"""The catalogue of operations: one file per family, every rule of a primitive side by side, in one fixed order.

Public function, abstract, jvp, transpose, batch, reference, kernel, decompose. ``define`` makes the usual kinds in few
lines. Nothing here knows a backend or how programs are scheduled.
"""
