"""Programs in an interpreter of their own: for what is decided once in a process, or by its environment."""

from __future__ import annotations

import os
import subprocess
import sys


def python(program, **environment):
    """The lines that a fresh interpreter prints."""
    result = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.split("\n")[:-1]
