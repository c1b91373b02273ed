"""Transcribes recordings for `voiceloop transcribe`: text to standard output, progress to standard error, subtitles."""

from __future__ import annotations

import json as jsonlib
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from voiceloop.audio.recordings.opening import Sound
from voiceloop.audio.recordings.reading import Reading, open_recording
from voiceloop.audio.recordings.source import STDIN
from voiceloop.captions.files import CueFiles, open_named
from voiceloop.captions.naming import is_folder, wanted
from voiceloop.captions.showing import Live
from voiceloop.captions.speakers import alone
from voiceloop.captions.words import spoken
from voiceloop.capture.segmenter import Segmenter
from voiceloop.cli.render import Text, columns_of, print_error, print_line
from voiceloop.errors import BadAudioFile, EngineError, UsageError, first
from voiceloop.opening import open_transcriber, open_vad, opened
from voiceloop.text import clean, clean_line
from voiceloop.transcribe.audio_file import Recording
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Transcript

if TYPE_CHECKING:
    from voiceloop.config.tables import Config

PLACE = "transcribe"
REDRAW_S = 0.1
_CLEAR = "\r\x1b[K"


@dataclass(frozen=True, slots=True)
class Wish:
    """What becomes of the text: lines of JSON or of text, and subtitle files by their format."""

    json: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    sounds: bool = False
    """Whether the subtitle files show sounds in brackets, too."""

    @property
    def names_speakers(self) -> bool:
        """Whether anything that is written says who speaks."""
        return self.json or bool(self.files)


def check_wish(paths: Sequence[Path], wish: Wish) -> None:
    """Raise UsageError for recordings that can't be transcribed so."""
    if paths.count(STDIN) > 1:
        raise UsageError("standard input can be read once", place=PLACE, remedy="Name '-' once.")
    if len(paths) > 1 and (single := [kind for kind, text in wish.files.items() if not is_folder(text)]):
        what = f"--{single[0]} names one file for {len(paths)} recordings"
        raise UsageError(what, place=PLACE, remedy=f"Name a folder: --{single[0]} {wish.files[single[0]]}/")
    if wish.sounds and not wish.files:
        remedy = "Name a file: --srt FILE. With --json they are told without it"
        raise UsageError("--sound-events is for subtitle files", place=PLACE, remedy=remedy)


async def transcribe_files(config: Config, paths: Sequence[Path], wish: Wish) -> int:
    """Transcribe recordings, one after the other; the exit code. One that can't be read doesn't stop the others.

    Raises the errors of the transcriber, and OutputError for a file that can't be written.
    """
    unreadable: BadAudioFile | None = None
    async with opened(config, Text(config.log.level)) as (stack, opened_services):
        services = replace(opened_services, keeps=False, names_speakers=wish.names_speakers)
        vad = await open_vad(stack, services)
        transcriber = await open_transcriber(stack, services)
        transcriber.shows_sounds = wish.sounds
        print_error(f"transcribe: {transcriber.description}")
        for path in paths:
            recording = Recording(vad, Segmenter.of(config.segment), transcriber, config.conversation.overlap)
            failed: BadAudioFile | None = None
            try:
                await _transcribe(path, recording, wish)
            except* BadAudioFile as group:
                failed = first(group)
            if failed is not None:
                unreadable = failed
                print_error(f"voiceloop: {failed}")
        if vad.failures:
            raise EngineError(f"'{config.vad.use}' failed, so speech may be missing", place="vad.use")
    # The other files were transcribed; the exit code reports that one could not be read.
    return 0 if unreadable is None else unreadable.exit_code


async def _transcribe(path: Path, recording: Recording, wish: Wish) -> None:
    """Transcribe one recording. Raises BadAudioFile, perhaps in a group, and OutputError."""
    async with open_recording(path, place=PLACE) as reading, AsyncExitStack() as stack:
        files = await _subtitles(path, wish, stack)
        progress = _Progress(reading.sound)
        stack.callback(progress.clear)
        progress.flaw()
        found = 0
        async with recording.transcripts(_Watched(reading, progress)) as transcripts:
            async for transcript in transcripts:
                if files is not None:
                    for final in alone(spoken(transcript, sounds=wish.sounds)):
                        files.final(final, Live(""))
                if not transcript.text.strip():
                    continue
                found += 1
                progress.clear()
                print_line(_as_json(path, transcript) if wish.json else clean(transcript.text))
        progress.end()
        if not found:
            print_error(f"transcribe: no speech was found in {clean_line(reading.sound.name)}")


async def _subtitles(path: Path, wish: Wish, stack: AsyncExitStack) -> CueFiles | None:
    """Open the subtitle files of a recording; in a folder they have its name."""
    if not wish.files:
        return None
    names = partial(wanted, wish.files, None, datetime.now().astimezone(), None if path == STDIN else path.stem)
    given = next(iter(wish.files.values()))
    files = await stack.enter_async_context(open_named(names, given, print_error))
    print_error(f"transcribe: writing {', '.join(clean_line(str(name)) for name in files.paths)}")
    return files


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


class _Watched:
    """The samples of a recording, and how far they are read."""

    def __init__(self, reading: Reading, progress: _Progress) -> None:
        self._reading, self._progress = reading, progress

    async def read(self) -> bytes:
        pcm = await self._reading.read()
        self._progress.add(len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
        return pcm


class _Progress:
    """How far a recording is read, on standard error: a line that is redrawn in a terminal, and one line at the end."""

    def __init__(self, sound: Sound) -> None:
        self._sound = sound
        self._name = clean_line(sound.name)
        self._columns = columns_of(sys.stderr)
        self._done_s, self._drawn_at, self._drawn = 0.0, 0.0, False
        self._told = ""

    def add(self, more_s: float) -> None:
        self._done_s += more_s
        now = time.monotonic()
        if self._columns and now - self._drawn_at >= REDRAW_S:
            self._drawn_at, self._drawn = now, True
            text = position(self._name, self._done_s, self._sound.duration_s, self._columns - 1)
            print_line(f"{_CLEAR}{text}", to=sys.stderr, end="")

    def clear(self) -> None:
        """Take away what is drawn, so that another line can be printed."""
        if self._drawn:
            self._drawn = False
            print_line(_CLEAR, to=sys.stderr, end="")

    def flaw(self) -> None:
        """Tell what is wrong with the recording, once."""
        if self._sound.flaw != self._told:
            self._told = self._sound.flaw
            print_error(f"{self._name} {self._told}.")

    def end(self) -> None:
        self.clear()
        self.flaw()
        print_error(f"{self._name}: {self._done_s:.1f} s")


def position(name: str, done_s: float, whole_s: float | None, columns: int) -> str:
    """How far a recording is read: `talk.m4a: 12:30 of 1:00:00`, the name cut at its start to fit."""
    place = f": {_clock(done_s)}"
    if whole_s is not None:
        place += f" of {_clock(max(whole_s, done_s))}"
    room = columns - len(place)
    if len(name) > room:
        name = f"…{name[len(name) - room + 1 :]}" if room > 1 else ""
    return f"{name}{place}"[: max(0, columns)]


def _clock(seconds: float) -> str:
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
