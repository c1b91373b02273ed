"""The check of the package's structure: it finds each kind of fault, and the package has none."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from testbed.layers import PACKAGE, faults


def package(folder: Path, **modules: str) -> Path:
    """Write a package of these modules (`a__b` for `a/b.py`) with these lines."""
    root = folder / "house"
    for name, code in {"__init__": "", **modules}.items():
        path = root / f"{name.replace('__', '/') if name != '__init__' else name}.py"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(textwrap.dedent(code))
    return root


def test_the_structure_of_voiceloop_has_no_faults() -> None:
    assert faults(PACKAGE) == []


@pytest.mark.parametrize(
    "back",
    [
        "from house import a",
        "from house.a import A",
        "import house.a",
        "def late():\n    from house.a import A",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from house.a import A",
    ],
)
def test_a_cycle_between_files_is_found_for_every_kind_of_import(tmp_path: Path, back: str) -> None:
    (fault,) = faults(package(tmp_path, a="from house.b import B\nA = 1", b=back))
    assert fault in {
        "a cycle of imports between files: house.a -> house.b -> house.a",
        "a cycle of imports between files: house.b -> house.a -> house.b",
    }


def test_a_cycle_between_folders_is_found_where_there_is_none_between_files(tmp_path: Path) -> None:
    root = package(tmp_path, x__a="from house.y.b import B", y__b="", y__c="from house.x.d import D", x__d="")
    (fault,) = faults(root)
    assert fault.startswith("a cycle of imports between folders: ")


def test_a_folder_inside_a_folder_counts_as_a_separate_folder(tmp_path: Path) -> None:
    root = package(tmp_path, x__a="from house.x.y.b import B", x__y__b="from house.x.c import C", x__c="")
    assert [fault.partition(":")[0] for fault in faults(root)] == ["a cycle of imports between folders"]


def test_too_many_layers_are_reported_with_the_longest_chain_of_imports(tmp_path: Path) -> None:
    root = package(tmp_path, a="from house import b", b="from house import c", c="")
    assert faults(root, most_layers=3) == []
    assert faults(root, most_layers=2)[0] == "3 layers of files, at most 2: house.a -> house.b -> house.c"


def test_too_many_layers_of_folders_are_reported_where_no_chain_of_files_is_as_long(tmp_path: Path) -> None:
    root = package(tmp_path, x__a="from house.y.b import B", y__b="", y__c="from house.z.d import D", z__d="")
    assert faults(root, most_layers=3) == []
    assert faults(root, most_layers=2) == ["3 layers of folders at the root, at most 2: house.x -> house.y -> house.z"]


def test_modules_at_the_root_are_counted_and_folders_are_not(tmp_path: Path) -> None:
    root = package(tmp_path, a="", b="", __main__="", x____init__="", x__c="")
    assert faults(root, most_at_root=1) == ["2 modules at the root, at most 1: house.a, house.b"]
