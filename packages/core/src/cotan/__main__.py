"""``python -m cotan info``: what is installed, which backends were found, and why one of them cannot be used."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from cotan.backend import registry
from cotan.errors import BackendUnavailableError


def _version_of(distribution: str) -> str:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return "not installed"


def _requirements(distribution: str) -> str:
    """What a backend's distribution depends on, besides cotan, with the versions that are installed."""
    try:
        wanted = requires(distribution) or []
    except PackageNotFoundError:
        return ""
    names = [re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in wanted if "extra ==" not in line]
    return ", ".join(f"{name} {_version_of(name)}" for name in names if name != "cotan")


def info() -> str:
    """The report that ``python -m cotan info`` prints."""
    lines = [
        f"cotan {_version_of('cotan')}, Python {platform.python_version()}, {platform.platform()}",
        "  " + ", ".join(f"{name} {_version_of(name)}" for name in ("numpy", "ml_dtypes", "pluggy")),
        "",
    ]
    items = registry.backends_found()
    lines.append("backends" if items else registry.INSTALL)
    width = max([12, *(len(item.name) for item in items)])
    for item in items:
        probe = item.probe()
        lines.append(f"  {item.name:<{width}} {'usable' if probe.usable else 'not usable'}   {item.source}")
        details = [probe.version, _requirements(item.source.split(" ")[0]), *probe.devices]
        lines.extend(f"  {'':<{width}} {detail}" for detail in details if detail)
        if not probe.usable:
            lines.append(f"  {'':<{width}} because {' '.join(probe.reason.split()) or 'it gave no reason'}")
        lines.extend(f"  {'':<{width}} {note}" for note in item.notes)
    try:
        default = registry.default_backend()
        version_of_platform = f" ({default.platform_version})" if default.platform_version else ""
        lines += ["", f"default backend: {default.name}{version_of_platform}"]
    except BackendUnavailableError as error:
        lines += ["", f"default backend: none ({error})"]
    settings = {name: value for name, value in sorted(os.environ.items()) if name.startswith("COTAN_")}
    if settings:
        lines += ["", "environment", *(f"  {name}={value}" for name, value in settings.items())]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run a command; the exit status."""
    if arguments == ["info"]:
        print(info())
        return 0
    print("usage: python -m cotan info", file=sys.stderr)
    return 0 if arguments in (["-h"], ["--help"]) else 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
