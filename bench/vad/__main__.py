"""Compares the VAD engines on the same material, through the real segmenter.

Recorded prompts in thirteen kinds of noise (see `material.py`), and each noise alone. Ground truth is the energy
of the clean recording. The same seed gives the same figures, except for CPU time.

    scripts/bench vad [--quick] [--json] [--conditions] [--cold] [--engine hybrid:gate_mode=2,warm_hops=6]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from bench.vad.material import FOLDERS, PACKAGES, RATE_HZ, Scene, make_scenes, one_by_one
from bench.vad.scores import Score, score
from voiceloop.capture.vad.hybrid import HybridOptions, HybridVad
from voiceloop.capture.vad.silero import SileroOptions, SileroVad
from voiceloop.capture.vad.webrtc import WebRtcOptions, WebRtcVad
from voiceloop.config.tables import Segment, Table
from voiceloop.plugins import Vad

_ENGINES: dict[str, tuple[Callable[[Any], Vad], type[Table]]] = {
    "webrtc": (WebRtcVad, WebRtcOptions),
    "silero": (SileroVad, SileroOptions),
    "hybrid": (HybridVad, HybridOptions),
}
_COLUMNS = {
    "false starts/min": "false_starts_per_minute",
    "false turns/min": "false_turns_per_minute",
    "never end %": "never_end_percent",
    "clipped start %": "clipped_start_percent",
    "clipped end %": "clipped_end_percent",
    "missed %": "missed_percent",
    "missed words %": "missed_words_percent",
    "split %": "split_percent",
    "noticed ms p50/p90": "noticed_ms",
    "end delay ms p50/p90": "end_delay_ms",
    "Silero runs %": "silero_percent",
    "in quiet rooms %": "silero_quiet_percent",
    "CPU ms/s": "cpu_ms_per_s",
    "in quiet rooms": "cpu_quiet_ms_per_s",
}


@dataclass(frozen=True)
class Engine:
    """An engine and its options, spelt `name:option=value,...`."""

    spec: str

    def make(self) -> Vad:
        name, _, options = self.spec.partition(":")
        part, model = _ENGINES[name]
        pairs = dict(pair.split("=", 1) for pair in options.split(",") if pair)
        return part(model.model_validate(pairs))


def main() -> int:
    args = _arguments()
    if not all(folder.is_dir() for folder in FOLDERS):
        print(f"The recorded prompts are missing: apt install {PACKAGES}", file=sys.stderr)
        return 1
    engines = [Engine(spec) for spec in args.engine or _ENGINES]
    segment = Segment(hangover_ms=args.hangover_ms)
    prompts, noise_s = (12, 20.0) if args.quick else (args.prompts, 60.0)
    scores: dict[str, dict[str, list[Score]]] = {engine.spec: {} for engine in engines}
    for scene in make_scenes(prompts=prompts, noise_s=noise_s, seed=args.seed):
        _show_progress(scene)
        for part in one_by_one(scene) if args.cold else (scene,):
            for engine in engines:
                scores[engine.spec].setdefault(scene.name, []).append(score(engine.make(), part, segment))
    _show_progress(None)
    report = {
        "all": {spec: figures(Score.total(chain(*found.values()))) for spec, found in scores.items()},
        **{
            name: {spec: figures(Score.total(found[name])) for spec, found in scores.items()}
            for name in next(iter(scores.values()))
        },
    }
    if args.json:
        print(json.dumps(report, indent=1))
        return 0
    for name in report if args.conditions else ("all",):
        print(_table(name, report[name]))
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench vad", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer prompts, less noise")
    parser.add_argument("--json", action="store_true", help="every figure, by condition and engine")
    parser.add_argument("--conditions", action="store_true", help="a table for each condition as well")
    parser.add_argument(
        "--cold", action="store_true", help="play each prompt to a newly opened engine; leave out noise alone"
    )
    parser.add_argument("--engine", action="append", metavar="NAME[:OPTION=VALUE,...]", help="may be repeated")
    parser.add_argument("--prompts", type=int, default=80)
    parser.add_argument("--hangover-ms", type=int, default=Segment().hangover_ms)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _show_progress(scene: Scene | None) -> None:
    if sys.stderr.isatty():
        text = "" if scene is None else f"{scene.name}, {'speech' if scene.spoken else 'noise alone'}"
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def figures(score: Score) -> dict[str, float | list[float]]:
    """The figures of a score, rounded; percentages are of all prompts (or of all single words)."""
    minutes = score.noise_samples / RATE_HZ / 60
    return {
        "false_starts_per_minute": _ratio(score.false_starts, minutes),
        "false_turns_per_minute": _ratio(score.false_turns, minutes),
        "never_end_percent": _percent(score.never_ended, score.prompts),
        "clipped_start_percent": _percent(score.clipped_start, score.prompts),
        "clipped_end_percent": _percent(score.clipped_end, score.prompts),
        "missed_percent": _percent(score.missed, score.prompts),
        "missed_words_percent": _percent(score.missed_words, score.words),
        "split_percent": _percent(score.split, score.prompts),
        "noticed_ms": _quantiles(score.notice_delays),
        "end_delay_ms": _quantiles(score.end_delays),
        "silero_percent": _percent(score.silero_samples, score.samples),
        "silero_quiet_percent": _percent(score.quiet_silero_samples, score.quiet_samples),
        "cpu_ms_per_s": _ratio(score.cpu_s * 1000, score.samples / RATE_HZ),
        "cpu_quiet_ms_per_s": _ratio(score.quiet_cpu_s * 1000, score.quiet_samples / RATE_HZ),
    }


def _ratio(count: float, whole: float) -> float:
    return round(count / whole, 2) if whole else 0.0


def _percent(count: float, whole: float) -> float:
    return round(100 * count / whole, 1) if whole else 0.0


def _quantiles(samples: list[int]) -> list[float]:
    return [round(float(np.quantile(samples, q)) * 1000 / RATE_HZ) for q in (0.5, 0.9)] if samples else []


def _table(title: str, rows: dict[str, dict[str, float | list[float]]]) -> str:
    lines = [
        f"\n{title}" if title != "all" else "",
        f"| engine | {' | '.join(_COLUMNS)} |",
        "| --- " * (len(_COLUMNS) + 1) + "|",
    ]
    for spec, row in rows.items():
        cells = []
        for key in _COLUMNS.values():
            value = row[key]
            cells.append(" / ".join(f"{one:g}" for one in value) if isinstance(value, list) else f"{value:g}")
        lines.append(f"| {spec} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
