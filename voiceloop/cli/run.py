"""`voiceloop run`: the loop."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceloop.cli.options import ConfigOption, SetOption
from voiceloop.cli.running import run_async

InputOption = Annotated[
    str | None, typer.Option("--input", "-i", help="The microphone, as in audio.input.", show_default=False)
]
OutputOption = Annotated[
    str | None, typer.Option("--output", "-o", help="The loudspeaker, as in audio.output.", show_default=False)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Every event as a line of JSON on standard output.")]
TraceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write what happens when into FILE, for 'voiceloop trace'. It holds what is said, and is yours alone.",
    ),
]


def with_devices(sets: list[str] | None, microphone: str | None, loudspeaker: str | None) -> list[str]:
    """`--input` and `--output` are short for `--set audio.input=…` and `--set audio.output=…`."""
    named = {"audio.input": microphone, "audio.output": loudspeaker}
    return [*(sets or ()), *(f"{key}={value}" for key, value in named.items() if value is not None)]


def run(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    config: ConfigOption = None,
    sets: SetOption = None,
    microphone: InputOption = None,
    loudspeaker: OutputOption = None,
    json: JsonOption = False,
    trace: TraceOption = None,
) -> None:
    """Listen, answer and speak until Ctrl-C."""
    from voiceloop import app
    from voiceloop.cli.render import renderer
    from voiceloop.config.load import load

    settings = load(config, with_devices(sets, microphone, loudspeaker))
    publish = renderer(settings, json=json)
    run_async(lambda: app.run(settings, publish, trace=trace))
