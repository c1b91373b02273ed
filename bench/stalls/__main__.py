"""Stalls the program's callbacks and counts the samples of the microphone that are lost meanwhile.

The program's microphone, in a process of its own, hears noise that never repeats. Callbacks come late in two ways: a
thread holds the GIL, or the whole process is stopped (SIGSTOP). What is lost shows in the recording: the rest of the
noise comes too early there. Beside it stands what the program's own ledger says, how often the program took the device
for lost and opened it anew, and after how many stalls it heard nothing any more.

    scripts/bench stalls [--rounds 10] [--ms 50,100,200,500,1000] [-i pipewire]
"""

from __future__ import annotations

import argparse
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.stalls.hearing import Hearing, hearing
from bench.stalls.slips import Missing, holds_end, missing
from testbed.sound.cable import MIC_HZ, Cable, chosen, why_not
from testbed.sound.samples import noise

LEAD_S, TAIL_S = 1.5, 1.5
"""How much of the noise is heard before the stall and after it."""
FROM_S = 0.5
"""The noise before this isn't looked at: the player's stream has only begun."""
_ARRIVED_S = 5.0
_SETTLED_S = 3.0
"""A microphone that was just opened gives its first blocks early."""
_HEADER = ("callbacks late", "by", "rounds with a loss", "samples lost", "worst", "by the ledger", "reopened", "deaf")


@dataclass
class Result:
    """What the stalls of one kind and length cost: samples, for each round."""

    how: str
    stall_ms: int
    lost: list[int] = field(default_factory=list)
    ledger: list[int] = field(default_factory=list)
    reopened: int = 0
    deaf: int = 0
    """After how many rounds the end of the noise did not arrive."""

    def line(self) -> str:
        """A row of the table."""
        worst = f"{max(self.lost) * 1000 / MIC_HZ:.0f} ms" if self.lost else "not heard"
        cells = (
            self.how,
            f"{self.stall_ms} ms",
            f"{sum(lost > 0 for lost in self.lost)} of {len(self.lost)}",
            f"{sum(max(0, lost) for lost in self.lost)}",
            worst,
            f"{sum(self.ledger)}",
            f"{self.reopened}",
            f"{self.deaf}",
        )
        return _row(cells)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def hold(run: Hearing, stall_ms: int) -> None:
    run.hold(stall_ms)


def stop(run: Hearing, stall_ms: int) -> None:
    run.process.send_signal(signal.SIGSTOP)
    time.sleep(stall_ms / 1000)
    run.process.send_signal(signal.SIGCONT)


WAYS: dict[str, Callable[[Hearing, int], None]] = {"GIL held": hold, "process stopped": stop}


def try_once(cable: Cable, run: Hearing, result: Result, seed: int) -> None:
    """Stall the program once in the middle of a noise, and add up what is lost."""
    said = noise(LEAD_S + result.stall_ms / 1000 + TAIL_S, MIC_HZ, seed=seed)
    before, begin = run.account(), run.file.stat().st_size
    playing = cable.speak(said)
    time.sleep(LEAD_S)
    WAYS[result.how](run, result.stall_ms)
    playing.wait()
    heard = _heard(run, begin, said)
    after = run.account()
    result.ledger.append(after.lost + after.dropped - before.lost - before.dropped)
    result.reopened += after.reopened - before.reopened
    try:
        result.lost.append(missing(said, heard, MIC_HZ, after_s=FROM_S))
    except Missing:
        result.deaf += 1


def _heard(run: Hearing, begin: int, said: bytes) -> bytes:
    """What was heard since byte `begin`, as soon as the end of the noise is in it."""
    deadline = time.monotonic() + _ARRIVED_S
    while True:
        with run.file.open("rb") as file:
            file.seek(begin)
            heard = file.read()
        if time.monotonic() > deadline or holds_end(said, heard, MIC_HZ):
            return heard
        time.sleep(0.1)


def measure(device: str, lengths_ms: list[int], rounds: int) -> None:
    """Print a row for each way and length. Each row has a cable and a process of its own."""
    for how in WAYS:
        for stall_ms in lengths_ms:
            result = Result(how, stall_ms)
            with (
                tempfile.TemporaryDirectory() as folder,
                Cable() as cable,
                hearing(Path(folder) / "heard", device, cable.env) as run,
            ):
                time.sleep(_SETTLED_S)
                for number in range(rounds):
                    try_once(cable, run, result, seed=number + 1)
            print(result.line(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="scripts/bench stalls", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=10, help="how often each length is tried")
    parser.add_argument("--ms", default="50,100,200,500,1000", help="lengths in milliseconds, with commas between")
    parser.add_argument("-i", "--input", default="default")
    options = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    print(f"{chosen().name}, input {options.input}")
    print(_row(_HEADER))
    print(_row(["---"] * len(_HEADER)))
    measure(options.input, [int(length) for length in options.ms.split(",")], options.rounds)


if __name__ == "__main__":
    main()
