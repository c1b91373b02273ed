"""Interrupts dictations at random moments and counts the sentences that were lost or written twice. Tests the journal.

The installed `voiceloop dictate` hears five recorded sentences in real time and writes them to a file. The loopback
service takes 300 ms to transcribe in every other run and 3000 ms in the rest. The failures:

    kill         SIGKILL
    kill-ended   SIGKILL within 20 ms after an utterance ended
    kill-typing  SIGKILL within 100 ms after a text came, while it is typed into a terminal on Xvfb
    cut          no service for 3 s and the time that it takes to start again
    402          the service answers 402 (payment required) for 3 s

Afterwards `voiceloop transcribe --pending` fetches what the journal still holds.

    scripts/bench dictate [--moments 50] [--only kill,kill-ended,kill-typing,cut,402] [--at-once 3] [--seed 1] [--json]
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from testbed.dictating import Failure, Moment, Outcome, Talk, dictate, talk

KINDS: tuple[Failure, ...] = get_args(Failure)
COLUMNS = (
    "cut off by",
    "moments",
    "sentences heard",
    "written",
    "fetched later",
    "shown as perhaps written",
    "lost",
    "twice",
)


def moments(kinds: Sequence[Failure], count: int, seed: int, seconds: float) -> list[Moment]:
    """`count` random moments for each kind of failure: during the talk; for `kill` also in the second after it."""
    chance = random.Random(seed)
    latest_s = {kind: seconds + (1.0 if kind == "kill" else -1.0) for kind in kinds}
    return [Moment(kind, chance.uniform(0.5, latest_s[kind])) for kind in kinds for _ in range(count)]


def interrupted(said: Talk, folder: Path, number: int, moment: Moment) -> Outcome:
    """Run one dictation with one failure."""
    return dictate(said, folder / str(number), moment, service_ms=(300, 3_000)[number % 2])


def row(kind: Failure, outcomes: Sequence[Outcome]) -> str:
    """The row of the table for one kind of failure."""
    sums = [sum(getattr(outcome, name) for outcome in outcomes) for name in ("heard", "written", "fetched", "perhaps")]
    lost, twice = (sum(len(getattr(outcome, name)) for outcome in outcomes) for name in ("lost", "twice"))
    return "| " + " | ".join(map(str, (kind, len(outcomes), *sums, lost, twice))) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench dictate", description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50, help="of each kind")
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {','.join(KINDS)}")
    parser.add_argument(
        "--at-once", type=int, default=3, help="dictations that run at the same time: they wait most of the time"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="every outcome as a line of JSON, instead of the table")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in arguments.only.split(",")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.at_once) as pool:
        said = talk(Path(folder))
        plan = moments(kinds, arguments.moments, arguments.seed, said.seconds)
        runs = [pool.submit(interrupted, said, Path(folder), number, moment) for number, moment in enumerate(plan)]
        outcomes = [done.result() for done in runs]
    if arguments.json:
        print("\n".join(json.dumps(asdict(outcome)) for outcome in outcomes))
    else:
        print("| " + " | ".join(COLUMNS) + " |\n" + "| --- " * len(COLUMNS) + "|")
        for kind in kinds:
            print(row(kind, [outcome for outcome in outcomes if outcome.failure == kind]))
    if bad := [outcome for outcome in outcomes if not outcome.good]:
        raise SystemExit("\n".join(map(str, bad)))


if __name__ == "__main__":
    main()
