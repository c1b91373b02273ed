"""Measures what is made of noises, and whether short words are kept: VAD, segmenter, Moonshine, hallucination filter.

scripts/bench noise [--only noise answers words] [--minutes 10] [--seeds 1 2] [--texts]

noise      coughs, keys, an office, hum, breath and others, for `--minutes`: texts with and without the filter
answers    "yes, no, stop, wait, okay" by four voices, in a quiet room
words      recorded single words, in a quiet room and in pink and white noise: how many the filter drops
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack

import numpy as np
import trio

from bench.noise import words
from bench.noise.hearing import VADS, Heard, Listener, clips
from bench.noise.material import Stretch, stretches
from bench.vad.material import RATE_HZ, Noise, pink, white
from voiceloop.config.load import load
from voiceloop.opening import open_part, open_services
from voiceloop.types import Utterance

PARTS = ("noise", "answers", "words")


async def noise(listener: Listener, given: argparse.Namespace) -> None:
    """Print what is made of noises, by VAD and kind."""
    for vad in VADS:
        rows: dict[str, list[Heard]] = {}
        seconds = 0.0
        for seed in given.seeds:
            for stretch in stretches(given.minutes * 60 / len(given.seeds), seed):
                seconds += stretch.seconds
                rows.setdefault(stretch.name, []).extend(await _heard(listener, stretch, vad))
        print(f"\n{vad} VAD, {seconds / 60:.1f} minutes of noise")
        print("| noise | clips | texts without the filter | clips given to the recogniser | texts left |")
        print("| --- | --- | --- | --- | --- |")
        for name, heard in rows.items():
            print(_row(name, heard))
        together = [one for heard in rows.values() for one in heard]
        print(_row("together", together))
        print("dropped:", _counted(one.reason for one in together))
        asked = max((one.engine_s for one in together if one.asked), default=0.0)
        longest = max((one.engine_s for one in together), default=0.0)
        print(f"longest time in the recogniser: {longest:.2f} s, of clips that the filter gives to it {asked:.2f} s")
        if given.texts:
            _print_texts(together)


async def _heard(listener: Listener, stretch: Stretch, vad: str) -> list[Heard]:
    return [await listener.hear(clip) for clip in clips(stretch.pcm, VADS[vad]())]


def _row(name: str, heard: Sequence[Heard]) -> str:
    raw, left = sum(bool(one.raw) for one in heard), sum(bool(one.text) for one in heard)
    return f"| {name} | {len(heard)} | {raw} | {sum(one.asked for one in heard)} | {left} |"


def _counted(reasons: Iterable[str]) -> str:
    return ", ".join(f"{count} x {reason or 'not dropped'}" for reason, count in Counter(reasons).most_common())


def _print_texts(heard: Sequence[Heard]) -> None:
    for one in heard:
        if one.text:
            print(f"  left ({one.clip.duration_s:.1f} s, confidence {one.confidence:.2f}): {one.text!r}")


async def answers(listener: Listener, given: argparse.Namespace) -> None:
    """Print how many of the short answers are heard rightly."""
    spoken = [pair for voice in words.VOICES for pair in await words.answers(voice)]
    heard = [(voice, said.word, await _word(listener, said, white, -70.0)) for voice, said in spoken]
    right = sum(words.is_right(word, _text(found)) for _, word, found in heard)
    dropped = sum(bool(one.reason) for _, _, found in heard for one in found)
    print(f"\nshort answers: {right} of {len(heard)} right, {dropped} dropped by the filter")
    for voice, word, found in heard:
        if not words.is_right(word, _text(found)):
            print(f"  {voice}, {word}: {_text(found)!r}")


async def recorded(listener: Listener, given: argparse.Namespace) -> None:
    """Print how many recorded words the filter drops."""
    said = words.recorded()
    lines: list[str] = []
    print("\n| single words in | said | clips | dropped by the filter | with a text |\n| --- | --- | --- | --- | --- |")
    for name, kind in (("white", white), ("pink", pink)):
        for condition, level_db in words.CONDITIONS.items():
            heard = [(one.word, await _word(listener, one, kind, level_db)) for one in said]
            every = [one for _, found in heard for one in found]
            lost = [(word, one) for word, found in heard for one in found if one.reason]
            texts = sum(bool(_text(found)) for _, found in heard)
            print(f"| {name} noise, {condition} | {len(said)} | {len(every)} | {len(lost)} | {texts} |")
            lines += [f"  dropped, {name} noise, {condition}: {word} {one.raw!r} ({one.reason})" for word, one in lost]
    print(*lines, sep="\n")


async def _word(listener: Listener, said: words.Said, kind: Noise, level_db: float) -> list[Heard]:
    rng = np.random.default_rng(len(said.sound))
    mixed = words.in_noise(said, kind(len(said.sound) + 2 * RATE_HZ, rng), level_db)
    pcm = np.clip(np.round(mixed * 32768), -32768, 32767).astype("<i2").tobytes()
    found: list[Utterance] = clips(pcm, VADS["hybrid"]())
    return [await listener.hear(clip) for clip in found]


def _text(found: Sequence[Heard]) -> str:
    return " ".join(one.text for one in found if one.text)


async def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench noise", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--texts", action="store_true", help="print every text that is left of noise")
    given = parser.parse_args()
    async with AsyncExitStack() as stack:
        config = load(None, ["vad.use=webrtc", "transcribe.use=moonshine", "speak.use=none"])
        services, _ = await open_services(stack, config, lambda *_, **__: None)
        listener = Listener(await open_part(stack, config.transcribe, services))
        for name, part in zip(PARTS, (noise, answers, recorded), strict=True):
            if name in given.only:
                await part(listener, given)


if __name__ == "__main__":
    trio.run(main)
