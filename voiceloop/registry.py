"""The registry of the pluggable parts: finds a part by the name of its entry point, or as `module:name`.

Imports only the part that is asked for, so that starting stays fast.
"""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import platform
import re
import tomllib
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from voiceloop.errors import ConfigError, EngineError, MissingExtra
from voiceloop.system.user_modules import import_named, lies_there

if TYPE_CHECKING:
    from importlib.metadata import Distribution

GROUPS = {
    "vad": "voiceloop.vad",
    "transcribe": "voiceloop.transcribers",
    "handler": "voiceloop.handlers",
    "speak": "voiceloop.synthesizers",
}
"""The entry-point group for each table of the config whose `use` names a part."""

OWN = "voiceloop"
"""The name of our own distribution."""

_SERVED = "'openrouter', or 'openai' for a server of your own"

INSTEAD = {
    "onnxruntime": f"use = {_SERVED}; for speech also 'espeak'",
    "faster_whisper": f"transcribe.use = 'moonshine' for English, {_SERVED}",
    "onnx_asr": f"transcribe.use = 'whisper', {_SERVED}",
    "wsproto": "transcribe.use = 'openai'",
    "hibari": f"speak.use = 'espeak', {_SERVED}",
    "piper": f"speak.use = 'espeak', {_SERVED}",
    "espeakng_loader": f"speak.use = {_SERVED}",
}
"""What to use instead, where an optional package of ours can't be installed."""

DISTRIBUTIONS = {"hibari": "hibari-tts", "piper": "piper-tts"}
"""The distributions of optional packages that have another name than their module."""

_USUAL = {"Linux": {"x86_64", "aarch64"}, "Darwin": {"arm64", "x86_64"}, "Windows": {"AMD64"}}
_ONNX = _USUAL | {"Windows": {"AMD64", "ARM64"}}
WHEELS = dict.fromkeys(("onnxruntime", "hibari", "onnx_asr", "espeakng_loader"), _ONNX) | dict.fromkeys(
    ("faster_whisper", "piper"), _USUAL
)
"""The systems and processors for which a package and all that it needs have wheels; on Linux with glibc only."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An installed part: `kind` is its table in the config, `target` its class as `module:name`."""

    kind: str
    name: str
    target: str
    distribution: str


@dataclass(frozen=True, slots=True)
class Found:
    """A part's class, and the options that its name in the config already sets (`given`)."""

    part: type[Any]
    given: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Surveyed:
    """The result of trying to load a part; `why_not` is empty if it can be loaded."""

    entry: Entry
    why_not: str


def entries(kind: str) -> list[Entry]:
    """All installed parts of a kind, ours first. Imports none of them."""
    from importlib.metadata import entry_points

    own = _own_entries(kind)
    others = [
        Entry(kind, point.name, point.value, point.dist.name if point.dist else "")
        for point in entry_points(group=GROUPS[kind])
        if point.dist is None or point.dist.name != OWN
    ]
    return [*own, *sorted(others, key=lambda entry: (entry.name, entry.distribution))]


def find(kind: str, use: str) -> Found:
    """The part that `use` names.

    Raises `ConfigError` when there is none or it isn't a part, `MissingExtra` when a package that it imports is not
    installed, `EngineError` when importing it fails.
    """
    if ":" in use:
        return _find_by_path(kind, use)
    # Ours first: reading the entry points of every installed distribution is slow, and needed only for other names.
    entry = _named(_own_entries(kind), use) or _named(entries(kind), use)
    if entry is None:
        raise ConfigError([unknown(kind, use)])
    found = import_attribute(entry.target, use)
    return Found(_checked(found, f"'{use}' ({entry.target})"))


def survey(kind: str) -> list[Surveyed]:
    """Try to load every installed part of a kind. Imports them all."""
    rows: list[Surveyed] = []
    for entry in entries(kind):
        holder = next((row.entry.distribution for row in rows if row.entry.name == entry.name), None)
        why_not = f"{holder} has a part of this name; write use = '{entry.target}'" if holder else _why_not(entry)
        rows.append(Surveyed(entry, why_not))
    return rows


def _why_not(entry: Entry) -> str:
    try:
        check(_checked(import_attribute(entry.target, entry.name), entry.target))
    except ConfigError as error:
        return error.problems[0]
    except EngineError as error:
        return str(error)
    return ""


def unknown(kind: str, use: str) -> str:
    """The message for a name that no part has: lists the names that exist, the most similar first."""
    names = list(dict.fromkeys(entry.name for entry in entries(kind)))
    near = difflib.get_close_matches(use, names, n=len(names), cutoff=0.5)
    ordered = ", ".join(f"'{name}'" for name in [*near, *(name for name in names if name not in near)])
    hint = f"Did you mean '{near[0]}'? " if near else ""
    return f"no such engine '{use}'. {hint}There are: {ordered}, and your own as 'package.module:name'"


def check(part: type[Any]) -> None:
    """Raise `MissingExtra` if a package that the part needs (its `requires`) is not installed."""
    for module in getattr(part, "requires", ()):
        if importlib.util.find_spec(module) is None:
            raise missing(module)


def missing(module: str, *, owner: str = OWN) -> MissingExtra:
    """The error for an optional package of `owner` that is not installed. Its remedy names the extra to install, or
    another engine to use."""
    root = module.partition(".")[0]
    instead = f"Use another engine: {INSTEAD[root]}" if root in INSTEAD else "Use another engine"
    if not has_wheel(root):
        if not has_wheel("onnxruntime"):  # then no other embedded engine can be installed here either
            instead = f"Use another engine: use = {_SERVED}"
        problem = f"the package '{root}' is not installed, and has no wheel for {_platform()}"
        return MissingExtra(problem, remedy=f"{instead}.")
    extra = _extra_with(root, owner)
    if extra is None:
        return MissingExtra(f"the package '{root}' is not installed", remedy=f"pip install '{root}'")
    return MissingExtra(f"the package '{root}' is not installed", remedy=f"pip install '{owner}[{extra}]'. {instead}.")


def has_wheel(module: str) -> bool:
    """Whether a package has a wheel for this machine (`WHEELS`); True for packages not listed there."""
    known = WHEELS.get(module)
    if known is None:
        return True
    system = platform.system()
    return platform.machine() in known.get(system, ()) and (system != "Linux" or platform.libc_ver()[0] == "glibc")


def _platform() -> str:
    """The machine, for messages: `Linux armv7l, glibc 2.36`. The C library that Python doesn't recognise is musl."""
    libc = f", {' '.join(platform.libc_ver()).strip() or 'musl'}" if platform.system() == "Linux" else ""
    return f"{platform.system()} {platform.machine()}{libc}"


def _named(candidates: list[Entry], name: str) -> Entry | None:
    return next((entry for entry in candidates if entry.name == name), None)


def _find_by_path(kind: str, use: str) -> Found:
    found = import_attribute(use, use)
    if isinstance(found, type):
        return Found(_checked(found, f"'{use}'"))
    if kind == "handler" and callable(found):
        return Found(find(kind, "python").part, {"function": use})
    wanted = "a class or a function" if kind == "handler" else "a class"
    raise ConfigError([f"'{use}' is {_article(type(found).__name__)}. It must be {wanted}"])


def _article(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _checked(found: object, name: str) -> type[Any]:
    """Return `found` if it is a part; raise `ConfigError` if it isn't."""
    options = getattr(found, "Options", None)
    lacks = []
    if not (isinstance(options, type) and issubclass(options, BaseModel)):
        lacks.append("'Options', a pydantic model of its keys in the config")
    if not inspect.isroutine(getattr(found, "open", None)):
        lacks.append("'open(options, services)', a classmethod that returns an async context manager")
    if not isinstance(found, type):
        raise ConfigError([f"{name} is not a class"])
    if lacks:
        raise ConfigError([f"{name} is not a voiceloop part. It lacks {' and '.join(lacks)}"])
    return found


def import_attribute(target: str, use: str) -> object:
    name, _, attribute = target.partition(":")
    if not name or not attribute:
        raise ConfigError([f"'{target}' is not of the form 'package.module:name'"])
    found: object = _module(name, use)
    where = getattr(found, "__file__", None) or name
    for step in attribute.split("."):
        try:
            found = getattr(found, step)
        except AttributeError:
            near = difflib.get_close_matches(step, dir(found), n=1)
            hint = f". Did you mean '{near[0]}'?" if near else ""
            raise ConfigError([f"there is no '{step}' in {where}{hint}"]) from None
    return found


def _module(name: str, use: str) -> ModuleType:
    try:
        return import_named(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(f"{absent}."):
            remedy = (
                "Install it in voiceloop's environment, or put it in the working directory or next to the config file"
            )
            raise ConfigError([f"there is no module '{absent}'. {remedy}"]) from None
        if absent.startswith(f"{OWN}."):
            raise EngineError(
                f"'{absent}' is missing", remedy="The installation is broken: install it again."
            ) from error
        if name.startswith(f"{OWN}."):
            raise missing(absent) from error
        # Only the module that the config names is taken from the user's folders.
        remedy = f"Put '{name}' and '{absent}' into a folder, as a package." if lies_there(absent) else "Install it."
        raise EngineError(f"'{use}' needs the package '{absent}', which is not installed", remedy=remedy) from error
    except (Exception, SystemExit) as error:  # a user's module may raise anything
        raise EngineError(
            f"importing '{name}' failed: {_cause(error)}", remedy="Correct it, or use another."
        ) from error


def _cause(error: BaseException) -> str:
    """The error, and the line of the user's code that raised it, on one line of text."""
    text = " ".join(f"{type(error).__name__}: {error}".split())
    if isinstance(error, SyntaxError):  # its text already names the file and line
        return text
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "importlib" not in frame.filename]
    return f"{text} ({frames[-1].filename}:{frames[-1].lineno})" if len(frames) > 1 else text


def _own_entries(kind: str) -> list[Entry]:
    return [Entry(kind, name, target, OWN) for name, target in _own().get(GROUPS[kind], {}).items()]


@cache
def _own() -> Mapping[str, Mapping[str, str]]:
    """Our own entry points, by group."""
    if project := _checkout():
        return dict(project.get("entry-points", {}))
    groups: dict[str, dict[str, str]] = {}
    if own := _distribution(OWN):
        for point in own.entry_points:
            groups.setdefault(point.group, {})[point.name] = point.value
    return groups


@cache
def _checkout() -> Mapping[str, Any]:
    """`[project]` of the checkout's pyproject.toml; empty when this is no checkout.

    It goes before the metadata of an editable install, which are only updated when it is installed again.
    """
    path = Path(__file__).parents[1] / "pyproject.toml"
    if not path.is_file():
        return {}
    project: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    return project if project.get("name") == OWN else {}


def _distribution(name: str) -> Distribution | None:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _extra_with(module: str, owner: str) -> str | None:
    """The extra of `owner` that requires the distribution of `module`; None if no extra does."""
    wanted = _normalised(DISTRIBUTIONS.get(module, module))
    return next((extra for name, extra in _optional_requirements(owner) if _normalised(name) == wanted), None)


def _optional_requirements(owner: str) -> Iterator[tuple[str, str]]:
    """The optional requirements of a distribution: the name of each, and its extra."""
    if owner == OWN and (project := _checkout()):
        for extra, lines in project.get("optional-dependencies", {}).items():
            yield from ((re.split(r"[^\w.-]", line, maxsplit=1)[0], extra) for line in lines)
        return
    found = _distribution(owner)
    for line in (found.requires if found else None) or ():
        match = re.match(r"([\w.-]+).*;.*extra\s*==\s*['\"]([^'\"]+)['\"]", line)
        if match:
            yield match[1], match[2]


def _normalised(name: str) -> str:
    """The normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
