"""Command-line options that several commands share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from voiceloop.errors import UsageError

ConfigOption = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE|NAME",
        help="A config file, or a preset: assistant, captions, dictation, local, offline, voice. Default: "
        "$VOICELOOP_CONFIG, then your config file.",
    ),
]
"""Use: `config: ConfigOption = None`."""

SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", metavar="TABLE.KEY=VALUE", help="Change one setting. Can be repeated."),
]
"""Use: `sets: SetOption = None`."""
InputOption = Annotated[
    str | None, typer.Option("--input", "-i", help="The microphone; same values as audio.input.", show_default=False)
]
OutputOption = Annotated[
    str | None, typer.Option("--output", "-o", help="The loudspeaker; same values as audio.output.", show_default=False)
]
CloudOption = Annotated[
    bool | None,
    typer.Option(
        "--cloud/--local",
        help="Transcribe with OpenRouter, which needs a key, or on this machine, for this run. 'voiceloop config "
        "choose' keeps a choice.",
        show_default="local, or the choice that was kept",
    ),
]
"""Use: `cloud: CloudOption = None`."""
JsonOption = Annotated[bool, typer.Option("--json", help="Print every event as a line of JSON on standard output.")]
VerboseOption = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", help="At start, describe everything that is in use, as 'voiceloop ctl status' does."
    ),
]
"""Use: `verbose: VerboseOption = False`."""
TraceOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Record a timeline of the session in FILE, for 'voiceloop trace'. It contains what is said; only you can "
        "read the file.",
    ),
]


def place_of(cloud: bool | None) -> Literal["cloud", "local"] | None:
    """The place that `--cloud` or `--local` names; None if neither is given."""
    return None if cloud is None else "cloud" if cloud else "local"


def with_devices(sets: list[str] | None, *, microphone: str | None, loudspeaker: str | None = None) -> list[str]:
    """`sets` with `--input` and `--output` added as `audio.input=…` and `audio.output=…`. Raises as `with_options`."""
    return with_options(
        sets,
        {("--input", "audio.input"): microphone, ("--output", "audio.output"): loudspeaker},
    )


def with_options(sets: Sequence[str] | None, given: Mapping[tuple[str, str], str | int | bool | None]) -> list[str]:
    """`sets` with options added as settings. `given` has the value of each option, None if it is not given, by the
    option and the key of its setting.

    Raises UsageError if a `--set` gives the same setting another value: neither is to be ignored.
    """
    from voiceloop.config.layers import parse_sets

    named = {".".join(path): text for path, text in parse_sets(sets or ())[0].raw.items()}
    added = []
    for (option, key), value in given.items():
        if value is None:
            continue
        text = as_text(value) if isinstance(value, str) else str(value).lower()
        if named.get(key, text) not in {text, value}:
            remedy = "Give one of them"
            raise UsageError(f"{option} and --set {key} give it two values", place=key, remedy=remedy)
        added.append(f"{key}={text}")
    return [*(sets or ()), *added]


def as_text(value: str) -> str:
    """The value for `--set` such that it is text, whatever is in it: a name in brackets is no list."""
    import json

    # JSON's strings are TOML's, but for characters beyond 16 bits when escaped, and DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
