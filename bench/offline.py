"""Measures the loop without key or network, on a private sound server: latency, barge-in, idle cost, memory.

The installed `voiceloop run` hears recorded prompts from the cable's microphone and repeats them. The end of speech and
the first audible sound are taken from recordings of both cables, not from the program's own clock. Its marks give the
waterfall: how much of the time passes between the last voiced frame and each step.

    scripts/bench offline [--runs 20] [--talk-minutes 0] [--idle-s 30] [--set TABLE.KEY=VALUE]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.loop import ALIKE, ASTERISK, PROMPTS, Figure, children, cpu_s, noise, prompt
from testbed.running import Running, running
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable, Listener, why_not
from testbed.sound.match import find
from voiceloop.audio.audible import first_audible
from voiceloop.audio.loudness import HOPS_PER_S, levels_dbfs
from voiceloop.types import SAMPLE_BYTES

STEPS = ("pause", "text", "first_pcm", "committed", "first_write", "first_played")
"""The marks of a turn that the waterfall shows."""
LONG = "demo-congrats"
"""A prompt whose repetition is long enough to be interrupted."""
TALK = sorted(path for path in ASTERISK.glob("*.wav") if 20_000 < path.stat().st_size < 60_000)
REPORT_EVERY_S = 60.0
SILENT_S = 0.15
SILENCE_DBFS = -60.0


@contextmanager
def offline(cable: Cable, home: Path, sets: Sequence[str]) -> Iterator[Running]:
    """The program with the config `offline` and the handler `echo`, once it is ready."""
    words = [word for value in ("handler.use=echo", *sets) for word in ("--set", value)]
    with running("--config", "offline", *words, env=cable.env | {"HOME": str(home)}) as loop:
        loop.wait_for("ready")
        yield loop


def pss_mb(pid: int) -> float:
    """Memory of a process and its children: shared pages are divided among those that share them (PSS)."""
    total = 0
    for number in children(pid):
        lines = Path(f"/proc/{number}/smaps_rollup").read_text().splitlines()
        total += int(next(line for line in lines if line.startswith("Pss:")).split()[1])
    return total / 1024


def latency(cable: Cable, loop: Running, runs: int) -> list[Figure]:
    """From the end of the prompt at the microphone to the first audible sound at the loudspeaker, and the waterfall."""
    sound = Figure("end of speech → first audible sound", "ms", "median ≤ 520 ms")
    steps = {name: Figure(f"last voiced frame → {name}", "ms", "") for name in STEPS}
    wrong = Figure("prompts with another text than the first time", "prompts", "0")
    texts: dict[str, str] = {}
    changed = 0
    for number in range(runs):
        name = PROMPTS[number % len(PROMPTS)]
        said = prompt(name)
        with cable.listening("mic_cable.monitor", rate_hz=MIC_HZ) as mic, cable.listening() as speaker:
            cable.speak(said)
            done = loop.wait_for("turn.done", count=number + 1).fields
            sound.values.append((_first_audible(speaker) - _end_of_speech(said, mic)) * 1000)
        marks = done["marks"]
        for step, figure in steps.items():
            figure.values.append((marks[step] - marks["last_voiced"]) * 1000)
        text = loop.wait_for("transcript", count=number + 1).fields["text"]
        changed += texts.setdefault(name, text) != text
    wrong.values.append(changed)
    return [sound, *steps.values(), wrong]


def _end_of_speech(said: bytes, mic: Listener) -> float:
    body = said[2 * 3200 : -2 * 3200]
    at, correlation = find(body, mic.heard)
    assert correlation > ALIKE, f"the prompt is not on the microphone's cable (correlation {correlation:.2f})"
    audible_end = len(said) // SAMPLE_BYTES - (first_audible(_reversed(said), MIC_HZ) or 0)
    return mic.when(SAMPLE_BYTES * (at - 3200 + audible_end))


def _reversed(pcm: bytes) -> bytes:
    return b"".join(pcm[at : at + SAMPLE_BYTES] for at in range(len(pcm) - SAMPLE_BYTES, -1, -SAMPLE_BYTES))


def _first_audible(speaker: Listener) -> float:
    begin = first_audible(speaker.heard, SPEAKER_HZ)
    assert begin is not None, "no reply was heard"
    return speaker.when(SAMPLE_BYTES * begin)


def barge_ins(cable: Cable, loop: Running, runs: int) -> list[Figure]:
    """How long the reply is still audible after somebody begins to speak over it."""
    silent = Figure("barge-in: voice at the microphone → loudspeaker silent", "ms", "")
    given_up = Figure("barge-ins after which the reply was given up", f"of {runs}", f"{runs}", [0])
    for _ in range(runs):
        before = len(loop.named("turn.done"))
        cable.speak(prompt(LONG)).wait()
        with cable.listening() as speaker, cable.listening("mic_cable.monitor", rate_hz=MIC_HZ) as mic:
            speaker.wait_for(lambda heard: first_audible(heard, SPEAKER_HZ) is not None, timeout_s=20)
            time.sleep(0.7)  # not to synchronise: somebody interrupts in the middle of a sentence
            cable.speak(prompt(PROMPTS[0]))
            outcome = loop.wait_for("turn.done", count=before + 1).fields["outcome"]
            began = mic.when(SAMPLE_BYTES * (first_audible(mic.heard, MIC_HZ) or 0))
            silent.values.append((_silent_at(speaker, began) - began) * 1000)
        given_up.values[0] += outcome == "cancelled"
        loop.wait_for("turn.done", count=before + 2)
    return [silent, given_up]


def _silent_at(speaker: Listener, since: float) -> float:
    """When the loudspeaker falls silent after `since`, for SILENT_S at least."""
    levels = levels_dbfs(speaker.heard, SPEAKER_HZ)
    quiet = 0
    for hop, level in enumerate(levels):
        at = speaker.when(SAMPLE_BYTES * hop * SPEAKER_HZ // HOPS_PER_S)
        quiet = quiet + 1 if level < SILENCE_DBFS and at >= since else 0
        if quiet >= SILENT_S * HOPS_PER_S:
            return at - SILENT_S
    raise SystemExit("the reply went on although somebody spoke")


def idle(cable: Cable, loop: Running, seconds: float) -> list[Figure]:
    """Processor time and memory while nobody speaks in a quiet room."""
    room = Figure(f"idle listening in a quiet room, {seconds:.0f} s", "% of a core", "as with served engines")
    memory = Figure("memory (PSS), listening", "MB", "")
    client = cable.speak(noise(seconds + 4))
    time.sleep(2.5)  # idle means that the output stream has stopped, which it does after 2 s of silence
    pids = children(loop.process.pid)
    began, before = time.monotonic(), cpu_s(pids)
    time.sleep(seconds)
    room.values.append((cpu_s(pids) - before) / (time.monotonic() - began) * 100)
    memory.values.append(pss_mb(loop.process.pid))
    client.kill()
    return [room, memory]


def talk(cable: Cable, loop: Running, minutes: float, seed: int = 1) -> list[Figure]:
    """Memory during minutes of talk, some of it over the replies."""
    plan = random.Random(seed)
    began = time.monotonic()
    reports: list[float] = []
    while (elapsed := time.monotonic() - began) < minutes * 60:
        said = cable.speak_file(plan.choice(TALK))
        time.sleep(plan.uniform(3, 12))
        said.wait()
        if loop.process.poll() is not None:
            raise SystemExit(f"the loop has ended with {loop.process.returncode}: {loop.errors}")
        if elapsed >= REPORT_EVERY_S * len(reports):
            reports.append(pss_mb(loop.process.pid))
            print(f"{elapsed / 60:5.1f} min {reports[-1]:6.1f} MB, {len(loop.named('turn.done'))} turns", flush=True)
    at_end = Figure(f"memory (PSS) after {minutes:g} minutes of talk", "MB", "≤ 450 MB", [reports[-1]])
    growth = Figure("growth of it from minute 5 on", "MB", "≤ 5 MB", [max(reports[-3:]) - max(reports[3:6])])
    return [at_end, growth] if len(reports) > 8 else [at_end]


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench offline", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--idle-s", type=float, default=30.0)
    parser.add_argument("--talk-minutes", type=float, default=0.0)
    parser.add_argument("--set", action="append", default=[], metavar="TABLE.KEY=VALUE")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    with tempfile.TemporaryDirectory() as folder, Cable() as cable:
        with offline(cable, Path(folder), arguments.set) as loop:
            figures = idle(cable, loop, arguments.idle_s) if arguments.idle_s else []
            figures += latency(cable, loop, arguments.runs)
        with offline(cable, Path(folder), arguments.set) as loop:
            figures += barge_ins(cable, loop, min(arguments.runs, 10))
        if arguments.talk_minutes:
            with offline(cable, Path(folder), arguments.set) as loop:
                figures += talk(cable, loop, arguments.talk_minutes)
    print("| what | median (range) | aim |\n| --- | --- | --- |")
    for figure in figures:
        print(figure.line())
    values = figures[2].values if arguments.idle_s else figures[0].values
    print(f"{len(values)} turns, mean {statistics.mean(values):.0f} ms")


if __name__ == "__main__":
    main()
