"""Fuzzes everything that reads what comes from outside, and looks for functions that grow faster than their input.

    scripts/bench fuzz [--seconds 900] [--seed 1] [--only NAME[,NAME]] [--inputs N]
    scripts/bench fuzz --only NAME --seed S --again N        one input again, with the traceback of its fault

Prints for each family how many inputs were tried, how many an hour that makes, the slowest, the most memory that one
took, crashes and hangs; then the exponents of the functions of text. Ends with 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import json
import time

from bench.fuzz.families import FAMILIES
from bench.fuzz.family import Family, Figures
from bench.fuzz.growing import MOST, grown
from bench.fuzz.measuring import again, measured
from voiceloop.cli.render import print_line

_GROWING_SHARE = 0.15
"""The share of the time in which the growing functions are looked for."""


def main() -> int:
    given = _arguments()
    names = given.only.split(",") if given.only else list(FAMILIES)
    if given.again is not None:
        again(FAMILIES[names[0]], seed=given.seed, number=given.again)
        return 0
    print_line(
        f"{'family':<15}{'inputs':>9}{'an hour':>11}{'slowest':>10}{'peak':>9}{'crashes':>9}{'hangs':>7}{'memory':>8}"
    )
    found: dict[str, Figures] = {}
    families_s = given.seconds * (1 if given.only else 1 - _GROWING_SHARE)
    for name in names:
        found[name] = _tried(FAMILIES[name], share_s=families_s / len(names), seed=given.seed, inputs=given.inputs)
        _print(name, found[name], given.seed)
    _print_all(found)
    slow = [] if given.only else _print_grown(given.seconds * _GROWING_SHARE, given.seed)
    return 1 if slow or any(figures.faults for figures in found.values()) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=900.0, help="of all families and functions together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help=f"families: {', '.join(FAMILIES)}")
    parser.add_argument(
        "--inputs", type=int, help="how many inputs each family gets; by default as many as it has time for"
    )
    parser.add_argument("--again", type=int, metavar="N", help="try input N of the family again")
    given = parser.parse_args()
    unknown = [name for name in given.only.split(",") if name and name not in FAMILIES]
    if unknown:
        parser.error(f"there is no family {unknown[0]!r}; there are {', '.join(FAMILIES)}")
    if given.again is not None and len(given.only.split(",")) != 1:
        parser.error("--again needs --only with one family")
    return given


def _tried(family: Family, *, share_s: float, seed: int, inputs: int | None) -> Figures:
    ends = time.monotonic() + share_s

    def goes_on(figures: Figures) -> bool:
        return figures.inputs < inputs if inputs is not None else time.monotonic() < ends

    return measured(family, seed=seed, goes_on=goes_on)


def _print(name: str, figures: Figures, seed: int) -> None:
    counts = "".join(f"{figures.count(kind):>{width}}" for kind, width in (("crash", 9), ("hang", 7), ("memory", 8)))
    slowest = f"{figures.slowest_s * 1000:.0f} ms"
    print_line(
        f"{name:<15}{figures.inputs:>9,}{figures.an_hour:>11,.0f}{slowest:>10}{figures.peak_mb:>6.1f} MB{counts}"
    )
    for fault in {fault.why.partition(": ")[0]: fault for fault in reversed(figures.faults)}.values():
        print_line(f"    {fault.kind}: {json.dumps(fault.why)[:400]}")
        print_line(f"    scripts/bench fuzz --only {name} --seed {seed} --again {fault.number}")


def _print_all(found: dict[str, Figures]) -> None:
    inputs, took_s = sum(f.inputs for f in found.values()), sum(f.took_s for f in found.values())
    counts = ", ".join(
        f"{sum(f.count(kind) for f in found.values())} {name}"
        for kind, name in (("crash", "crashes"), ("hang", "hangs"), ("memory", "beyond their memory"))
    )
    slowest = max(found, key=lambda name: found[name].slowest_s)
    peak = max(found, key=lambda name: found[name].peak_mb)
    print_line(
        f"all: {inputs:,} inputs in {took_s:,.0f} s, {inputs / max(took_s, 1e-9) * 3600:,.0f} an hour; "
        f"{counts}; the slowest {found[slowest].slowest_s * 1000:.0f} ms ({slowest}, input {found[slowest].slowest}); "
        f"at most {found[peak].peak_mb:.1f} MB ({peak})"
    )


def _print_grown(seconds: float, seed: int) -> list[str]:
    """Print the exponents. Returns the functions that grow too fast."""
    print_line("\nfunction           exponent   largest   pattern")
    slow = []
    for name, growth in grown(seconds=seconds, seed=seed):
        told = f"{growth.exponent:.2f}" if growth.exponent else "-"
        print_line(f"{name:<18}{told:>9}{growth.seconds * 1000:>7.0f} ms   {json.dumps(growth.pattern)}")
        slow += [name] if growth.exponent > MOST else []
    return slow


if __name__ == "__main__":
    raise SystemExit(main())
