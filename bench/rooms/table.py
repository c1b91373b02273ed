"""The table of the simulated rooms: a row for each condition, totals, and what the canceller removes and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from bench.rooms.conditions import Condition
from bench.rooms.figures import NOISY_DB, Figures

_SHARES = "p10, p50, p90"
_HEAD = (
    "| room | replies | own turns | hushes | ducks | person over the reply: seen | noticed after, p50 / p90 "
    "| within 250 / 300 ms | unanswered |"
)


def rows(conditions: Sequence[Condition], measured: Mapping[str, Sequence[Figures]]) -> list[str]:
    """The table: each condition, then all those that are not loud, and the loud ones."""
    groups = {condition.name: list(measured[condition.name]) for condition in conditions}
    for name, loud in (("**all of these but the loud**", False), ("**the loud**", True)):
        group = [one for condition in conditions if condition.loud is loud for one in measured[condition.name]]
        if group and len(conditions) > 1:
            groups[name] = group
    return [_HEAD, "| --- " * 9 + "|", *(_row(name, group) for name, group in groups.items())]


def _row(name: str, group: Sequence[Figures]) -> str:
    over = [one for one in group if one.spoken_over]
    times = [one.noticed_ms for one in over if one.noticed_ms is not None]
    noticed = f"{np.percentile(times, 50):.0f} / {np.percentile(times, 90):.0f} ms" if times else "-"
    soon = " / ".join(str(sum(time <= limit for time in times)) for limit in (250, 300))
    sums = [_sum(group, what) for what in ("replies", "own_turns", "hushes", "ducks", "unanswered")]
    cells = [name, *map(str, sums[:-1]), f"{len(times)} of {len(over)}", noticed, soon, str(sums[-1])]
    return f"| {' | '.join(cells)} |"


def _sum(group: Sequence[Figures], what: str) -> int:
    return sum(getattr(one, what) for one in group)


def removal(measured: Mapping[str, Sequence[Figures]]) -> list[str]:
    """What the canceller removes in the base room, per half second of the replies after the first."""
    erle = [value for one in measured.get("base", ()) for value in one.erle_db]
    rest = [value for one in measured.get("base", ()) for value in one.over_noise_db]
    if not erle:
        return []
    lines = [f"base, echo removed in {len(erle)} half seconds after the first reply: {_spread(erle)} dB ({_SHARES})"]
    if rest:
        what = f"output over the noise where the echo is less than {NOISY_DB:.0f} dB over it"
        lines.append(f"base, {what}: {_spread(rest)} dB ({_SHARES}), at most {max(rest):.1f} dB")
    return lines


def _spread(values: Sequence[float]) -> str:
    return ", ".join(f"{np.percentile(values, share):.1f}" for share in (10, 50, 90))


def costs(measured: Mapping[str, Sequence[Figures]]) -> list[str]:
    """The processor's time for each 10 ms that are processed. These figures alone depend on the machine."""
    every = [one for group in measured.values() for one in group]
    steps = sum(one.steps for one in every)
    if not steps:
        return []
    processing, besides = (sum(getattr(one, what) for one in every) / steps for what in ("processing_ms", "besides_ms"))
    return [f"processor's time for 10 ms: WebRTC's canceller {processing:.3f} ms, besides it {besides:.3f} ms"]
