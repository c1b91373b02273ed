"""`voiceloop captions`: what is said, as text, while it is said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import ConfigOption, JsonOption, SetOption
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

if TYPE_CHECKING:
    from voiceloop.events import Publish

WEB_PORT = 8765

SourceOption = Annotated[
    str, typer.Option(metavar="speaker|mic|both", help="What the computer plays, the microphone, or both, with names.")
]
InputOption = Annotated[
    str | None,
    typer.Option("--input", "-i", help="Another device or file:PATH, as in audio.input.", show_default=False),
]
SrtOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write SubRip, cue by cue.")]
VttOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write WebVTT.")]
JsonlOption = Annotated[Path | None, typer.Option(metavar="FILE", help="Write JSON lines, with times.")]
WebOption = Annotated[
    bool, typer.Option("--web", help=f"Show a page on this machine, at port {WEB_PORT} or --port.", show_default=False)
]
PortOption = Annotated[
    int | None, typer.Option("--port", min=0, max=65_535, help="The page's port; 0 takes a free one.")
]
LinesOption = Annotated[
    int, typer.Option(min=0, max=100, help="Show only so many lines, redrawn in place; 0 lets them scroll.")
]
WidthOption = Annotated[int, typer.Option(min=0, max=1000, help="Columns; 0 for the terminal's.")]


def captions(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    source: SourceOption = "speaker",
    microphone: InputOption = None,
    srt: SrtOption = None,
    vtt: VttOption = None,
    jsonl: JsonlOption = None,
    web: WebOption = False,
    port: PortOption = None,
    lines: LinesOption = 0,
    width: WidthOption = 0,
    json: JsonOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Show what is said as text while it is said: what the computer plays, or the microphone. Ctrl-C ends it."""
    from voiceloop.captions import program
    from voiceloop.config.load import load

    inputs = _inputs(source, microphone)
    page = WEB_PORT if web and port is None else port
    files = {"srt": srt, "vtt": vtt, "jsonl": jsonl, "web": page}
    own = [f"handler.{key}={_quoted(value)}" for key, value in files.items() if value is not None]
    # A config of one's own may be an assistant's: of that only the ears are wanted here.
    settings = load(config, ["handler.use=captions", *own, *(sets or ())], preset="captions")
    inputs = {name: device or settings.audio.input for name, device in inputs.items()}
    publish = _renderer(settings.log.level, json=json, lines=lines, width=width)
    run_async(lambda: program.run(settings, inputs, publish))


def _inputs(source: str, device: str | None) -> dict[str, str]:
    """The devices by the names that their captions bear; empty for the microphone that is configured."""
    known = {"speaker": {"": "monitor"}, "mic": {"": ""}, "both": {"mic": "", "speaker": "monitor"}}
    if source not in known:
        raise UsageError(f"there is no source '{source}'", place="--source", remedy="It is speaker, mic or both.")
    inputs = known[source]
    if device is None:
        return inputs
    return inputs | {"mic" if source == "both" else "": device}


def _quoted(value: Path | int) -> str:
    """As TOML: a path stays a path, whatever is in it."""
    import json

    return str(value) if isinstance(value, int) else json.dumps(str(value))


def _renderer(level: str, *, json: bool, lines: int, width: int) -> Publish:
    import sys

    from voiceloop.cli.captions_text import Captions, Screen
    from voiceloop.cli.render import JsonLines

    if json:
        return JsonLines()
    return Captions(Screen.of(sys.stdout, lines=lines, width=width), level)
