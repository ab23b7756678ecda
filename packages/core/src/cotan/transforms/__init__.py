"""Program transformations: staging, forward mode, partial evaluation, transposition, batching, rematerialisation.

Machinery only. Rules are looked up in tables, and no operation is known by name except the structural ones that the
machinery itself emits.
"""
