"""Measures `captions --source both` beside an open loudspeaker: what is captioned twice, and what is lost.

On a private sound server a film plays on the loudspeaker, whose sound comes back at the microphone, and a person speaks
into the microphone, mostly over the film. The engine on this machine recognises both. Runs in real time. In every
second combination the two voices change places.

    scripts/bench captions-both [--minutes 2.5] [--gains -12,0] [--delays 60,200] [--echo cancel] [--no-path] [--show]

`twice`: final captions of the microphone with words of the loudspeaker's captions that the person did not say.
`flashed`: the same among the words under way. `lost`: sentences of which the microphone's captions have less than half
of the words that the engine recognises of the sentence alone. `words`: how many of those they have, over all sentences.
With CABLE=pipewire before the command the server is PipeWire.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import numpy as np

from bench.captions.measures import keys
from bench.endpoint.material import in_a_room
from bench.rooms.voices import Sound, levelled, phrases, reading
from bench.turns.material import ASTERISK
from testbed.running import running, voiceloop
from testbed.sound.cable import Cable, PulseAudio, chosen, why_not
from testbed.sound.echoing import echo_path
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

LEVEL_DBFS = -20.0
"""Of the film where it is played, and of the person at the microphone."""
READINGS = ("two_cities", "beckett", "endgame_nagg_nell")
_FIRST_S = 4.0
_PAUSES_S = (1.5, 6.0)
_COPIED = 2
"""So many words of the film, one after the other, are no chance."""
_AROUND_S = 2.0
_GUESSED_S = 6.0
"""Words under way are at most so old."""
_LEAST_WORDS = 3
_PROMPTS_S, _GAPS_S = (1.5, 6.0), (0.2, 1.5)
_LAST_WORDS_S = 6.0


@dataclass(frozen=True, slots=True)
class Sentence:
    """What the person says, what the engine recognises of it alone, and when it is said, in seconds of the track."""

    words: tuple[str, ...]
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Way:
    """How a run is made. `gain_db`: of the echo path; None: headphones."""

    gain_db: float | None
    delay_ms: int
    echo: str


@dataclass(slots=True)
class Score:
    """What came of a run."""

    said: int = 0
    lost: list[Sentence] = field(default_factory=list)
    words: int = 0
    words_heard: int = 0
    twice: list[str] = field(default_factory=list)
    flashed: list[str] = field(default_factory=list)
    played: int = 0
    """Words in the loudspeaker's captions."""
    dropped: int = 0

    def row(self, way: Way, minutes: float) -> str:
        path = "headphones" if way.gain_db is None else f"{way.gain_db:g} dB, {way.delay_ms} ms"
        mine = (f"{len(self.lost)} of {self.said}", f"{self.words_heard} of {self.words}")
        cells = (path, way.echo, f"{minutes:.1f}", len(self.twice), len(self.flashed), *mine, self.dropped, self.played)
        return f"| {' | '.join(map(str, cells))} |"


HEAD = (
    "| echo | audio.echo | minutes | twice | flashed | lost | words | dropped as echo | words of the loudspeaker |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def sentences(found: Sequence[Sound], folder: Path) -> list[tuple[Sound, tuple[str, ...]]]:
    """The sentences, each with the words that the engine recognises of it alone."""
    folder.mkdir(exist_ok=True)
    quiet = np.zeros(CAPTURE_RATE_HZ // 2)
    by_name: dict[str, Sound] = {}
    for number, one in enumerate(found):
        path = folder / f"{number:03}.wav"
        levelled_ = levelled(one, CAPTURE_RATE_HZ, LEVEL_DBFS)
        path.write_bytes(wav_bytes(in_a_room(_pcm(np.concatenate([quiet, levelled_, quiet]))), CAPTURE_RATE_HZ))
        by_name[str(path)] = levelled_
    words = ("transcribe", "--json", "--set", "transcribe.use=moonshine", *by_name)
    code, output, errors = voiceloop(*words, env=_env(folder), timeout_s=600)
    if code:
        raise SystemExit(f"voiceloop ended with {code}: {errors}")
    texts: dict[str, list[str]] = {}
    for line in map(json.loads, output.splitlines()):
        texts.setdefault(line["file"], []).extend(keys(line["text"]))
    return [(by_name[name], tuple(text)) for name, text in texts.items() if len(text) >= _LEAST_WORDS]


def reader() -> list[Sound]:
    """The sentences of readings."""
    return [phrase for name in READINGS for phrase in phrases(reading(name, CAPTURE_RATE_HZ), CAPTURE_RATE_HZ)]


def announcer() -> list[Sound]:
    """Recorded prompts, none of them short."""
    if not ASTERISK.is_dir():
        raise SystemExit("Recorded prompts are missing: apt-get install asterisk-core-sounds-en-wav")
    found = [
        np.frombuffer(read_wav(path).at(CAPTURE_RATE_HZ), "<i2") / 32768 for path in sorted(ASTERISK.glob("*.wav"))
    ]
    return [one for one in found if _PROMPTS_S[0] <= len(one) / CAPTURE_RATE_HZ <= _PROMPTS_S[1]]


def film(seconds: float, *, read: bool, seed: int) -> bytes:
    """What the loudspeaker plays, at 16 kHz: readings, or prompts with gaps between them."""
    random, parts = Random(seed), [np.zeros(CAPTURE_RATE_HZ)]
    count = round(seconds * CAPTURE_RATE_HZ)
    while sum(map(len, parts)) < count:
        if read:
            parts += [levelled(reading(name, CAPTURE_RATE_HZ), CAPTURE_RATE_HZ, LEVEL_DBFS) for name in READINGS]
        else:
            parts += [random.choice(announcer()), np.zeros(round(random.uniform(*_GAPS_S) * CAPTURE_RATE_HZ))]
    return _pcm(levelled(np.concatenate(parts)[:count], CAPTURE_RATE_HZ, LEVEL_DBFS))


def person(spoken: Sequence[tuple[Sound, tuple[str, ...]]], seconds: float, seed: int) -> tuple[bytes, list[Sentence]]:
    """The person's track, in a quiet room, and what is said in it."""
    random = Random(seed)
    said: list[Sentence] = []
    sound, at = np.zeros(round(seconds * CAPTURE_RATE_HZ)), round(_FIRST_S * CAPTURE_RATE_HZ)
    while True:
        for phrase, words in random.sample(list(spoken), len(spoken)):
            end = at + len(phrase)
            if end > len(sound) - 2 * CAPTURE_RATE_HZ:
                return in_a_room(_pcm(sound)), said
            sound[at:end] = phrase
            said.append(Sentence(words, at / CAPTURE_RATE_HZ, end / CAPTURE_RATE_HZ))
            at = end + round(random.uniform(*_PAUSES_S) * CAPTURE_RATE_HZ)


def run(way: Way, played: bytes, spoken: Sequence[tuple[Sound, tuple[str, ...]]], folder: Path, seed: int) -> Score:
    """One session in real time."""
    seconds = len(played) / SAMPLE_BYTES / CAPTURE_RATE_HZ
    track, said = person(spoken, seconds, seed)
    sets = ("transcribe.use=moonshine", f"audio.echo={way.echo}")
    words = ("--source", "both", *(word for value in sets for word in ("--set", value)))
    with Cable() as cable:
        if way.gain_db is not None:
            fixed = isinstance(cable.server, PulseAudio)
            echo_path(cable, delay_ms=way.delay_ms, gain_db=way.gain_db, fixed=fixed)
        with running(*words, env={**_env(folder), **cable.changes}, command="captions") as program:
            program.wait_for("ready", timeout_s=60)
            began = time.time()
            cable.speak(played, rate_hz=CAPTURE_RATE_HZ, into="speaker")
            cable.speak(track, rate_hz=CAPTURE_RATE_HZ)
            time.sleep(seconds + _LAST_WORDS_S)
            program.end()
        events = [event.fields for event in program.events]
    (folder / "events.jsonl").write_text("\n".join(map(json.dumps, events)))
    return score(events, began, said)


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption, final or under way, between two times of the tracks."""

    text: str
    start_s: float
    end_s: float


def score(events: Sequence[Mapping[str, Any]], began: float, said: Sequence[Sentence]) -> Score:
    """Score the events of a session whose tracks began at the Unix time `began`."""
    shift = next(event["at"] for event in events if event["event"] == "captions.began") - began
    finals: dict[str, list[Caption]] = {"mic": [], "speaker": []}
    lives = []
    for event in events:
        if event["event"] == "caption.final":
            one = Caption(event["text"], event["start_s"] + shift, event["end_s"] + shift)
            finals[event["source"]].append(one)
        elif event["event"] == "caption.live" and event["source"] == "mic" and (event["sure"] or event["unsure"]):
            at_s = event["time"] - began
            lives.append(Caption(f"{event['sure']} {event['unsure']}".strip(), at_s - _GUESSED_S, at_s))
    result = Score(said=len(said), dropped=sum(event["event"] == "caption.dropped" for event in events))
    result.played = sum(len(keys(one.text)) for one in finals["speaker"])
    for captions, copies in ((finals["mic"], result.twice), (lives, result.flashed)):
        copies += [f"{one.end_s:.1f} s: {one.text}" for one in captions if _copied(one, finals["speaker"], said)]
    for sentence in said:
        near = _around(sentence.start_s, sentence.end_s, finals["mic"])
        matching = _matching(sentence.words, keys(" ".join(one.text for one in near)))
        result.words += len(sentence.words)
        result.words_heard += matching
        if matching < len(sentence.words) / 2:
            result.lost.append(sentence)
    return result


def _copied(caption: Caption, speaker: Sequence[Caption], said: Sequence[Sentence]) -> bool:
    """Whether a caption of the microphone has words of the loudspeaker that the person did not say."""
    mine = [word for one in _around(caption.start_s, caption.end_s, said) for word in one.words]
    rest = _without(keys(caption.text), mine)
    played = keys(" ".join(one.text for one in _around(caption.start_s, caption.end_s, speaker)))
    blocks = SequenceMatcher(None, rest, played, autojunk=False).get_matching_blocks()
    return (bool(rest) and not mine) or max(block.size for block in blocks) >= _COPIED


_Timed = TypeVar("_Timed", Caption, Sentence)


def _around(start_s: float, end_s: float, ones: Sequence[_Timed]) -> list[_Timed]:
    return [one for one in ones if one.end_s > start_s - _AROUND_S and one.start_s < end_s + _AROUND_S]


def _matching(words: Sequence[str], heard: Sequence[str]) -> int:
    blocks = SequenceMatcher(None, words, heard, autojunk=False).get_matching_blocks()
    return sum(block.size for block in blocks)


def _without(heard: Sequence[str], said: Sequence[str]) -> list[str]:
    """The words of a caption besides those that were said."""
    blocks = SequenceMatcher(None, heard, said, autojunk=False).get_matching_blocks()
    known = {at for block in blocks for at in range(block.a, block.a + block.size)}
    return [word for at, word in enumerate(heard) if at not in known]


def _pcm(sound: Sound) -> bytes:
    return np.clip(np.rint(sound * 32767), -32768, 32767).astype("<i2").tobytes()


def _env(folder: Path) -> dict[str, str]:
    return {**os.environ} | {f"XDG_{name}_HOME": str(folder / name) for name in ("STATE", "CONFIG", "CACHE")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench captions-both", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=2.5, help="for each combination")
    parser.add_argument("--gains", default="-12,0", help="of the echo path, in dB")
    parser.add_argument("--delays", default="60,200", help="of the echo path, in ms")
    parser.add_argument("--echo", default="cancel", help="audio.echo")
    parser.add_argument("--no-path", action="store_true", help="headphones: the microphone hears only the person")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print what was captioned twice, and what was lost")
    parser.add_argument("--keep", type=Path, help="keep the events in this folder")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    gains = [None] if arguments.no_path else [float(gain) for gain in arguments.gains.split(",")]
    delays = [0] if arguments.no_path else [int(delay) for delay in arguments.delays.split(",")]
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        voices = [sentences(found, folder / name) for name, found in (("read", reader()), ("prompts", announcer()))]
        print(f"{chosen().name}, {len(voices[0])} and {len(voices[1])} sentences\n{HEAD}", flush=True)
        for number, way in enumerate(Way(gain, delay, arguments.echo) for gain in gains for delay in delays):
            place, seed = folder / str(number), arguments.seed + number
            place.mkdir(exist_ok=True)
            swapped = seed % 2 == 0
            played = film(arguments.minutes * 60, read=swapped, seed=seed)
            one = run(way, played, voices[swapped], place, seed)
            print(one.row(way, arguments.minutes), flush=True)
            if arguments.show:
                for what in ("twice", "flashed", "lost"):
                    print(*(f"  {what}: {text}" for text in getattr(one, what)), sep="\n", flush=True)


if __name__ == "__main__":
    main()
