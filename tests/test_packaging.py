"""The metadata of the package: dependencies, entry points, presets and the folders of the source distribution."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

from voiceloop.config.load import presets

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = PYPROJECT["project"]
MODULES = {"webrtcvad-wheels": "webrtcvad", "python-xlib": "Xlib", "hibari-tts": "hibari", "piper-tts": "piper"}
"""The modules of distributions that have another name than their module."""


def imported(folder: str = "voiceloop") -> set[str]:
    """Return the top-level packages that a folder's code imports, without itself and the standard library."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {folder}


def required(lines: list[str]) -> set[str]:
    names = (re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines)
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def test_every_imported_package_is_required_and_every_required_one_is_imported() -> None:
    optional = {name for lines in PROJECT["optional-dependencies"].values() for name in required(lines)}
    always = required(PROJECT["dependencies"])
    assert always - imported() == set()
    assert imported() - always - optional - {"pydantic_core"} == set()


def test_every_entry_point_names_an_existing_object() -> None:
    for points in PROJECT["entry-points"].values():
        for target in points.values():
            module, _, name = target.partition(":")
            assert hasattr(importlib.import_module(module), name), target


def test_the_presets_are_the_files_in_configs() -> None:
    assert set(presets()) == {path.stem for path in (ROOT / "configs").glob("*.toml")} >= {"assistant", "offline"}


def test_the_source_distribution_and_mypy_include_every_folder_that_the_tests_import() -> None:
    ours = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert {"voiceloop", "bench", "testbed", "tests"} <= ours
    needed = {name for folder in ("tests", "testbed", "bench") for name in imported(folder) & ours} | {"tests"}
    assert needed == ours
    assert ours <= set(PYPROJECT["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert ours == set(PYPROJECT["tool"]["mypy"]["files"])
