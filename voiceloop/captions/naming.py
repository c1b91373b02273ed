"""Names of the subtitle files of a session, from what the user asked for. Reads folders only; creates nothing.

--srt call.srt                    call.srt; call-2.srt if that is taken
--srt meeting-%F-%H%M.srt         the time of the start, as in strftime
--srt notes/                      a folder: notes/captions-2026-11-27-0930.srt
--keep notes                      the same folder, for all formats
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import count
from pathlib import Path

from voiceloop.errors import OutputError
from voiceloop.system.paths import expanded

FORMATS = ("srt", "vtt", "jsonl")
IN_FOLDER = "captions-%Y-%m-%d-%H%M"
"""The name of a file in a folder, without its ending."""
_ONE_EACH = "Give each of --srt, --vtt and --jsonl a file of its own, or --keep FOLDER"


def wanted(
    files: Mapping[str, str], keep: str | None, began: datetime, in_folder: str | None = None
) -> dict[str, Path]:
    """The path to write for each format. `files`: what the user gave for a format: a name or a folder, either with
    codes of strftime; `keep`: the folder for the other formats. `began`: the local time of the start. `in_folder`: the
    name in a folder, without its ending; if None, the time of the start.

    Raises OutputError if two formats would be written to one file.
    """
    given = (dict.fromkeys(FORMATS, f"{keep}/") if keep else {}) | dict(files)
    paths = {kind: _path(given[kind], kind, began, in_folder) for kind in FORMATS if kind in given}
    if len(set(paths.values())) < len(paths):
        raise OutputError("it is named for two formats", place=str(next(iter(paths.values()))), remedy=_ONE_EACH)
    return paths


def _path(text: str, kind: str, began: datetime, in_folder: str | None) -> Path:
    named = _at(text, began)
    if not is_folder(named):
        return expanded(named)
    return expanded(named) / f"{began.strftime(IN_FOLDER) if in_folder is None else in_folder}.{kind}"


def is_folder(text: str) -> bool:
    """Whether a name that the user gave is a folder: one that is there, or ends in `/`."""
    try:
        return text.endswith("/") or expanded(text).is_dir()
    except OSError:  # a name that is too long, a folder that can't be searched: opening the file will say so
        return False


def _at(text: str, began: datetime) -> str:
    """`text` with its codes of strftime replaced; unchanged if it has none that is known."""
    try:
        return began.strftime(text) if "%" in text else text
    except (ValueError, UnicodeError):
        return text


def numbered(paths: Mapping[str, Path]) -> Iterator[dict[str, Path]]:
    """`paths`, then the same with -2, -3 and so on before the endings: the files of a session keep one number."""
    yield dict(paths)
    for number in count(2):
        yield {kind: path.with_name(f"{path.stem}-{number}{path.suffix}") for kind, path in paths.items()}
