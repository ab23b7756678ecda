from cotan.testing.conformance.suite import *  # noqa: F403

BACKEND = "opencl"
