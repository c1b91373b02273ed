"""Measures turn-taking: recordings of people speak to the installed `voiceloop run` on a private sound server.

The loopback service takes 300 ms to transcribe, 300 ms to the first token, 20 ms for each token, and 200 ms to the
first byte of speech. It sends speech at four times real time, in chunks of odd sizes. All times are taken from
recordings of the microphone and of the loudspeaker whose chunks have timestamps. The peer is Pipecat 1.14 with its
defaults, measured in the same way.

    scripts/bench turns [--only latency,posts,hold,duck,cut,echo,gaps] [--runs N] [--set table.key=value] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from collections.abc import Callable, Sequence

from bench.turns import cut, echo, gaps, latency, yielding
from bench.turns.figures import Figure
from testbed.sound.cable import chosen, why_not

Measure = Callable[[int, Sequence[str]], list[Figure]]
MEASURES: dict[tuple[str, ...], tuple[Measure, int]] = {
    ("latency", "posts"): (latency.measure, 15),
    ("hold", "duck"): (yielding.measure, 12),
    ("cut",): (cut.measure, 12),
    ("echo",): (echo.measure, 20),
    ("gaps",): (gaps.measure, 100),
}
"""For each group of names: the function that measures them, and its default number of runs. The rows of one group come
from the same turns."""
NAMES = [name for names in MEASURES for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench turns", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", type=_names, default=NAMES, metavar="NAMES", help=f"some of {','.join(NAMES)}")
    parser.add_argument("--runs", type=int, help="number of turns of each measurement")
    parser.add_argument(
        "--set", action="append", default=[], metavar="TABLE.KEY=VALUE", help="a setting of the program"
    )
    parser.add_argument("--json", action="store_true", help="all values as JSON, instead of the table")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    figures = []
    if not arguments.json:
        machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
        print(f"{machine}, Python {platform.python_version()}, {chosen().name}")
        print(f"Load before: {_load()}\n")
        print("| what | median (range, p90, count) | aim | peer | notes |\n| --- | --- | --- | --- | --- |")
    for names, (measure, runs) in MEASURES.items():
        if not set(names) & set(arguments.only):
            continue
        measured = measure(arguments.runs or runs, arguments.set)
        figures += measured
        if not arguments.json:
            print("\n".join(figure.line() for figure in measured), flush=True)
    if not arguments.json:
        print(f"\nLoad in the last minutes: {_load()}")
    else:
        shown = {
            figure.name: {"unit": figure.unit, "values": figure.values, "notes": figure.notes} for figure in figures
        }
        print(json.dumps(shown, ensure_ascii=False))


def _load() -> str:
    """The load average over 1, 5 and 15 minutes: figures of a busy machine are worse."""
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def _names(given: str) -> list[str]:
    names = given.split(",")
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"no {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return names


if __name__ == "__main__":
    main()
