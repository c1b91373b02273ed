"""`voiceloop trace FILE`: where the time of a session went."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.render import print_error, print_line
from voiceloop.errors import OutputError, UsageError

if TYPE_CHECKING:
    from voiceloop.trace.timeline import Session

_WIDTH = 100
"""Where it isn't a terminal."""

FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="What 'voiceloop run --trace FILE' wrote.", show_default=False)
]
PerfettoOption = Annotated[
    Path | None,
    typer.Option(metavar="OUT.json", help="Write Chrome-trace JSON, for ui.perfetto.dev.", show_default=False),
]
HtmlOption = Annotated[
    Path | None,
    typer.Option(metavar="OUT.html", help="Write a page that shows it all on one time axis.", show_default=False),
]


def trace(file: FileArgument, perfetto: PerfettoOption = None, html: HtmlOption = None) -> None:
    """Show where the time of each turn went: a table and bars here, or a page, or a file for Perfetto."""
    from voiceloop.trace.build import build
    from voiceloop.trace.read import read

    for out in (perfetto, html):
        if out is not None and _same(out, file):
            raise UsageError(f"{out} is the trace itself", place="trace", remedy="Name another file to write.")
    session = build(read(file))
    if perfetto is not None:
        _write(perfetto, _perfetto(session), "Open it in https://ui.perfetto.dev")
    if html is not None:
        from voiceloop.trace.page import page

        _write(html, page(session), "Open it in a browser")
    if perfetto is None and html is None:
        _show(session)


def _same(one: Path, other: Path) -> bool:
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


def _write(path: Path, text: str, what_now: str) -> None:
    """The files hold what was said, as the trace does: for their owner alone."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"{path} can't be written: {reason}", place="trace", remedy="Name another file") from error
    print_error(f"{path}: {len(text.encode()):,} bytes. {what_now}.")
