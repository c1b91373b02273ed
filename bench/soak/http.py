"""Makes 10,000 requests with random faults against a loopback server and prints every leak: connections, tasks, file
descriptors, unclosed generators and sockets, memory. Fails when anything leaked. The same seed gives the same faults.

    scripts/bench soak-http [--requests 10000] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys

import trio

from bench.soak.requests import Figures, Soak

FLAT_BLOCKS = 5_000
"""Python may hold this many more allocations at the end than after a fifth of the requests. The requests under way need
them; a leak of one allocation for each request would exceed them."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench soak-http", description=__doc__.partition("\n\n")[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    figures = trio.run(Soak(arguments.requests, arguments.seed).run)
    show(figures)
    grown = figures.blocks[-1] - figures.blocks[1]
    failed = any(figures.left.values()) or figures.rules_broken or grown > FLAT_BLOCKS
    return 1 if failed else 0


def show(figures: Figures) -> None:
    rate = figures.requests / figures.seconds
    print(f"requests            {figures.requests} in {figures.seconds:.0f} s ({rate:.0f}/s)")
    print(f"connections opened  {figures.connections_opened}")
    for name, count in figures.outcomes.most_common():
        print(f"  {name:<18}{count}")
    print(f"rules broken        {figures.rules_broken}")
    for name, count in figures.left.items():
        print(f"left: {name:<14}{count}")
    print("memory, MB          " + " ".join(f"{value:.0f}" for value in figures.memory_mb))
    print("allocations, 1000s  " + " ".join(f"{value / 1000:.1f}" for value in figures.blocks))


if __name__ == "__main__":
    sys.exit(main())
