"""`voiceloop dictate`: what you say becomes text where you want it."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from voiceloop.cli.options import ConfigOption, InputOption, JsonOption, SetOption, TraceOption
from voiceloop.cli.running import run_async

ToOption = Annotated[
    str | None,
    typer.Option(help="Where text goes: type, clipboard, stdout or file:PATH.", show_default="type"),
]
StartOption = Annotated[
    Literal["listening", "idle"] | None,
    typer.Option(help="idle: nothing counts until 'voiceloop ctl start' or 'toggle'.", show_default="listening"),
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
    """Write what you say until Ctrl-C."""
    from voiceloop import app
    from voiceloop.cli.render import renderer
    from voiceloop.config.load import load

    named = {"handler.to": to, "control.start": start, "audio.input": microphone}
    given = [f"{key}={value}" for key, value in named.items() if value is not None]
    settings = load(config, [*(sets or ()), *given], preset="dictation", handler="dictation")
    publish = renderer(settings, json=json)
    run_async(lambda: app.run(settings, publish, trace=trace, name="dictate"))
