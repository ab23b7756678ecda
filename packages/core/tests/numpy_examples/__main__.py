"""Prints how many of NumPy's examples there are, why some are left out, and how many of the others agree.

Run with the tests on the path: ``PYTHONPATH=packages/core/tests python -m numpy_examples [--all]``.
"""

from __future__ import annotations

import sys
from collections import Counter

from numpy_examples.categories import CATEGORIES
from numpy_examples.running import outcomes


def main(arguments: list[str]) -> None:
    found = list(outcomes())
    left_out = Counter(o.category for o in found if o.category)
    compared = [o for o in found if o.category is None]
    different = [o for o in compared if o.difference]
    print(f"{len(found)} examples; {len(found) - len(compared)} are left out by category:")
    reasons = {c.name: c.reason for c in CATEGORIES}
    for name, count in left_out.most_common():
        print(f"  {count:5} {name}: {reasons.get(name, '')}")
    agree = len(compared) - len(different)
    print(f"{len(compared)} are compared, {agree} agree: {100 * agree / len(compared):.2f} %")
    for o in different if "--all" in arguments else ():
        print(f"\n{o.example.name}\n  {o.example.source.strip()}\n  {o.difference[:400]}")


if __name__ == "__main__":
    main(sys.argv[1:])
