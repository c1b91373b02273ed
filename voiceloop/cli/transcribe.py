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
KeptOption = Annotated[
    bool,
    typer.Option("--kept", help="What a limit kept from being sent; each file is deleted once it is written down."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object for each utterance, with its times.")]


def transcribe(
    files: FilesArgument = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    json: JsonOption = False,
    kept: KeptOption = False,
) -> None:
    """Write what is said in FILES to standard output, an utterance a line."""
    from voiceloop.config.load import load

    if kept == bool(files):
        what = "files and --kept exclude each other" if kept else "there is nothing to transcribe"
        raise UsageError(what, place="transcribe", remedy="Name WAV files, or give --kept.")
    settings = load(config, sets or ())
    if settings.transcribe.use == "none":
        remedy = "Name another: --set transcribe.use=..., or another --config."
        raise UsageError("transcribe.use = 'none' writes nothing down", place="transcribe", remedy=remedy)
    run_async(lambda: _transcribe(settings, files or [], json=json, kept=kept))


async def _transcribe(config: Config, files: list[Path], *, json: bool, kept: bool) -> int:
    from voiceloop.app import open_part, opened
    from voiceloop.capture.segmenter import Segmenter
    from voiceloop.cli.render import Text, print_error
    from voiceloop.transcribe.kept import kept as all_kept
    from voiceloop.transcribe.recording import Recording

    if kept and not (files := all_kept()):
        print_error("Nothing is kept: all that was said has been sent.")
        return 0
    unread: BadAudioFile | None = None
    async with opened(config, Text(config.log.level)) as (stack, lent):
        services = replace(lent, keeps=False)
        vad = await open_part(stack, config.vad, services)
        transcriber = await open_part(stack, config.transcribe, services)
        print_error(f"transcribe: {transcriber.description}")
        for path in files:
            segmenter = Segmenter(config.segment, hangover_ms=config.segment.hangover_ms)
            recording = Recording(vad, segmenter, transcriber, config.conversation.overlap)
            try:
                if await _one(path, recording, services.publish, json=json) and kept:
                    path.unlink(missing_ok=True)
            except BadAudioFile as error:
                unread = error
                print_error(f"voiceloop: {error}")
    # The others were transcribed all the same; the exit code says that one was not.
    return 0 if unread is None else unread.exit_code


async def _one(path: Path, recording: Recording, publish: Publish, *, json: bool) -> bool:
    """Transcribe a file; False when nobody reads what was written."""
    from voiceloop.audio.wav import read_wav
    from voiceloop.cli.render import print_line
    from voiceloop.text import clean
    from voiceloop.types import CAPTURE_RATE_HZ

    wav = read_wav(path, place="transcribe")
    if wav.flaw:
        publish("notice", text=f"{path} {wav.flaw}.")
    progress = _Progress(str(path), wav.duration_s)
    read = True
    async with recording.transcripts(_pieces(wav.at(CAPTURE_RATE_HZ))) as transcripts:
        async for transcript in transcripts:
            progress.show(transcript.utterance.end / CAPTURE_RATE_HZ)
            if not transcript.text.strip():
                continue
            read = print_line(_as_json(path, transcript) if json else clean(transcript.text)) and read
    progress.show(wav.duration_s)
    progress.end()
    return read


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
