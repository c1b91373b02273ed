"""Measures when a turn ends: the wait at true ends for a share of cut-offs, and whole sessions at their settings.

    scripts/bench endpoint [--only pauses program sessions] [--fit] [--half kept|open|both] [--model FILE]

`pauses` has the form of LiveKit's end-of-turn benchmark: every rule is swept through its settings, and what counts is
its mean wait at the true ends where it cuts off 5 or 10 % of the pauses inside turns, and how many it cuts off where it
waits 300 or 600 ms. The words are those that the embedded recogniser hears up to the pause. `--fit` prints the
coefficients of the judgement, fitted to the open half.

`program` has the installed program hear sixty prompts, half of them with a pause; with `--set` other settings.

`sessions` runs recorded prompts through the VAD, the segmenter and the endpointer with the settings of the config.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from math import exp
from pathlib import Path

from bench.endpoint import fitting, policies, program, sessions
from bench.endpoint.cutting import turns
from bench.endpoint.material import PACKAGES, TEXTS, VOICE
from bench.endpoint.measuring import Known, load, measured, save
from voiceloop.capture.endpointing.endings import Ending, ending
from voiceloop.capture.endpointing.judgement import SLOPE, SOUND, Evidence, factor
from voiceloop.capture.endpointing.smart_turn import FILE, MODEL
from voiceloop.config.tables import Segment
from voiceloop.transcribe.embedded.places import user_models

PAUSE_S, JUDGE_S = 0.128, 0.05
"""When a pause is noticed, and how long the judge takes then."""
PARTS = ("pauses", "program", "sessions")
CUTS, WAITS_S = (0.05, 0.10), (0.3, 0.6)


def rules(transcribe_s: float) -> dict[str, Callable[[], Iterator[policies.Waits]]]:
    """The rules that are compared, each with its settings."""
    words_s, sound_s = PAUSE_S + transcribe_s, PAUSE_S + JUDGE_S

    def by_words(each: Known) -> Ending:
        return ending(each.text, "en", punctuated=False)

    return {
        "plain silence": lambda: policies.silence(words_s),
        "words, every mark believed": lambda: policies.scaled(
            lambda each: factor(Evidence(ending(each.text, "en"))), words_s
        ),
        "words, without the recogniser's marks": lambda: policies.scaled(
            lambda each: factor(Evidence(by_words(each))), words_s
        ),
        "sound, a threshold": lambda: policies.thresholds(lambda each: each.sound, sound_s),
        "sound, by its log-odds": lambda: policies.scaled(lambda each: exp(-SLOPE * SOUND * each.sound), sound_s),
        "sound and words": lambda: policies.scaled(
            lambda each: factor(Evidence(by_words(each), sound=each.sound)), max(words_s, sound_s)
        ),
    }


def table(known: Sequence[Known], transcribe_s: float) -> Iterator[str]:
    """A line for each rule."""
    yield "| rule | wait at 5 % | at 10 % | cut off at 300 ms | at 600 ms | median at plain ends |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for name, settings in rules(transcribe_s).items():
        points = policies.swept(settings(), known)
        chosen = [policies.wait_at(points, cut) for cut in CUTS]
        waits = [f"{each.wait_s * 1000:.0f} ms" for each in chosen]
        cuts = [f"{100 * policies.cut_at(points, wait_s):.1f} %" for wait_s in WAITS_S]
        plain = f"{1000 * policies.middle(chosen[0], known, _is_plain):.0f} ms"
        yield f"| {name} | {' | '.join((*waits, *cuts, plain))} |"


def _is_plain(each: Known) -> bool:
    """Whether the last sentence is plainly finished: no word of it wants another."""
    return ending(each.text, "en", punctuated=False) <= Ending.UNKNOWN


def report(known: Sequence[Known], half: str, transcribe_s: float) -> Iterator[str]:
    """The table for a half of the material, and what it is made of."""
    chosen = [each for each in known if half == "both" or each.kept == (half == "kept")]
    counts = {kind: sum(each.kind == kind for each in chosen) for kind in ("end", "open", "could")}
    names = len({each.name for each in chosen})
    where = "both halves" if half == "both" else f"the {half} half"
    yield (
        f"{where}: {names} recordings; {counts['end']} ends, {counts['open']} pauses after words that can't be a turn, "
        f"{counts['could']} after words that could"
    )
    aucs = [f"{policies.auc(chosen, kinds):.3f}" for kinds in (("open",), ("could",), ("open", "could"))]
    marked = [f"{100 * _marked(chosen, kind):.0f}" for kind in ("end", "open", "could")]
    yield f"the recogniser put a full stop, a question or an exclamation mark after {' / '.join(marked)} % of them"
    yield f"the judge, ends against the first, the second and all pauses: AUC {', '.join(aucs)}"
    yield ""
    yield from table(chosen, transcribe_s)
    at_settings = policies.point(_as_configured(transcribe_s), chosen)
    yield ""
    yield (
        f"sound and words with the default settings: {100 * at_settings.cut:.1f} % cut off, mean wait "
        f"{1000 * at_settings.wait_s:.0f} ms, median at plain ends "
        f"{1000 * policies.middle(at_settings, chosen, _is_plain):.0f} ms"
    )


def _marked(known: Sequence[Known], kind: str) -> float:
    """The share of the pauses of a kind whose words end with a mark that ends a sentence."""
    marks = [each.text.endswith((".", "!", "?")) for each in known if each.kind == kind]
    return sum(marks) / len(marks)


def _as_configured(transcribe_s: float) -> policies.Waits:
    """What the program waits with the default settings, for a speaker whose pauses it doesn't know yet."""
    segment = Segment()
    shortest_s, longest_s = (bound / 1000 for bound in segment.bounds_ms(acoustic=True))

    def waits(each: Known) -> float:
        evidence = Evidence(ending(each.text, "en", punctuated=False), sound=each.sound)
        wait_s = min(max(segment.hangover_ms / 1000 * factor(evidence), shortest_s), longest_s)
        return max(wait_s, PAUSE_S + max(transcribe_s, JUDGE_S))

    return waits


def fitted(known: Sequence[Known], transcribe_s: float) -> str:
    """The coefficients that the open half gives."""
    found = fitting.fit([each for each in known if not each.kept], PAUSE_S + transcribe_s)
    words = ", ".join(f"{one.name} {weight:.2f}" for one, weight in found.words.items())
    return (
        f"fitted to the open half: SOUND {found.sound:.2f}; WORDS: {words}; base at 5 %: {found.base_s * 1000:.0f} ms"
    )


def known_pauses(given: argparse.Namespace) -> list[Known]:
    """What is known at all pauses: measured, or read from a file."""
    if given.load is not None:
        return load(given.load)
    if not given.model.is_file():
        raise SystemExit(f"The acoustic judge is missing: {given.model}. To fetch it: voiceloop models get {MODEL}")
    found = list(measured(turns(given.texts), given.model))
    if given.save is not None:
        save(found, given.save)
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench endpoint", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--fit", action="store_true", help="print the coefficients that the open half gives")
    parser.add_argument("--half", choices=("kept", "open", "both"), default="kept")
    parser.add_argument("--model", type=Path, default=user_models() / MODEL / FILE, help="the acoustic judge's network")
    parser.add_argument("--save", type=Path, help="write what is known at each pause to a file")
    parser.add_argument("--load", type=Path, help="read that file, and measure nothing")
    parser.add_argument("--transcribe-ms", type=float, help="how long a transcription takes (100, in sessions 300)")
    parser.add_argument(
        "--reply-ms", type=float, default=600, help="sessions: from the text to the first audible sound"
    )
    parser.add_argument("--texts", type=Path, default=TEXTS, help=f"the prompts' texts ({TEXTS.name})")
    parser.add_argument("--set", action="append", default=[], help="a setting of the program, as TABLE.KEY=VALUE")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    given = arguments()
    if not given.texts.exists() or not VOICE.is_dir():
        raise SystemExit(f"The recorded prompts or their texts are missing: apt install {PACKAGES}")
    if "pauses" in given.only:
        transcribe_s = (100 if given.transcribe_ms is None else given.transcribe_ms) / 1000
        known = known_pauses(given)
        print("\n".join(report(known, given.half, transcribe_s)), end="\n\n")
        if given.fit:
            print(fitted(known, transcribe_s), end="\n\n")
    if "program" in given.only:
        print("\n".join(program.report(given.texts, given.set)), end="\n\n")
    if "sessions" in given.only:
        transcribe_ms = 300 if given.transcribe_ms is None else given.transcribe_ms
        print("\n".join(sessions.report(given.texts, transcribe_ms, given.reply_ms, given.seed)))


if __name__ == "__main__":
    main()
