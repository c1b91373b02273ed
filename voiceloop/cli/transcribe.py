"""`voiceloop transcribe FILE…`: transcribes recordings with the same VAD, segmenter and transcriber as a microphone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from voiceloop.cli.options import CloudOption, ConfigOption, SetOption, place_of
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(
        help="Recordings; - is the standard input. WAV of any kind; with the extra 'files' also M4A, MP3, Ogg, FLAC, "
        "WebM, MP4, MOV, WMA, AMR and others.",
        show_default=False,
    ),
]
PendingOption = Annotated[
    bool,
    typer.Option(
        "--pending",
        help="Transcribe kept speech that was never delivered; each recording is deleted once its text is written.",
    ),
]
ToOption = Annotated[
    str | None,
    typer.Option(help="With --pending: where the text goes: stdout, clipboard or file:PATH.", show_default="stdout"),
]
SrtOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="Also write SubRip (.srt) subtitles, to a file or into a folder, where they get the recording's name. "
        "Nothing is overwritten.",
    ),
]
VttOption = Annotated[str | None, typer.Option(metavar="FILE", help="Also write WebVTT subtitles, likewise.")]
JsonlOption = Annotated[str | None, typer.Option(metavar="FILE", help="Also write JSON lines with times, likewise.")]
SoundsOption = Annotated[
    bool,
    typer.Option(
        "--sound-events",
        help="Show sounds in brackets in the subtitles, like [laughter], where the engine tells of them.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for each utterance, with its times.")]


def transcribe(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    files: FilesArgument = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    json: JsonOption = False,
    srt: SrtOption = None,
    vtt: VttOption = None,
    jsonl: JsonlOption = None,
    sound_events: SoundsOption = False,
    pending: PendingOption = False,
    to: ToOption = None,
    cloud: CloudOption = None,
) -> None:
    """Transcribe FILES to standard output, one utterance per line."""
    from voiceloop.cli.pending import checked_destination, transcribe_pending
    from voiceloop.cli.recordings import Wish, check_wish, transcribe_files
    from voiceloop.config.commands import check_used, load_command
    from voiceloop.config.layers import parse_sets
    from voiceloop.config.load import load

    if pending == bool(files):
        what = "files and --pending can't be combined" if pending else "there is nothing to transcribe"
        raise UsageError(what, place="transcribe", remedy="Name recordings, or give --pending.")
    if to is not None and not pending:
        raise UsageError(
            "--to works only with --pending", place="transcribe", remedy="Redirect standard output: > FILE."
        )
    wish = Wish(
        json, {kind: text for kind, text in (("srt", srt), ("vtt", vtt), ("jsonl", jsonl)) if text}, sound_events
    )
    if pending and wish.files:
        what = f"--{next(iter(wish.files))} is for files: kept speech has no times"
        raise UsageError(what, place="transcribe", remedy="Leave it out.")
    check_wish(files or [], wish)
    if json and to not in {None, "stdout"}:
        raise UsageError(f"--json is for standard output, not for {to}", place="transcribe", remedy="Leave one out.")
    keys = [setting.partition("=")[0].strip() for setting in sets or ()]
    tells_speakers = wish.names_speakers and not pending
    given = parse_sets(sets or ())[0]
    if given.raw.get(("transcribe", "diarize"), "false").strip() != "false" and not tells_speakers:
        what = "who speaks is told in subtitle files and with --json only, and not with --pending"
        raise UsageError(what, place="--set transcribe.diarize", remedy="Add --srt FILE or --json, or leave it out.")
    destination = checked_destination(to or "stdout")
    check_used("transcribe", given)
    # Most pending recordings come from dictation, and were meant for its engine. A kept choice is not one for files.
    as_dictation = pending or cloud is not None
    command = (
        load_command("dictate", config, sets or (), flag=place_of(cloud), speakers=tells_speakers)
        if as_dictation
        else None
    )
    settings = command.config if command is not None else load(config, sets or ())
    if settings.transcribe.use == "none":
        remedy = "Choose an engine: --set transcribe.use=..., or another --config."
        raise UsageError("transcribe.use = 'none' transcribes nothing", place="transcribe", remedy=remedy)
    if pending:
        named = any(key == "transcribe.use" or key.endswith(".base_url") for key in keys)
        chosen = config is not None or cloud is not None or named
        run_async(lambda: transcribe_pending(settings, destination, json=json, engine_chosen=chosen))
    else:
        run_async(lambda: transcribe_files(settings, files or [], wish))
