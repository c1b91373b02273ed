"""`voiceloop dictate`: types what you say, or writes it to the clipboard, a file or standard output."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

import typer

from voiceloop.cli.options import (
    CloudOption,
    ConfigOption,
    InputOption,
    JsonOption,
    SetOption,
    TraceOption,
    VerboseOption,
    place_of,
    with_devices,
    with_options,
)
from voiceloop.cli.running import run_async

ToOption = Annotated[
    str | None,
    typer.Option(
        help="Where the text goes: type (into the focused window), clipboard, stdout or file:PATH.", show_default="type"
    ),
]
StartOption = Annotated[
    Literal["listening", "idle"] | None,
    typer.Option(
        help="idle: ignore speech until 'voiceloop ctl start' or 'voiceloop ctl toggle'.", show_default="listening"
    ),
]


def dictate(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    to: ToOption = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    start: StartOption = None,
    cloud: CloudOption = None,
    microphone: InputOption = None,
    json: JsonOption = False,
    trace: TraceOption = None,
    verbose: VerboseOption = False,
) -> None:
    """Type what you say. Ctrl-C ends it."""
    from voiceloop import app
    from voiceloop.cli import anew
    from voiceloop.cli.choosing import load_asking
    from voiceloop.cli.engines import where_words_go
    from voiceloop.cli.offering import offer_once
    from voiceloop.cli.output import open_output
    from voiceloop.cli.render import renderer

    sets = with_options(sets, {("--to", "handler.to"): to, ("--start", "control.start"): start})
    sets = with_devices(sets, microphone=microphone)
    command = load_asking("dictate", config, sets, flag=place_of(cloud), quiet=json)
    publish = renderer(command.config, json=json, verbose=verbose)
    publish("engines", text=where_words_go(command))
    if not json:
        offer_once(command, publish)
    kept = anew.handed_over(publish)
    run_async(
        lambda: app.run(command.config, publish, trace=trace, name="dictate", kept=kept),
        output=partial(open_output, json=json),
    )
