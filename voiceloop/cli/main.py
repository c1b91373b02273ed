"""The command line: assembles the commands and turns errors into one line and an exit code.

Each command imports its dependencies only when it runs, so that `--help` and `run` start at once.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Annotated

import typer

from voiceloop import __version__
from voiceloop.cli import (
    captions,
    check,
    config,
    ctl,
    devices,
    dictate,
    models,
    plugins,
    run,
    say,
    service,
    trace,
    transcribe,
)
from voiceloop.errors import StartAnew, VoiceloopError

app = typer.Typer(
    name="voiceloop",
    help="Talk to your computer: dictation, voice assistants, live captions.",
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    *(run.run, captions.captions, dictate.dictate, ctl.ctl, say.say, transcribe.transcribe, trace.trace),
    *(check.check, devices.devices, plugins.plugins),
):
    app.command()(command)
app.add_typer(config.app)
app.add_typer(models.app)
app.add_typer(service.app)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"voiceloop {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", callback=lambda v: _version(wanted=v), is_eager=True)] = False,
) -> None:
    """Talk to your computer: dictation, voice assistants, live captions."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    code = 0
    try:
        app(standalone_mode=True)
    except VoiceloopError as error:
        if isinstance(error, StartAnew):
            from voiceloop.cli import anew

            anew.start(error)
        with contextlib.suppress(OSError):  # the terminal may be closed
            print(f"voiceloop: {error}", file=sys.stderr)
        code = error.exit_code
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else 1
    _leave(code)


def _leave(code: int) -> None:
    """End the process without exit hooks: PortAudio's hook waits for a sound server that may never answer."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # the reader may have closed the pipe
            stream.flush()
    os._exit(code)
