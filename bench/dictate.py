"""Cuts dictations off at random moments, and counts what was lost or written twice: the promise of the journal.

The installed `voiceloop dictate` hears five recorded sentences in real time and writes them to a file; the loopback
service takes 300 or 3000 ms to transcribe, in turn. Then it is killed (SIGKILL; `kill-ended`: within 20 ms after
an utterance ended; `kill-typing`: within 100 ms after a text came, while it types into a terminal on Xvfb), or the
service is gone for 3 s and its start, or it wants money (402) for so long. What is left is fetched by
`voiceloop transcribe --pending` afterwards.

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

from testbed.dictating import Misfortune, Outcome, Talk, dictate, talk

KINDS: tuple[Misfortune, ...] = get_args(Misfortune)
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


def moments(kinds: Sequence[Misfortune], count: int, seed: int, seconds: float) -> list[tuple[Misfortune, float]]:
    """`count` of each kind, anywhere in the talk; kills in the second after it too."""
    chance = random.Random(seed)
    latest = seconds - 1.0
    return [(kind, chance.uniform(0.5, latest + 2.0 * (kind == "kill"))) for kind in kinds for _ in range(count)]


def one(said: Talk, folder: Path, number: int, moment: tuple[Misfortune, float]) -> Outcome:
    """The dictation of one moment."""
    return dictate(said, folder / str(number), *moment, service_ms=(300, 3_000)[number % 2])


def row(kind: Misfortune, outcomes: Sequence[Outcome]) -> str:
    """A row of the table."""
    sums = [sum(getattr(outcome, name) for outcome in outcomes) for name in ("heard", "written", "fetched", "perhaps")]
    lost, twice = (sum(len(getattr(outcome, name)) for outcome in outcomes) for name in ("lost", "twice"))
    return "| " + " | ".join(map(str, (kind, len(outcomes), *sums, lost, twice))) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench dictate", description=__doc__.partition("\n")[0])
    parser.add_argument("--moments", type=int, default=50, help="of each kind")
    parser.add_argument("--only", default=",".join(KINDS), help=f"of {','.join(KINDS)}")
    parser.add_argument("--at-once", type=int, default=3, help="dictations side by side: they wait most of the time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="every outcome as a line of JSON, instead of the table")
    arguments = parser.parse_args()
    kinds = [kind for kind in KINDS if kind in arguments.only.split(",")]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(arguments.at_once) as pool:
        said = talk(Path(folder))
        plan = moments(kinds, arguments.moments, arguments.seed, said.seconds)
        tries = [pool.submit(one, said, Path(folder), number, moment) for number, moment in enumerate(plan)]
        outcomes = [done.result() for done in tries]
    if arguments.json:
        print("\n".join(json.dumps(asdict(outcome)) for outcome in outcomes))
    else:
        print("| " + " | ".join(COLUMNS) + " |\n" + "| --- " * len(COLUMNS) + "|")
        for kind in kinds:
            print(row(kind, [outcome for outcome in outcomes if outcome.misfortune == kind]))
    if bad := [outcome for outcome in outcomes if not outcome.good]:
        raise SystemExit("\n".join(map(str, bad)))


if __name__ == "__main__":
    main()
