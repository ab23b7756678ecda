"""The conformance kit on the complete backend, at all that it claims: doors 1 and 2."""

from cotan.testing.conformance.suite import *  # noqa: F403

BACKEND = "example"
