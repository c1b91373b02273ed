"""`voiceloop transcribe FILE…`: recordings through the same ears."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import ConfigOption, SetOption
from voiceloop.cli.running import run_async
from voiceloop.errors import BadAudioFile, UsageError

if TYPE_CHECKING:
    from voiceloop.config.tables import Config
    from voiceloop.events import Publish
    from voiceloop.transcribe.recording import Recording
    from voiceloop.types import Transcript

PIECE_BYTES = 3200
"""0.1 s at the capture rate."""

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="WAV files: any rate, mono or stereo.", show_default=False)
]
PendingOption = Annotated[
    bool,
    typer.Option("--pending", help="What was said and never delivered: each is deleted once it is written down."),
]
ToOption = Annotated[
    str | None,
    typer.Option(help="With --pending, where it goes: stdout, clipboard or file:PATH.", show_default="stdout"),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for each utterance, with its times.")]


def transcribe(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    files: FilesArgument = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    json: JsonOption = False,
    pending: PendingOption = False,
    to: ToOption = None,
) -> None:
    """Write what is said in FILES to standard output, an utterance a line."""
    from voiceloop.cli import pending as left
    from voiceloop.config.load import load

    if pending == bool(files):
        what = "files and --pending exclude each other" if pending else "there is nothing to transcribe"
        raise UsageError(what, place="transcribe", remedy="Name WAV files, or give --pending.")
    if to is not None and not pending:
        raise UsageError("--to is for --pending", place="transcribe", remedy="Redirect standard output: > FILE.")
    place = left.checked(to or "stdout")
    # Most of what is pending was said to dictate: what that begins from, this does.
    about = {"preset": "dictation", "handler": "dictation"} if pending else {}
    settings = load(config, sets or (), **about)
    if settings.transcribe.use == "none":
        remedy = "Name another: --set transcribe.use=..., or another --config."
        raise UsageError("transcribe.use = 'none' writes nothing down", place="transcribe", remedy=remedy)
    if pending:
        keys = [word.partition("=")[0].strip() for word in sets or ()]
        meant = config is not None or any(key == "transcribe.use" or key.endswith(".base_url") for key in keys)
        run_async(lambda: left.transcribe_pending(settings, place, json=json, meant=meant))
    else:
        run_async(lambda: _transcribe(settings, files or [], json=json))


async def _transcribe(config: Config, files: list[Path], *, json: bool) -> int:
    from voiceloop.capture.segmenter import Segmenter
    from voiceloop.cli.render import Text, print_error
    from voiceloop.opening import open_part, open_transcriber, opened
    from voiceloop.transcribe.recording import Recording

    unread: BadAudioFile | None = None
    async with opened(config, Text(config.log.level)) as (stack, lent):
        services = replace(lent, keeps=False)
        vad = await open_part(stack, config.vad, services)
        transcriber = await open_transcriber(stack, services)
        print_error(f"transcribe: {transcriber.description}")
        for path in files:
            segmenter = Segmenter(config.segment, hangover_ms=config.segment.hangover_ms)
            recording = Recording(vad, segmenter, transcriber, config.conversation.overlap)
            try:
                await _one(path, recording, services.publish, json=json)
            except BadAudioFile as error:
                unread = error
                print_error(f"voiceloop: {error}")
    # The others were transcribed all the same; the exit code says that one was not.
    return 0 if unread is None else unread.exit_code


async def _one(path: Path, recording: Recording, publish: Publish, *, json: bool) -> None:
    """Transcribe a file."""
    from voiceloop.audio.wav import read_wav
    from voiceloop.cli.render import print_line
    from voiceloop.text import clean
    from voiceloop.types import CAPTURE_RATE_HZ

    wav = read_wav(path, place="transcribe")
    if wav.flaw:
        publish("notice", text=f"{path} {wav.flaw}.")
    progress = _Progress(str(path), wav.duration_s)
    async with recording.transcripts(_pieces(wav.at(CAPTURE_RATE_HZ))) as transcripts:
        async for transcript in transcripts:
            progress.show(transcript.utterance.end / CAPTURE_RATE_HZ)
            if not transcript.text.strip():
                continue
            print_line(_as_json(path, transcript) if json else clean(transcript.text))
    progress.show(wav.duration_s)
    progress.end()


def _pieces(pcm: bytes) -> Iterator[bytes]:
    """A tenth of a second at a time: often enough for posts to go out and answers to come in between."""
    for at in range(0, len(pcm), PIECE_BYTES):
        yield pcm[at : at + PIECE_BYTES]


def _as_json(path: Path, transcript: Transcript) -> str:
    utterance = transcript.utterance
    return jsonlib.dumps(
        {
            "file": str(path),
            "start_s": round(utterance.start / utterance.rate_hz, 3),
            "end_s": round(utterance.voiced_end / utterance.rate_hz, 3),
            "text": transcript.text,
            "confidence": transcript.confidence,
            "language": transcript.language,
            "words": [asdict(word) for word in transcript.words],
            "usage": asdict(transcript.usage) if transcript.usage else None,
        }
    )


class _Progress:
    """How far a file is, on standard error: over itself in a terminal, one line at its end elsewhere."""

    def __init__(self, name: str, duration_s: float) -> None:
        self._name, self._duration_s, self._live = name, duration_s, sys.stderr.isatty()

    def show(self, done_s: float) -> None:
        if self._live:
            sys.stderr.write(f"\r{self._name}: {done_s:.0f} of {self._duration_s:.0f} s ")
            sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\n" if self._live else f"{self._name}: {self._duration_s:.1f} s\n")
        sys.stderr.flush()
