"""Plays the whole program in simulated rooms, in simulated time, and counts how often it answers itself.

    scripts/bench rooms [--only CONDITION,...] [--pairs N] [--set table.key=value] [--jobs N] [--json]

Each run: three replies while nobody speaks, and one that a person speaks over. The program is `app.run`, with a
simulated PortAudio; only the recogniser, the handler and the synthesizer are made up. No wall clock and no sound server
take part: the same figures on every machine and at any load, except the times of the processor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial

from bench.rooms.conditions import CONDITIONS, Condition
from bench.rooms.figures import Figures, figures_of
from bench.rooms.scene import run
from bench.rooms.table import costs, removal, rows
from bench.rooms.voices import pairs


def measure(job: tuple[Condition, int], *, sets: Sequence[str]) -> Figures:
    """The figures of one condition with one pair of voices."""
    condition, number = job
    return figures_of(run(condition, pairs()[number], sets))


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench rooms", description=__doc__.partition("\n")[0])
    names = [condition.name for condition in CONDITIONS]
    some = f"some of {','.join(names)}"
    parser.add_argument("--only", type=_some, default=CONDITIONS, metavar="CONDITION,...", help=some)
    parser.add_argument("--pairs", type=int, choices=range(1, 5), default=4, help="how many pairs of voices")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="a setting of the program"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="how many runs at the same time")
    parser.add_argument("--json", action="store_true", help="the figures of every run as JSON, instead of the table")
    arguments = parser.parse_args()
    began = time.perf_counter()
    measured = _measured(arguments.only, arguments.pairs, arguments.set, arguments.jobs)
    if arguments.json:
        print(json.dumps({name: [asdict(one) for one in figures] for name, figures in measured.items()}))
        return
    print("\n".join([*rows(arguments.only, measured), "", *removal(measured), *costs(measured)]))
    print(f"{sum(map(len, measured.values()))} runs in {time.perf_counter() - began:.0f} s, {arguments.jobs} at a time")


def _measured(conditions: Sequence[Condition], count: int, sets: Sequence[str], jobs: int) -> dict[str, list[Figures]]:
    """The figures of each condition, by pair."""
    wanted = [(condition, number) for condition in conditions for number in range(count)]
    found: dict[str, list[Figures]] = {condition.name: [] for condition in conditions}
    with ProcessPoolExecutor(jobs) as pool:
        for (condition, _), figures in zip(wanted, pool.map(partial(measure, sets=sets), wanted), strict=True):
            found[condition.name].append(figures)
            print(f"\r{sum(map(len, found.values()))} of {len(wanted)}", end="\r", file=sys.stderr, flush=True)
    return found


def _some(given: str) -> list[Condition]:
    known = {condition.name: condition for condition in CONDITIONS}
    names = given.split(",")
    if unknown := set(names) - set(known):
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [known[name] for name in names]


if __name__ == "__main__":
    main()
