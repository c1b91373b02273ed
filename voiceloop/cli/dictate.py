"""`voiceloop dictate`: types what you say, or writes it to the clipboard, a file or standard output."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from voiceloop.cli.options import ConfigOption, InputOption, JsonOption, SetOption, TraceOption
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
    microphone: InputOption = None,
    json: JsonOption = False,
    trace: TraceOption = None,
) -> None:
    """Type what you say. Ctrl-C ends it."""
    from voiceloop import app
    from voiceloop.cli.render import renderer
    from voiceloop.config.load import load

    options = {"handler.to": to, "control.start": start, "audio.input": microphone}
    option_sets = [f"{key}={value}" for key, value in options.items() if value is not None]
    settings = load(config, [*(sets or ()), *option_sets], preset="dictation", handler="dictation")
    publish = renderer(settings, json=json)
    run_async(lambda: app.run(settings, publish, trace=trace, name="dictate"))
