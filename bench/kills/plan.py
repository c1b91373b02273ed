"""The random moments: which command is ended when, and how. Values from a seed; knows no process.

start          ready                          end of the talk
  |-- 300 ms --|---- …                              |
   `first`  `opening`      `talking`, `event`
"""

from __future__ import annotations

import random
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Command = Literal["dictate", "captions", "run"]
COMMANDS: tuple[Command, ...] = get_args(Command)
Phase = Literal["first", "opening", "talking", "event"]
"""`first`: within 300 ms after the start. `opening`: until it is about ready. `talking`: from then on. `event`: within
20 ms after an event."""
Setup = Literal["chat", "program", "cable"]
"""What runs under `run`: services and a chat; a handler that is a program, with a journal; the engines of this machine
on a sound server of its own."""
SETUPS: tuple[Setup, ...] = get_args(Setup)
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)
EVENTS: dict[Command, tuple[str, ...]] = {
    "dictate": ("speech.ended", "transcript", "turn.done"),
    "captions": ("caption.live", "caption.final"),
    "run": ("speech.started", "speech.ended", "transcript", "turn.done"),
}
"""The events after which it is ended in the phase `event`."""
FIRST_S, OPENING_S, NEAR_S, BETWEEN_S = 0.3, 2.0, 0.02, 0.3


@dataclass(frozen=True, slots=True)
class Moment:
    """When and how one run is ended. `after_s` counts from the start; in the phase `talking` from `ready`, in the phase
    `event` from the next event of that name after the first `talking_s` of the talk."""

    command: Command
    phase: Phase
    after_s: float
    signals: tuple[signal.Signals, ...]
    between_s: float = 0.0
    """Between two signals."""
    setup: Setup = "chat"
    event: str = ""
    talking_s: float = 0.0
    slow: bool = False
    """Whether the service takes its time: then more is under way."""

    def __str__(self) -> str:
        names = "+".join(number.name for number in self.signals)
        gap = f" {self.between_s:.3f} s apart" if len(self.signals) > 1 else ""
        near = f" after {self.event} from {self.talking_s:.2f} s on" if self.event else ""
        setup = f" {self.setup}" if self.command == "run" else ""
        return f"{self.command}{setup}: {names}{gap}, {self.phase}, {self.after_s:.3f} s{near}"


def kills(command: Command, count: int, seed: int, talk_s: float) -> list[Moment]:
    """SIGKILLs of a command that writes what is said for so many seconds: one in eight before it is ready, three in
    eight close to an event."""
    draw = _Draw(command, random.Random(f"{seed} {command}"), talk_s)
    phases: tuple[Phase, ...] = ("opening", "talking", "event", "talking", "event", "talking", "event", "talking")
    return [draw.moment(phases[n % 8], (signal.SIGKILL,), slow=bool(n // 2 % 2)) for n in range(count)]


def signals(count: int, seed: int, talk_s: float) -> list[Moment]:
    """Signals to `run`: a quarter in the first 300 ms, a quarter before it is ready; a third of them two in a row."""
    draw = _Draw("run", random.Random(f"{seed} run"), talk_s)
    phases: tuple[Phase, ...] = ("first", "talking", "opening", "event", "first", "talking", "opening", "talking")
    found = []
    for number in range(count):
        setup = SETUPS[(number // 8 if count >= 24 else number) % 3]
        numbers = tuple(draw.chance.choices(SIGNALS, k=2 if draw.chance.random() < 1 / 3 else 1))
        found.append(draw.moment(phases[number % 8], numbers, setup=setup, slow=bool(number // 3 % 2)))
    return found


@dataclass(frozen=True, slots=True)
class _Draw:
    """Draws moments for a command that hears a talk of so many seconds."""

    command: Command
    chance: random.Random
    talk_s: float

    def moment(self, phase: Phase, numbers: tuple[signal.Signals, ...], *, setup: Setup = "chat", slow: bool) -> Moment:
        longest_s = {"first": FIRST_S, "opening": OPENING_S, "talking": self.talk_s - 0.5, "event": NEAR_S}[phase]
        between_s = self.chance.uniform(0, BETWEEN_S) if len(numbers) > 1 else 0.0
        event = self.chance.choice(EVENTS[self.command]) if phase == "event" else ""
        after_s, talking_s = self.chance.uniform(0, longest_s), self.chance.uniform(0, self.talk_s / 2)
        return Moment(self.command, phase, after_s, numbers, between_s, setup, event, talking_s, slow)


def codes(numbers: Sequence[signal.Signals], between_s: float) -> set[int]:
    """The exit codes that are right for signals in a row: those of the first one. Of two that came within 50 ms the
    system may deliver either one first."""
    first = numbers if between_s < 0.05 else numbers[:1]
    return {130 if number is signal.SIGINT else 0 for number in first}
