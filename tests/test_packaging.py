"""What the package says of itself: dependencies, entry points, data."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib
from pathlib import Path

from voiceloop.config.load import presets

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MODULES = {"webrtcvad-wheels": "webrtcvad", "python-xlib": "Xlib"}
"""Distributions whose module has another name."""


def imported() -> set[str]:
    """Every package that voiceloop imports and that doesn't come with Python."""
    found: set[str] = set()
    for path in (ROOT / "voiceloop").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            found |= {name.partition(".")[0] for name in names}
    return found - set(sys.stdlib_module_names) - {"voiceloop"}


def required(lines: list[str]) -> set[str]:
    names = (re.split(r"[^\w.-]", line, maxsplit=1)[0] for line in lines)
    return {MODULES.get(name, name.replace("-", "_")) for name in names}


def test_what_is_imported_is_required_and_what_is_required_is_imported() -> None:
    optional = {name for lines in PROJECT["optional-dependencies"].values() for name in required(lines)}
    always = required(PROJECT["dependencies"])
    assert always - imported() == set()
    assert imported() - always - optional - {"pydantic_core"} == set()


def test_every_entry_point_leads_somewhere() -> None:
    for points in PROJECT["entry-points"].values():
        for target in points.values():
            module, _, name = target.partition(":")
            assert hasattr(importlib.import_module(module), name), target


def test_the_presets_are_those_of_the_checkout() -> None:
    assert set(presets()) == {path.stem for path in (ROOT / "configs").glob("*.toml")} >= {"assistant", "offline"}
