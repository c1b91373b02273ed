"""The installed program on sixty prompts, half of which have a pause in them: which are answered before their end, what
is heard of that, and what becomes of it.

The program hears a file in real time, with the embedded engines, and plays into nothing; it tells by its events what it
does. The prompts are of the half that is kept apart. Pauses last 0.3 to 1.5 s.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from typing import Any

from bench.endpoint.cutting import Turn, chance, turns
from bench.endpoint.material import in_a_room
from voiceloop.audio.wav import wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

PROMPTS = 60
_PAUSE_S = (0.3, 1.5)
_LONGEST_S = 4.5
"""The longest prompt, without its pause: its reply, which repeats it, must be over before the next."""
_BEFORE_S, _GAP_S = 1.0, 6.5
"""Silence before the first prompt; and between two."""
_ROOM_S = 0.3
"""How much sooner an utterance may begin than its prompt."""
_COMMAND = (
    sys.executable,
    "-m",
    "voiceloop",
    "run",
    "--json",
    "--set",
    "handler.use=echo",
    "--set",
    "speak.use=hibari",
)


@dataclass(slots=True)
class Prompt:
    """A prompt in the file, and what the program did with it. Times in seconds of the file."""

    start: float
    end: float
    pause: tuple[float, float] | None
    ends: list[float] = field(default_factory=list)
    """Where the program took the speech for over."""
    turns: list[dict[str, Any]] = field(default_factory=list)
    """The events of its turns' ends."""
    heard: set[int] = field(default_factory=set)
    """The numbers of its turns of whose reply something was heard."""

    @property
    def early(self) -> bool:
        """Whether it was taken for over in its pause."""
        return self.pause is not None and any(end < self.pause[1] for end in self.ends)

    @property
    def answers(self) -> int:
        """How many replies were finished."""
        return sum(turn["outcome"] == "done" for turn in self.turns)

    @property
    def wait_ms(self) -> float | None:
        """From the last voice to the first sound of the last reply."""
        marks = self.turns[-1]["marks"] if self.turns else {}
        return (marks["first_played"] - marks["last_voiced"]) * 1000 if "first_played" in marks else None


def report(texts: Path, sets: Sequence[str]) -> Iterator[str]:
    """Run the program, and say what it did."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "prompts.wav")
        prompts = _lay_out(path, texts)
        _run(path, prompts, sets)
    early = [prompt for prompt in prompts if prompt.early]
    heard = [prompt for prompt in early if len(prompt.heard) > 1]
    merged = [prompt for prompt in early if any(turn["reason"] == "merged" for turn in prompt.turns)]
    twice = [prompt for prompt in prompts if prompt.answers > 1]
    waits = [wait for prompt in prompts if (wait := prompt.wait_ms) is not None]
    paused = sum(prompt.pause is not None for prompt in prompts)
    yield f"{len(prompts)} prompts, {paused} of them with a pause of {_PAUSE_S[0]} to {_PAUSE_S[1]} s"
    yield f"taken for over in the pause: {len(early)}; of these heard {len(heard)}, merged {len(merged)}"
    yield f"answered twice: {len(twice)}; not answered: {sum(not prompt.answers for prompt in prompts)}"
    yield f"from the last voice to the first sound: {median(waits):.0f} ms (p90 {quantiles(waits, n=10)[-1]:.0f} ms)"


def _lay_out(path: Path, texts: Path) -> list[Prompt]:
    """Write the file; return where the prompts are in it."""
    chosen: dict[str, Turn] = {}
    for turn in turns(texts):
        spoken_s = (len(turn.pcm) / SAMPLE_BYTES - (turn.resumed - turn.cut)) / CAPTURE_RATE_HZ
        if turn.kept and turn.whole and spoken_s <= _LONGEST_S:
            chosen.setdefault(turn.name, turn)
    pieces, prompts, at = [bytes(round(_BEFORE_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES)], [], _BEFORE_S
    for number, turn in enumerate(list(chosen.values())[:PROMPTS]):
        before, after = turn.pcm[: turn.cut * SAMPLE_BYTES], turn.pcm[turn.resumed * SAMPLE_BYTES :]
        length = _PAUSE_S[0] + chance(f"program {turn.name}") * (_PAUSE_S[1] - _PAUSE_S[0])
        pause = round(length * CAPTURE_RATE_HZ) if number % 2 else 0
        pcm = before + bytes(pause * SAMPLE_BYTES) + after
        cut = at + turn.cut / CAPTURE_RATE_HZ
        end = at + len(pcm) / SAMPLE_BYTES / CAPTURE_RATE_HZ
        prompts.append(Prompt(at, end, (cut, cut + pause / CAPTURE_RATE_HZ) if pause else None))
        pieces += [pcm, bytes(round(_GAP_S * CAPTURE_RATE_HZ) * SAMPLE_BYTES)]
        at = end + _GAP_S
    path.write_bytes(wav_bytes(in_a_room(b"".join(pieces)), CAPTURE_RATE_HZ))
    return prompts


def _run(path: Path, prompts: Sequence[Prompt], sets: Sequence[str]) -> None:
    """Have the program hear the file, and note with each prompt what it did."""
    options = [f"audio.input=file:{path}", "audio.output=none", "control.enabled=false", *sets]
    command = [*_COMMAND, *(word for option in options for word in ("--set", option))]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    begun: dict[int, Prompt] = {}
    latest = prompts[0]
    for event in map(json.loads, said.splitlines()):
        match event["event"]:
            case "listening":
                print(f"turns: {event['turns']}")
            case "speech.started":
                latest = _of(prompts, event["at_s"])
            case "speech.ended":
                _of(prompts, event["start_s"] + _ROOM_S).ends.append(event["end_s"])
            case "transcript":
                begun[event["turn"]] = latest
            case "turn.done":
                begun.get(event["turn"], latest).turns.append(event)
            case "reply" if event["text"]:
                begun.get(event["turn"], latest).heard.add(event["turn"])


def _of(prompts: Sequence[Prompt], at: float) -> Prompt:
    """The prompt that is spoken at a time."""
    return max((prompt for prompt in prompts if prompt.start - _ROOM_S <= at), key=lambda prompt: prompt.start)
