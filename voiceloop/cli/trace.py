"""`voiceloop trace FILE`: shows how long each step of a recorded session took."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.render import print_error, print_line
from voiceloop.errors import OutputError, UsageError
from voiceloop.system.private_files import write_private

if TYPE_CHECKING:
    from voiceloop.trace.timeline import Session

_WIDTH = 100
"""Columns of the table when standard output is not a terminal."""

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="A trace that 'voiceloop run --trace FILE' wrote.", show_default=False)
]
PerfettoOption = Annotated[
    Path | None,
    typer.Option(metavar="OUT.json", help="Write a Chrome trace (JSON), for ui.perfetto.dev.", show_default=False),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT.html", help="Write a web page that shows the session on one time axis.", show_default=False
    ),
]


def trace(file: FileArgument, perfetto: PerfettoOption = None, html: HtmlOption = None) -> None:
    """Show how long each step of each turn took: as a table with bars, a web page, or a file for Perfetto."""
    from voiceloop.trace.build import build
    from voiceloop.trace.read import read

    for out in (perfetto, html):
        if out is not None and _same_file(out, file):
            raise UsageError(f"{out} is the trace itself", place="trace", remedy="Name another file to write.")
    session = build(read(file))
    if perfetto is not None:
        _write(perfetto, _perfetto(session), next_step="Open it in https://ui.perfetto.dev")
    if html is not None:
        from voiceloop.trace.page import page

        _write(html, page(session), next_step="Open it in a browser")
    if perfetto is None and html is None:
        _show(session)


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _show(session: Session) -> None:
    from voiceloop.trace.terminal import Screen, rendered

    terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH
    colour = terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in rendered(session, Screen(width, colour)).split("\n"):
        print_line(line)


def _perfetto(session: Session) -> str:
    from json import dumps

    from voiceloop.trace.perfetto import chrome_trace

    return dumps(chrome_trace(session), separators=(",", ":"))


def _write(path: Path, text: str, *, next_step: str) -> None:
    """Write `text` to `path`, readable by its owner only: like the trace, it contains what was said.

    Raises OutputError.
    """
    try:
        write_private(path, text.encode())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{path} can't be written: {reason}", place="trace", remedy="Name another file") from error
    print_error(f"{path}: {len(text.encode()):,} bytes. {next_step}.")
