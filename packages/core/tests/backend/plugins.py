"""Plugins for tests, installed the way real ones are: a folder on the path with a module and its dist-info."""

from __future__ import annotations

import importlib
import sys
import textwrap
from pathlib import Path

import pytest

from cotan.backend import registry


class Site:
    """A folder of installed test distributions; only these are seen, unless ``also_real``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: list[str] = []

    def install(self, name: str, source: str, *, entry: str | None = None) -> None:
        """A distribution ``name`` whose module of the same name has this source."""
        module = name.replace("-", "_")
        (self.folder / f"{module}.py").write_text(textwrap.dedent(source))
        info = self.folder / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[cotan.backends]\n{entry or name} = {module}\n")
        self.modules.append(module)
        importlib.invalidate_caches()
        registry.reset()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """An environment in which only the distributions that the test installs are found."""
    from importlib.metadata import DistributionFinder, MetadataPathFinder

    place = Site(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    context = DistributionFinder.Context(path=[str(tmp_path)])

    def entry_points():
        for dist in MetadataPathFinder.find_distributions(context):
            yield from dist.entry_points.select(group=registry.GROUP)

    monkeypatch.setattr(registry, "_entry_points", entry_points)
    with registry.aside():
        yield place
    for module in place.modules:
        sys.modules.pop(module, None)
