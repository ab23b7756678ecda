"""Configuration of the documentation: MyST pages, the executed ones through myst-nb."""

import importlib
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent / "packages" / "core" / "tests")]
importlib.import_module("support").write()  # reference/support.md

project = "cotan"
author = "the cotan developers"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
myst_enable_extensions = ["colon_fence", "deflist"]
exclude_patterns = ["_build", "example-backend"]
autodoc_typehints = "none"
autodoc_default_options = {"exclude-members": "Any"}  # of modules whose imported names are documented
napoleon_use_ivar = True  # attributes of a class's docstring beside its properties
autodoc_member_order = "bysource"
