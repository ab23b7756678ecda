"""What tests of primitives and of backends are made from. Nothing else in cotan may import it.

``operators`` holds sample calls of every primitive, ``random_programs`` draws programs, ``reference`` is a backend that
runs the primitives' references, and ``conformance`` is the kit by which authors of backends test theirs. All of it
needs ``pip install "cotan[testing]"``.
"""
