"""Runs the installed program for an hour of conversation and prints its memory, files and threads as they grow.

One prompt about every 10 s, sometimes over the reply, against the loopback service on a private sound server.

    scripts/bench soak [--minutes 60] [--seed 1]
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.loop import ASTERISK, answer, assistant, memory_mb
from testbed.running import Running
from testbed.serving import serving
from testbed.sound.cable import Cable

PROMPTS = sorted(path for path in ASTERISK.glob("*.wav") if 20_000 < path.stat().st_size < 60_000)
REPORT_EVERY_S = 300.0


def state(loop: Running) -> str:
    """A line with the memory, open files and threads of the program, which must not grow, and its turns so far."""
    pid = loop.process.pid
    files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    threads = len(list(Path(f"/proc/{pid}/task").iterdir()))
    done = [event.fields for event in loop.named("turn.done")]
    outcomes = Counter(turn["outcome"] for turn in done)
    counts = ", ".join(f"{outcomes[name]} {name}" for name in ("done", "cancelled", "failed", "empty"))
    return f"{memory_mb(pid):6.1f} MB, {files} files, {threads} threads, {len(done)} turns ({counts})"


def soak(cable: Cable, loop: Running, minutes: float, seed: int) -> None:
    """Speak random prompts at random intervals; print the state every five minutes."""
    plan = random.Random(seed)
    began = reported = time.monotonic()
    print(f"{0:5.1f} min {state(loop)}", flush=True)
    while (now := time.monotonic()) - began < minutes * 60:
        prompt = cable.speak_file(plan.choice(PROMPTS))
        time.sleep(plan.uniform(4, 16))
        prompt.wait()
        if loop.process.poll() is not None:
            raise SystemExit(f"the loop has ended with {loop.process.returncode}: {loop.errors}")
        if now - reported >= REPORT_EVERY_S:
            reported = now
            print(f"{(now - began) / 60:5.1f} min {state(loop)}", flush=True)
    print(f"{minutes:5.1f} min {state(loop)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, Cable() as cable:
        spoken, _ = answer(Path(folder))
        service = ["--text", "tell me more", "--reply", "First this. Then that, and more.", "--wav", str(spoken)]
        times = ["--transcribe-ms", "300", "--first-token-ms", "200", "--speak-ms", "200"]
        with serving(*service, *times) as server, assistant(cable, server, "audio.echo=off") as loop:
            soak(cable, loop, arguments.minutes, arguments.seed)
            code, took_s = loop.end()
        samples = loop.named("stopped")[0].fields["samples"]
        exact = samples["received"] == sum(samples[name] for name in ("sent", "silence", "muted", "dropped", "held"))
        print(f"ended with {code} after {took_s * 1000:.0f} ms; samples {samples}, {'exact' if exact else 'NOT EXACT'}")
        print(f"lines on standard error: {len(loop.errors)}")


if __name__ == "__main__":
    main()
