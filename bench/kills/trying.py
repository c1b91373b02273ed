"""Runs a command, ends it at one random moment, and tells what became of the speech and of what it had opened."""

from __future__ import annotations

import json
import os
import shlex
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bench.kills.place import Place, catches, left_over
from bench.kills.plan import Moment, codes
from testbed.dictating import Account, Talk, accounted, covers, letters, words
from testbed.queued import queued_s
from testbed.running import Running, running

WITHIN_S = 1.0
"""How soon a signal must have ended the program."""
LATE_S = 2.5
"""Captions tell no ends of speech: what was said so long before is taken to have been heard."""
PATIENCE_S = 240.0
MODEL = "openai/whisper-large-v3"


@dataclass
class Result:
    """What came of one moment. `heard` counts sentences whose end was noticed before it."""

    moment: Moment
    heard: int = 0
    account: Account = field(default_factory=lambda: Account((0, 0, 0), (), ()))
    took_s: float = 0.0
    early: bool = False
    """Whether the system ended it, before the program's first line had run."""
    children: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Add what is at fault in the other fields."""
        given = {"lost": self.account.lost, "twice": self.account.twice, "children": self.children}
        self.faults += [f"{name}: {what}" for name, what in given.items() if what]


@dataclass(frozen=True)
class Servers:
    """The addresses of the loopback service: one that answers soon, and one that takes its time."""

    fast: str
    slow: str

    def of(self, moment: Moment) -> str:
        return self.slow if moment.slow else self.fast


def attempt(place: Place, talk: Talk, servers: Servers, moment: Moment, number: int) -> Result:
    """Do one run to its random end."""
    result = Result(moment)
    before = place.sockets()
    out = place.folder / f"{number}.txt"
    env, mark = place.marked()
    url = servers.of(moment)
    with running(*_words(moment, talk, url, out), env=env, command=moment.command) as run:
        ready = _wait(run, moment)
        alive = run.process.poll() is None
        queued, at = queued_s(run.process.pid), time.monotonic()
        result.early = alive and not catches(run.process.pid, signal.SIGTERM)
        took_s = _send(run, moment) if alive else 0.0
        code = run.ended(timeout_s=PATIENCE_S)
    errors = "".join(run.errors)
    result.children = left_over(mark)
    result.took_s = took_s
    _check_start(result, run, before)
    if signal.SIGKILL in moment.signals:
        if alive and code not in {-signal.SIGKILL, 0}:  # 0: the talk was over at that very moment
            result.faults.append(f"exit code {code}: {errors!r}")
    elif alive:
        _check_end(result, code, errors, place)
    if "Traceback" in errors and not result.early:
        result.faults.append(f"a traceback: {errors!r}")
    left, wrong = place.fetch(servers.fast) if moment.command != "run" or moment.setup == "program" else (None, "")
    result.faults += [wrong] if wrong else []
    if left is not None:
        spoken_s = max(0.0, at - ready - queued) if ready is not None else 0.0
        heard = _heard(talk, run, moment, spoken_s)
        result.heard = len(heard)
        written = _written(moment, out)
        result.account = accounted(talk, heard, written, left)
        if result.account.lost or result.account.twice:
            events = [event.fields for event in run.events if event.name not in {"listening", "engines"}]
            result.faults.append(f"written {written!r}, {left}, {events}")
    result.check()
    return result


def _words(moment: Moment, talk: Talk, url: str, out: Path) -> list[str]:
    quiet = ["--set", "control.notify=false"]
    spoken = ["-i", f"file:{talk.wav}"]
    if moment.command == "dictate":
        return [*spoken, "--to", f"file:{out}", *quiet, *words(url)]
    if moment.command == "captions":
        names = [word for kind in ("srt", "vtt", "jsonl") for word in (f"--{kind}", str(out.with_suffix(f".{kind}")))]
        return [*spoken, *names, *quiet, *words(url)]
    server = ["--set", f"openrouter.base_url={url}"]
    if moment.setup == "chat":
        return [*spoken, "-o", "none", *quiet, *server, "--config", "assistant"]
    if moment.setup == "cable":
        return ["--config", "offline", *quiet]
    script = f"cat >> {shlex.quote(str(out))}; sleep 0.4 & wait; echo done"
    handler = f"handler.command={json.dumps(['sh', '-c', script])}"
    sets = ("transcribe.use=openrouter", f"transcribe.model={MODEL}", "speak.use=none", "handler.use=command", handler)
    return [*spoken, "-o", "none", *quiet, *server, *(word for one in sets for word in ("--set", one))]


def _wait(run: Running, moment: Moment) -> float | None:
    """Wait for the moment, or until the run is over; gives the time at which it was ready, if it was."""
    if moment.phase in {"first", "opening"}:
        _sleep_until(run, run.started_at + moment.after_s)
        return next((event.at for event in run.named("ready")), None)
    ready = run.wait_for("ready", timeout_s=PATIENCE_S).at
    if moment.phase == "talking":
        _sleep_until(run, ready + moment.after_s)
        return ready
    _sleep_until(run, ready + moment.talking_s)
    known = len(run.named(moment.event))
    # What comes only rarely, as an answer does under a slow service, is not waited for longer than the talk lasts.
    latest = time.monotonic() + 8.0
    while len(run.named(moment.event)) == known and run.process.poll() is None and time.monotonic() < latest:
        time.sleep(0.0005)
    time.sleep(moment.after_s)
    return ready


def _sleep_until(run: Running, at: float) -> None:
    while (left_s := at - time.monotonic()) > 0 and run.process.poll() is None:
        time.sleep(min(left_s, 0.05))


def _send(run: Running, moment: Moment) -> float:
    """Send the signals; gives the seconds from the first one to the end of the process, without those in which a busy
    machine had no processor for it."""
    began, before_s = time.monotonic(), queued_s(run.process.pid) + queued_s()
    pending = [(began + number * moment.between_s, one) for number, one in enumerate(moment.signals)]
    while not os.waitid(os.P_PID, run.process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        if pending and time.monotonic() >= pending[0][0]:
            with suppress(ProcessLookupError):
                run.process.send_signal(pending.pop(0)[1])
        if time.monotonic() - began > PATIENCE_S:
            break
        time.sleep(0.002)
    return max(0.0, time.monotonic() - began - (queued_s(run.process.pid) + queued_s() - before_s))


def _check_start(result: Result, run: Running, before: list[str]) -> None:
    """What the run before this one left must not have kept it from its socket."""
    for event in run.named("listening"):
        if not str(event.fields["control"]).startswith("voiceloop ctl"):
            result.faults.append(f"hindered by {before}: {[e.fields for e in run.named('notice')]}")


def _check_end(result: Result, code: int, errors: str, place: Place) -> None:
    moment = result.moment
    right = codes(moment.signals, moment.between_s)
    if result.early:  # the interpreter's own start: the system ends it, or Python does
        right = right | {-number for number in moment.signals}
    if moment.phase == "event":  # which may be the last one
        right = right | {0}
    if code not in right:
        result.faults.append(f"exit code {code}, not {sorted(right)}: {errors!r}")
    if result.took_s > WITHIN_S:
        result.faults.append(f"ended after {result.took_s:.2f} s")
    result.sockets = place.sockets()
    if result.sockets:
        result.faults.append(f"sockets: {result.sockets}")
    if not result.early and (more := [line for line in errors.splitlines() if line.startswith("voiceloop:")]):
        result.faults.append(f"errors: {more}")


def _heard(talk: Talk, run: Running, moment: Moment, spoken_s: float) -> list[str]:
    """The sentences that had been heard to their end, `spoken_s` seconds after the talk had begun."""
    if moment.command != "captions":
        spans = [(event.fields["start_s"], event.fields["end_s"]) for event in run.named("speech.ended")]
        return [
            sentence
            for sentence, (begin, end) in zip(talk.sentences, talk.times, strict=True)
            if covers(spans, begin, end)
        ]
    lines = [event.fields for event in run.events if event.name in {"caption.live", "caption.final"}]
    shown = [letters(line.get("text") or f"{line['sure']}{line['unsure']}") for line in lines]
    return [
        sentence
        for sentence, (_, end) in zip(talk.sentences, talk.times, strict=True)
        if end + LATE_S < spoken_s or any(letters(sentence) in text for text in shown)
    ]


def _written(moment: Moment, out: Path) -> str:
    if moment.command != "captions":
        return out.read_text() if out.exists() else ""
    path = out.with_suffix(".jsonl")
    rows = path.read_text().splitlines() if path.exists() else []
    return " ".join(json.loads(row)["text"] for row in rows)
