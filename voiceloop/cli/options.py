"""Options that several commands share, and how they load the configuration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE|NAME",
        help="A config file, or a preset: assistant, captions, dictation, local, offline, voice. Default: "
        "$VOICELOOP_CONFIG, then your own config file.",
    ),
]
"""`config: ConfigOption = None`"""

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="TABLE.KEY=VALUE", help="Change one setting; can be given several times."),
]
"""`sets: SetOption = None`"""
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
