"""Options that several commands share, and how they load the configuration."""

from __future__ import annotations

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
