"""The conformance kit on the first step, which opens door 1 alone."""

from cotan.testing.conformance.suite import *  # noqa: F403

BACKEND = "example-first"
LEVEL = "eager"
