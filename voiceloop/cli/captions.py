"""`voiceloop captions`: shows speech as text while it is spoken."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import (
    CloudOption,
    ConfigOption,
    JsonOption,
    SetOption,
    VerboseOption,
    place_of,
    with_devices,
    with_options,
)
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

if TYPE_CHECKING:
    from voiceloop.config.commands import CommandLoaded

WEB_PORT = 8765

SourceOption = Annotated[
    str | None,
    typer.Option(
        metavar="speaker|mic|both",
        help="Caption what the computer plays, the microphone, or both with labels.",
        show_default="audio.input if you set it, else speaker",
    ),
]
InputOption = Annotated[
    str | None,
    typer.Option(
        "--input", "-i", help="The device to listen to, or file:PATH; same values as audio.input.", show_default=False
    ),
]
SrtOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Also write SubRip (.srt) subtitles, cue by cue, to a file or into a folder. The name may have codes of "
        "strftime, like talk-%F.srt. Nothing is overwritten.",
    ),
]
VttOption = Annotated[str | None, typer.Option(metavar="FILE", help="Also write WebVTT subtitles, likewise.")]
JsonlOption = Annotated[str | None, typer.Option(metavar="FILE", help="Also write JSON lines with times, likewise.")]
KeepOption = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Write a file of each of the three formats into FOLDER.")
]
WebOption = Annotated[
    bool,
    typer.Option(
        "--web",
        help=f"Also show the captions on a web page of this machine, on port {WEB_PORT} or --port.",
        show_default=False,
    ),
]
PortOption = Annotated[
    int | None,
    typer.Option("--port", min=0, max=65_535, help="The web page's port, and turns the page on; 0 takes a free port."),
]
ShareOption = Annotated[
    bool,
    typer.Option(
        "--share",
        help="Let other devices on the local network read the web page, at a random address, which is printed with a "
        "QR code. Turns the page on.",
        show_default=False,
    ),
]
SoundsOption = Annotated[
    bool,
    typer.Option(
        "--sound-events",
        help="Show sounds in brackets, like [laughter], where the engine tells of them.",
        show_default=False,
    ),
]
TranslateOption = Annotated[
    str | None,
    typer.Option(
        metavar="LANGUAGE",
        help="Show a second line in another language (fr, pt-BR) below each final caption, translated by a language "
        "model: the words go to it.",
    ),
]
LinesOption = Annotated[
    int, typer.Option(min=0, max=100, help="Show at most this many lines, redrawn in place; 0 lets them scroll.")
]
WidthOption = Annotated[int, typer.Option(min=0, max=1000, help="Line width in columns; 0 for the terminal's width.")]


def captions(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    source: SourceOption = None,
    microphone: InputOption = None,
    srt: SrtOption = None,
    vtt: VttOption = None,
    jsonl: JsonlOption = None,
    keep: KeepOption = None,
    web: WebOption = False,
    port: PortOption = None,
    share: ShareOption = False,
    sound_events: SoundsOption = False,
    translate: TranslateOption = None,
    lines: LinesOption = 0,
    width: WidthOption = 0,
    cloud: CloudOption = None,
    verbose: VerboseOption = False,
    json: JsonOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """Show speech as text while it is spoken: what the computer plays, or the microphone. Ctrl-C ends it."""
    from voiceloop.captions import program
    from voiceloop.cli import anew
    from voiceloop.cli.captions_text import Captions, Screen
    from voiceloop.cli.choosing import load_asking
    from voiceloop.cli.engines import where_words_go, who_hears, who_translates
    from voiceloop.cli.offering import offer_once
    from voiceloop.cli.output import open_output
    from voiceloop.cli.render import JsonLines, level_of

    if json and (lines or width):
        raise UsageError("--lines and --width are for text, not for --json", place="captions", remedy="Leave them out.")
    named = {
        **{(f"--{key}", f"handler.{key}"): text for key, text in given_texts(srt, vtt, jsonl, keep).items()},
        ("--port", "handler.web"): port,
        ("--share", "handler.share"): share or None,
        ("--translate", "handler.translate"): translate,
        ("--sound-events", "handler.sound_events"): sound_events or None,
    }
    sets = with_devices(with_options(sets, named), microphone=microphone)
    if (web or share) and port is None and not _names_a_port(config, sets):
        sets = [*sets, f"handler.web={WEB_PORT}"]
    command = load_asking("captions", config, sets, flag=place_of(cloud), quiet=json)
    settings = command.config
    inputs = inputs_of(source, command)
    screen = Screen.of(sys.stdout, lines=lines, width=width)
    level = level_of(settings, verbose=verbose)
    # The offer of a larger model comes at the end: one row stands before the first caption.
    publish = JsonLines() if json else Captions(screen, level, at_end=lambda: offer_once(command, publish))
    translates = {"translates": server} if (server := who_translates(settings)) else {}
    publish("engines", text=where_words_go(command), who=who_hears(settings), **translates)
    kept = anew.handed_over(publish)
    run_async(lambda: program.run(settings, inputs, publish, kept=kept), output=partial(open_output, json=json))


def _names_a_port(config: str | None, sets: Sequence[str]) -> bool:
    """Whether the config or `--set` says which port the page has."""
    from voiceloop.config.load import read_sources

    read = read_sources(config, sets, handler="captions")
    tables = [layer.data.get("handler") for layer in (read.file, read.sets)]
    return any(isinstance(table, dict) and "web" in table for table in tables)


def given_texts(srt: str | None, vtt: str | None, jsonl: str | None, keep: str | None) -> dict[str, str | None]:
    """The files to write, by the keys of `[handler]`."""
    return {"srt": srt, "vtt": vtt, "jsonl": jsonl, "keep": keep}


def inputs_of(source: str | None, command: CommandLoaded) -> dict[str, str]:
    """The devices, keyed by the label on their captions: what the user names as `audio.input`, and for the rest what
    the computer plays. `source` is `--source`, None if it is not given.

    Raises UsageError for an unknown source, and for one that contradicts `--set audio.input`.
    """
    from voiceloop.config.commands import named_input

    named, at_the_command = named_input(command.loaded)
    configured = command.config.audio.input
    if source is None:
        return {"": named or "monitor"}
    if source == "speaker":
        # A config file may name the microphone of an assistant. What the command line names is meant for this run.
        return {"": configured if at_the_command else "monitor"}
    known = {"mic": {"": configured}, "both": {"mic": configured, "speaker": "monitor"}}
    if source not in known:
        raise UsageError(f"there is no source '{source}'", place="--source", remedy="Use speaker, mic or both.")
    return known[source]
