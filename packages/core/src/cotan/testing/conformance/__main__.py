"""``python -m cotan.testing.conformance --backend NAME``: runs the kit, prints a summary, writes the support table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cotan.errors import BackendUnavailableError
from cotan.testing.conformance import BATCH, LEVELS, Case, Outcome, run
from cotan.testing.conformance.catalogue import write_manifest

NEEDED = ("mpmath", "scipy")
"""What the extra ``testing`` brings for the kit."""


def main(arguments: list[str]) -> int:
    """Run the command; its exit status is 0 if the backend conforms, 1 if not, 2 for what cannot be run."""
    parser = argparse.ArgumentParser(prog="python -m cotan.testing.conformance", description="Test a backend of cotan.")
    parser.add_argument("--backend", help="its name")
    parser.add_argument("--level", choices=LEVELS, help="the door to test; all that it claims if not told")
    parser.add_argument("--report", type=Path, metavar="FILE", help="write the support table (Markdown) there")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write the counts of this backend into that page")
    parser.add_argument("--expected", type=Path, metavar="FILE", help="expected failures (TOML)")
    parser.add_argument("--only", default="", metavar="CASES", help="the beginning of names, or a pattern of them")
    parser.add_argument("--batch", type=int, default=BATCH, help=f"programs that are compiled as one ({BATCH})")
    parser.add_argument("--device", type=int, default=0, help="the number of the device (0)")
    parser.add_argument(
        "--patience", type=float, default=600, metavar="SECONDS", help="the longest that a case may take (600)"
    )
    parser.add_argument("--verbose", action="store_true", help="name every case")
    parser.add_argument("--write-manifest", action="store_true", help="write the list of all cases anew")
    given = parser.parse_args(arguments)
    if given.write_manifest:
        write_manifest()
        return 0
    if given.backend is None:
        parser.error("--backend is needed")
    if given.summary is not None and given.only:
        parser.error("--summary counts all cases: leave out --only")
    if given.batch < 1:
        parser.error("--batch is at least 1")
    if not given.patience > 0:
        parser.error("--patience is a time in seconds, more than 0")
    if given.expected is not None and not given.expected.exists():
        parser.error(f"there is no file {given.expected}")

    def tell(case: Case, outcome: Outcome) -> None:
        if outcome.status == "failed":
            print(f"FAILED {case.name}\n    {outcome.message.strip()}\n".replace("\n", "\n    ").rstrip(), flush=True)
        elif given.verbose:
            print(f"{outcome.status:<8} {case.name}", flush=True)

    try:
        report = run(
            given.backend,
            given.level,
            only=given.only,
            expected=given.expected,
            batch=given.batch,
            device=given.device,
            progress=tell,
            patience=given.patience,
        )
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        print(f'the kit needs `{error.name}`: pip install "cotan[testing]"', file=sys.stderr)
        return 2
    except (BackendUnavailableError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(report.summary())
    if given.report is not None:
        given.report.write_text(report.table(), encoding="utf-8")
    if given.summary is not None:
        page = given.summary.read_text(encoding="utf-8") if given.summary.exists() else ""
        given.summary.write_text(report.into(page), encoding="utf-8")
    return 0 if report.passed else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
