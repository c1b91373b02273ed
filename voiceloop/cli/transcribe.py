"""`voiceloop transcribe FILE…`: transcribes recordings with the same VAD, segmenter and transcriber as a microphone."""

from __future__ import annotations

import json as jsonlib
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import CloudOption, ConfigOption, SetOption, place_of
from voiceloop.cli.running import run_async
from voiceloop.errors import BadAudioFile, EngineError, UsageError

if TYPE_CHECKING:
    from voiceloop.config.tables import Config
    from voiceloop.events import Publish
    from voiceloop.transcribe.audio_file import Recording
    from voiceloop.types import Transcript

PIECE_BYTES = 3200
"""Bytes of audio fed at once: 0.1 s at the capture rate."""

FilesArgument = Annotated[
    list[Path] | None, typer.Argument(help="WAV files of any sample rate, mono or stereo.", show_default=False)
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
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object for each utterance, with its times.")]


def transcribe(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    files: FilesArgument = None,
    config: ConfigOption = None,
    sets: SetOption = None,
    json: JsonOption = False,
    pending: PendingOption = False,
    to: ToOption = None,
    cloud: CloudOption = None,
) -> None:
    """Transcribe FILES to standard output, one utterance per line."""
    from voiceloop.cli.pending import checked_destination, transcribe_pending
    from voiceloop.config.commands import load_command
    from voiceloop.config.load import load

    if pending == bool(files):
        what = "files and --pending can't be combined" if pending else "there is nothing to transcribe"
        raise UsageError(what, place="transcribe", remedy="Name WAV files, or give --pending.")
    if to is not None and not pending:
        raise UsageError(
            "--to works only with --pending", place="transcribe", remedy="Redirect standard output: > FILE."
        )
    if json and to not in {None, "stdout"}:
        raise UsageError(f"--json is for standard output, not for {to}", place="transcribe", remedy="Leave one out.")
    keys = [setting.partition("=")[0].strip() for setting in sets or ()]
    tells_speakers = json and not pending
    if "transcribe.diarize" in keys and not tells_speakers:
        what = "who speaks is told with --json only, and not with --pending"
        raise UsageError(what, place="--set transcribe.diarize", remedy="Add --json, or leave it out.")
    destination = checked_destination(to or "stdout")
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
        run_async(lambda: _transcribe(settings, files or [], json=json))


async def _transcribe(config: Config, files: list[Path], *, json: bool) -> int:
    from voiceloop.capture.segmenter import Segmenter
    from voiceloop.cli.render import Text, print_error
    from voiceloop.opening import open_transcriber, open_vad, opened
    from voiceloop.transcribe.audio_file import Recording

    unreadable: BadAudioFile | None = None
    async with opened(config, Text(config.log.level)) as (stack, opened_services):
        services = replace(opened_services, keeps=False, names_speakers=json)
        vad = await open_vad(stack, services)
        transcriber = await open_transcriber(stack, services)
        print_error(f"transcribe: {transcriber.description}")
        for path in files:
            segmenter = Segmenter.of(config.segment)
            recording = Recording(vad, segmenter, transcriber, config.conversation.overlap)
            try:
                await _transcribe_file(path, recording, services.publish, json=json)
            except BadAudioFile as error:
                unreadable = error
                print_error(f"voiceloop: {error}")
        if vad.failures:
            raise EngineError(f"'{config.vad.use}' failed, so speech may be missing", place="vad.use")
    # The other files were transcribed; the exit code reports that one could not be read.
    return 0 if unreadable is None else unreadable.exit_code


async def _transcribe_file(path: Path, recording: Recording, publish: Publish, *, json: bool) -> None:
    """Transcribe a file and print each utterance. Raises BadAudioFile."""
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
    """Pieces of 0.1 s: short enough that requests are sent and answers received in between."""
    for start in range(0, len(pcm), PIECE_BYTES):
        yield pcm[start : start + PIECE_BYTES]


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
            "sounds": [asdict(sound) for sound in transcript.sounds],
            "usage": asdict(transcript.usage) if transcript.usage else None,
        }
    )


class _Progress:
    """Prints the progress of a file on standard error: redrawn in place in a terminal, else one line at the end."""

    def __init__(self, name: str, duration_s: float) -> None:
        self._name, self._duration_s, self._terminal = name, duration_s, sys.stderr.isatty()

    def show(self, done_s: float) -> None:
        if self._terminal:
            sys.stderr.write(f"\r{self._name}: {done_s:.0f} of {self._duration_s:.0f} s ")
            sys.stderr.flush()

    def end(self) -> None:
        sys.stderr.write("\n" if self._terminal else f"{self._name}: {self._duration_s:.1f} s\n")
        sys.stderr.flush()
