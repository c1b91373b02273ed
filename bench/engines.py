"""Measures the embedded engines: word errors and delay of the recogniser, delay of the synthesiser.

    scripts/bench engines [--prompts FOLDER] [--transcripts FILE] [--speech FOLDER] [--limit N]

The prompts are a recorded human voice at 8 kHz (Debian's asterisk-core-sounds-en-wav) and their transcripts
(asterisk-core-sounds-en). `--speech` names a folder of 16 kHz WAV files, each with its words in a .txt beside it.
Speech is fed in real time, so the measurement takes as long as the speech.
"""

from __future__ import annotations

import argparse
import gzip
import math
import platform
import random
import re
import sys
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import soxr
import trio

from voiceloop.speak.espeak import EspeakOptions, EspeakSynthesizer
from voiceloop.transcribe.sphinx import SphinxOptions, SphinxTranscriber
from voiceloop.types import CAPTURE_RATE_HZ, FRAME_SAMPLES, SAMPLE_BYTES, Utterance

PROMPTS = Path("/usr/share/asterisk/sounds")
TRANSCRIPTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
NAMES = "zero one two three four five six seven eight nine"
DIGITS = dict(zip("0123456789", NAMES.split(), strict=True))
SENTENCE = "Well, here is a sentence of the usual length, and it is spoken twenty times over."


@dataclass(frozen=True, slots=True)
class Clip:
    pcm: bytes
    words: tuple[str, ...]

    @property
    def seconds(self) -> float:
        return len(self.pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ


class Services:
    """Stands in for the services that a part gets. Prints events to standard error."""

    def publish(self, name: str, /, **fields: object) -> None:
        print(name, fields, file=sys.stderr)


def words_of(text: str) -> tuple[str, ...]:
    spelled = re.sub(r"\b\d\b", lambda digit: DIGITS[digit[0]], text.lower())
    return tuple(re.findall(r"[a-z']+", spelled.replace("*", " star ").replace("#", " pound ")))


def errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """The number of words replaced, lost and added (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        above, row = row, [i]
        for j, other in enumerate(heard, 1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (word != other)))
    return row[-1]


def read(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32)
        rate_hz = file.getframerate()
    wide = soxr.resample(samples, rate_hz, CAPTURE_RATE_HZ)
    return wide.clip(-32_768, 32_767).astype("<i2").tobytes()


def prompts(folder: Path, transcripts: Path, limit: int) -> list[Clip]:
    """Up to `limit` prompts whose transcript has every spoken word: no numbers of several digits, no remarks."""
    lines = gzip.decompress(transcripts.read_bytes()).decode("latin-1").splitlines()
    pairs = [match.groups() for line in lines if (match := re.match(r"([^\s;]\S*):\s+(.+)", line))]
    random.Random(1).shuffle(pairs)
    clips = []
    for name, text in pairs:
        found = sorted(folder.glob(f"en*/{name.removesuffix('.wav')}.wav"))
        words = words_of(text)
        if found and 4 <= len(words) <= 30 and not re.search(r"\d\d|[\[(]", text):
            clips.append(Clip(read(found[0]), words))
    return clips[:limit]


def speech(folder: Path) -> list[Clip]:
    pairs = [(path, path.with_suffix(".txt")) for path in sorted(folder.glob("*.wav"))]
    return [Clip(read(sound), words_of(text.read_text())) for sound, text in pairs if text.exists()]


def percentiles(values: Sequence[float]) -> str:
    ranked = sorted(values)
    p50, p90 = (ranked[math.ceil(len(ranked) * share) - 1] for share in (0.5, 0.9))
    return f"p50 {p50:.1f}, p90 {p90:.1f}"


async def transcribe(transcriber: SphinxTranscriber, clip: Clip) -> tuple[str, float]:
    """Feed a clip in real time; gives its text and the milliseconds from its last sample to the text."""
    step = FRAME_SAMPLES * SAMPLE_BYTES
    started = trio.current_time()
    async with transcriber.transcription() as transcription:
        for at in range(0, len(clip.pcm), step):
            await trio.sleep_until(started + (at + step) / SAMPLE_BYTES / CAPTURE_RATE_HZ)
            await transcription.feed(clip.pcm[at : at + step])
        ended = time.perf_counter()
        transcript = await transcription.finish(Utterance(clip.pcm, 0, 0))
        return transcript.text, (time.perf_counter() - ended) * 1_000


async def measure_sphinx(name: str, clips: list[Clip]) -> None:
    if not clips:
        print(f"sphinx, {name}: no clips found")
        return
    wrong, delays = [], []
    async with SphinxTranscriber.open(SphinxOptions(), cast(Any, Services())) as transcriber:
        for clip in clips:
            text, delay_ms = await transcribe(transcriber, clip)
            wrong.append(errors(clip.words, words_of(text)))
            delays.append(delay_ms)
    said = sum(len(clip.words) for clip in clips)
    print(f"sphinx, {name}: {len(clips)} clips, {sum(clip.seconds for clip in clips):.0f} s, {said} words")
    print(
        f"  word errors {100 * sum(wrong) / said:.1f} % (the first clip {100 * wrong[0] / len(clips[0].words):.0f} %)"
    )
    print(f"  last sample to text, ms: {percentiles(delays[1:])} (the first {delays[0]:.1f})")


async def measure_espeak() -> None:
    firsts, totals, cancels, seconds = [], [], [], 0.0
    started = time.perf_counter()
    async with EspeakSynthesizer.open(EspeakOptions(), cast(Any, Services())) as synthesizer:
        opened_ms = (time.perf_counter() - started) * 1_000
        for _ in range(20):
            started = time.perf_counter()
            async with synthesizer.speech(SENTENCE) as pieces:
                sizes = [len((await pieces.receive()).pcm)]
                firsts.append((time.perf_counter() - started) * 1_000)
                sizes += [len(piece.pcm) async for piece in pieces]
                totals.append((time.perf_counter() - started) * 1_000)
            seconds += sum(sizes) / SAMPLE_BYTES / 22_050
        for _ in range(20):
            async with synthesizer.speech(SENTENCE * 50) as pieces:
                await pieces.receive()
                started = time.perf_counter()
            cancels.append((time.perf_counter() - started) * 1_000)
    print(f"espeak: opened in {opened_ms:.1f} ms, speaks {seconds / sum(totals) * 1_000:.0f} times faster than speech")
    print(f"  text to first PCM, ms: {percentiles(firsts)}")
    print(f"  cancel to stopped, ms: {percentiles(cancels)}")


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=Path, default=PROMPTS)
    parser.add_argument("--transcripts", type=Path, default=TRANSCRIPTS)
    parser.add_argument("--speech", type=Path)
    parser.add_argument("--limit", type=int, default=40)
    given = parser.parse_args()
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    await measure_espeak()
    if given.transcripts.exists():
        await measure_sphinx("telephone prompts", prompts(given.prompts, given.transcripts, given.limit))
    else:
        print("no prompts: apt-get install asterisk-core-sounds-en asterisk-core-sounds-en-wav", file=sys.stderr)
    if given.speech:
        await measure_sphinx(str(given.speech), speech(given.speech))


if __name__ == "__main__":
    trio.run(main)
