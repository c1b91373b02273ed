"""Checks the package's structure: the depth of its imports, import cycles, and the number of modules at its root.

    python -m testbed.layers            checks; prints what is wrong and exits with 1
    python -m testbed.layers --show     also prints the layers, the lowest first

Every import counts, also one inside a function or under TYPE_CHECKING, because a reader follows those too.
"""

from __future__ import annotations

import argparse
import ast
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "voiceloop"
MOST_LAYERS = 12
MOST_AT_ROOT = 9
"""Modules at the package's root, beside `__init__` and `__main__`."""

Graph = dict[str, set[str]]
"""For each module or folder, the modules or folders of the package that it imports."""


def modules(package: Path) -> dict[str, Path]:
    """Every module of a package by its dotted name; the `__init__` of a folder has the folder's name."""
    found = {}
    for path in package.rglob("*.py"):
        parts = path.relative_to(package.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> Graph:
    """The imports between the modules of a package."""
    found = modules(package)
    graph: Graph = {name: set() for name in found}
    for name, path in found.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            graph[name] |= {target for target in _targets(node, found) if target != name}
    return graph


def _targets(node: ast.AST, known: Mapping[str, Path]) -> Iterable[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names if alias.name in known]
    if isinstance(node, ast.ImportFrom) and node.module in known:
        module = str(node.module)
        inner = [f"{module}.{alias.name}" for alias in node.names]
        return [name if name in known else module for name in inner]
    return []


def folders(graph: Graph, package: str) -> Graph:
    """The imports between folders; each module at the root counts as a folder."""

    def folder(name: str) -> str:
        parent = name.rpartition(".")[0]
        return name if parent in {"", package} else parent

    return _between(graph, folder)


def rooms(graph: Graph) -> Graph:
    """The imports between the folders at the root, each with all that is in it; a module at the root counts as one."""
    return _between(graph, lambda name: ".".join(name.split(".")[:2]))


def _between(graph: Graph, place: Callable[[str], str]) -> Graph:
    between: Graph = defaultdict(set)
    for name, targets in graph.items():
        here = place(name)
        between[here] |= {there for target in targets if (there := place(target)) != here}
    return dict(between)


def cycle(graph: Graph) -> list[str]:
    """One cycle of imports, with its first name again at its end; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        names: list[str] = error.args[1]
        return names[::-1]
    return []


def layers(graph: Graph) -> dict[str, int]:
    """The layer of each module: 1 for those that import nothing, else one above the highest that it imports."""
    found: dict[str, int] = {}
    for name in TopologicalSorter(graph).static_order():
        found[name] = 1 + max((found[target] for target in graph.get(name, ())), default=0)
    return found


def at_root(graph: Graph, package: str) -> list[str]:
    """The modules directly in the package, without `__init__` and `__main__`."""
    inner = {name.rpartition(".")[0] for name in graph}
    return sorted(
        name
        for name in graph
        if name.count(".") == 1 and name.startswith(f"{package}.") and name not in inner and "__" not in name
    )


def faults(package: Path, *, most_layers: int = MOST_LAYERS, most_at_root: int = MOST_AT_ROOT) -> list[str]:
    """The faults in a package's structure, a line each."""
    graph = imports(package)
    kinds = {"files": graph, "folders": folders(graph, package.name), "folders at the root": rooms(graph)}
    for kind, part in kinds.items():
        if names := cycle(part):
            return [f"a cycle of imports between {kind}: {' -> '.join(names)}"]
    found = []
    for kind in ("files", "folders at the root"):
        part = kinds[kind]
        depth = layers(part)
        highest = max(depth, key=lambda name: depth[name])
        if depth[highest] > most_layers:
            chain = " -> ".join(_chain(part, depth, highest))
            found.append(f"{depth[highest]} layers of {kind}, at most {most_layers}: {chain}")
    if len(names := at_root(graph, package.name)) > most_at_root:
        found.append(f"{len(names)} modules at the root, at most {most_at_root}: {', '.join(names)}")
    return found


def _chain(graph: Graph, depth: Mapping[str, int], name: str) -> list[str]:
    """The longest chain of imports from a module downwards."""
    names = [name]
    while targets := graph.get(names[-1]):
        names.append(max(sorted(targets), key=lambda target: depth[target]))
    return names


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m testbed.layers", description=__doc__.partition("\n")[0])
    parser.add_argument("--show", action="store_true", help="print the layers")
    if parser.parse_args().show:
        depth = layers(imports(PACKAGE))
        for level in range(1, max(depth.values()) + 1):
            print(level, *sorted(name for name, at in depth.items() if at == level))
    if found := faults(PACKAGE):
        raise SystemExit("\n".join(found))
    graph = imports(PACKAGE)
    names = at_root(graph, PACKAGE.name)
    of_files, of_folders = (max(layers(part).values()) for part in (graph, rooms(graph)))
    print(
        f"{len(graph)} modules in {of_files} layers, {of_folders} of folders; no cycle between files or folders; "
        f"{len(names)} modules at the root"
    )


if __name__ == "__main__":
    main()
