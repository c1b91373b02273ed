"""Dictates recorded sentences, interrupts the dictation with a failure, and counts what became of each sentence.

A sentence whose end the program noticed (`heard`) must be written exactly once, or be fetched exactly once by
`voiceloop transcribe --pending`, or be shown by that command as perhaps written already. Used by the tests and by
`scripts/bench dictate`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from testbed.running import COMMAND, Running, running
from testbed.server.recordings import speech_bounds
from testbed.serving import KEY, serving
from testbed.terminal import terminal
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.types import CAPTURE_RATE_HZ

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
SENTENCES = {
    "please-try-again": "Please try again.",
    "conf-unmuted": "You are now unmuted.",
    "tt-weasels": "Weasels have eaten our phone system.",
    "vm-msgsaved": "Your message has been saved.",
    "im-sorry": "I'm sorry.",
    "number-not-answering": "The number is not answering.",
}
Failure = Literal["kill", "kill-ended", "kill-typing", "cut", "402"]
"""`kill`: SIGKILL. `kill-ended`: SIGKILL within 20 ms after an utterance ended. `kill-typing`: SIGKILL within 100 ms
after a transcript came, while it is typed into a terminal. `cut`: the service is gone for a while. `402`: the service
answers 402 (payment required) for a while."""
EDGE_S = 0.35
"""Sentences fade in and out, so the VAD may find their beginning and their end this much too late and too early."""
OUTAGE_S = 3.0
"""How long `cut` and `402` last; the service's own start comes on top."""


@dataclass(frozen=True)
class Talk:
    """Sentences with silence between them: a WAV, and the file from which the service knows their words."""

    wav: Path
    recordings: Path
    sentences: tuple[str, ...]
    times: tuple[tuple[float, float], ...]
    """For each sentence, its first and its last sound, in seconds."""
    seconds: float


def talk(folder: Path, *, count: int = 5, gap_s: float = 1.7, rounds: int = 1) -> Talk:
    """Write a talk of the first `count` sentences, all of them said `rounds` times."""
    pcm, lines, times = bytes(2 * CAPTURE_RATE_HZ), [], []
    for name, said in list(SENTENCES.items())[:count] * rounds:
        path = ASTERISK / f"{name}.wav"
        lines.append(json.dumps({"words": said, "wav": str(path)}))
        sound = read_wav(path).at(CAPTURE_RATE_HZ)
        begin, end = speech_bounds(np.frombuffer(sound, "<i2").astype(np.float64), CAPTURE_RATE_HZ)
        at = len(pcm) // 2
        times.append(((at + begin) / CAPTURE_RATE_HZ, (at + end) / CAPTURE_RATE_HZ))
        pcm += sound + bytes(2 * int(gap_s * CAPTURE_RATE_HZ))
    (folder / "talk.wav").write_bytes(wav_bytes(pcm, CAPTURE_RATE_HZ))
    (folder / "recordings.jsonl").write_text("\n".join(lines[:count]))
    sentences = tuple(list(SENTENCES.values())[:count] * rounds)
    seconds = len(pcm) / 2 / CAPTURE_RATE_HZ
    return Talk(folder / "talk.wav", folder / "recordings.jsonl", sentences, tuple(times), seconds)


def environment(folder: Path) -> dict[str, str]:
    """The environment of a user with a home of their own, who has configured nothing."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "OPENROUTER_API_KEY": KEY}


def words(url: str) -> tuple[str, ...]:
    """Arguments that let a command transcribe with the service at `url`, and give up soon when that fails."""
    return ("--cloud", "--set", f"openrouter.base_url={url}", "--set", "openrouter.retry.max_elapsed_s=0.5")


@contextmanager
def dictating(talk: Talk, url: str, to: str, env: dict[str, str], *more: str) -> Iterator[Running]:
    """Run `voiceloop dictate --to TO` with `talk` as the microphone."""
    given = ("-i", f"file:{talk.wav}", "--to", to, "--set", "control.notify=false", *words(url), *more)
    with running(*given, env=env, command="dictate") as run:
        yield run


@dataclass(frozen=True)
class Fetched:
    """The texts that `voiceloop transcribe --pending` printed. `perhaps`: those marked as perhaps written already."""

    sure: tuple[str, ...]
    perhaps: tuple[str, ...]


def fetch(url: str, env: dict[str, str]) -> Fetched:
    """Run `voiceloop transcribe --pending`, and check that the journal is empty afterwards."""
    command = [COMMAND, "transcribe", "--pending", "--json", *words(url)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise RuntimeError(f"{done.returncode}: {done.stderr}")
    if kept := list(Path(env["HOME"], ".local/state/voiceloop/unsent").iterdir()):
        raise RuntimeError(f"the journal still holds what was fetched: {kept}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    texts = [(line["text"], line["perhaps_delivered"]) for line in lines]
    return Fetched(tuple(t for t, perhaps in texts if not perhaps), tuple(t for t, perhaps in texts if perhaps))


@dataclass(frozen=True)
class Outcome:
    """The result of one dictation. All counts are of sentences."""

    failure: Failure
    at_s: float
    heard: int
    """Sentences whose end the program had noticed before the failure."""
    written: int
    fetched: int
    perhaps: int
    """Sentences shown as perhaps written."""
    lost: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.lost and not self.twice


@dataclass(frozen=True)
class Moment:
    """When something fails: `at_s` after the dictation began to listen."""

    failure: Failure
    at_s: float
    surely: bool = False
    """On a busy machine, too, a sentence was heard by then, and an outage lasts until one could not be transcribed."""


def dictate(talk: Talk, folder: Path, moment: Moment, *, service_ms: int = 300) -> Outcome:
    """Run one dictation with a failure."""
    folder.mkdir()
    failure, at_s, surely = moment.failure, moment.at_s, moment.surely
    env, out = environment(folder), folder / "out.txt"
    service = ("--recordings", str(talk.recordings), "--transcribe-ms", str(service_ms))
    window = None
    with ExitStack() as stack, ExitStack() as desktop:
        if failure == "kill-typing":
            window = desktop.enter_context(terminal(env, out))
            env = window.env
        server = stack.enter_context(serving(*service))
        url, port = server.url, server.url.split(":")[2].split("/")[0]
        with dictating(talk, url, "type" if window else f"file:{out}", env) as run:
            time.sleep(max(0.0, run.wait_for("ready").at + at_s - time.monotonic()))
            if surely:
                run.wait_until(lambda: bool(run.over or run.named("speech.ended")), "sentence")
            if failure.startswith("kill"):
                if failure == "kill-ended":
                    _wait_for(run, "speech.ended", at_s % 0.02)
                elif window is not None:
                    _wait_for(run, "transcript", at_s % 0.1)
                run.process.kill()
            else:
                stack.close()
                _without_service(failure, port, run if surely else None)
                server = stack.enter_context(serving(*service, "--port", port))
            code = run.ended(timeout_s=talk.seconds + 60)
        if code not in (-signal.SIGKILL if failure.startswith("kill") else 0, 0):
            raise RuntimeError(f"{failure} at {at_s:.2f} s: ended with {code}: {run.errors}")
        left = fetch(url, env)
        written = window.text() if window else out.read_text() if out.exists() else ""
    return _outcome(talk, run, moment, written, left)


def _wait_for(run: Running, name: str, after_s: float) -> None:
    """Wait for the next event of that name, if one still comes, and `after_s` longer."""
    known = len(run.named(name))
    while len(run.named(name)) == known and run.process.poll() is None:
        time.sleep(0.0005)
    time.sleep(after_s)


def _without_service(failure: Failure, port: str, run: Running | None) -> None:
    """An outage, also until something has failed in `run`."""
    with ExitStack() as stack:
        if failure == "402":
            stack.enter_context(serving("--status", "402", "--port", port))
        time.sleep(OUTAGE_S)
        if run is not None:
            run.wait_until(lambda: bool(run.over or run.named("turn.failed")), "failure")


def _outcome(talk: Talk, run: Running, moment: Moment, written: str, left: Fetched) -> Outcome:
    failure, at_s = moment.failure, moment.at_s
    ended = [(event.fields["start_s"], event.fields["end_s"]) for event in run.named("speech.ended")]
    heard = [
        sentence
        for sentence, (begin, end) in zip(talk.sentences, talk.times, strict=True)
        if covers(ended, begin, end) or not failure.startswith("kill")
    ]
    account = accounted(talk, heard, written, left)
    return Outcome(failure, round(at_s, 3), len(heard), *account.sums, account.lost, account.twice)


@dataclass(frozen=True)
class Account:
    """What became of sentences. `sums`: how many were written, were fetched later, and were shown as perhaps
    written."""

    sums: tuple[int, int, int]
    lost: tuple[str, ...]
    twice: tuple[str, ...]


def accounted(talk: Talk, heard: Sequence[str], written: str, left: Fetched) -> Account:
    """Look for every sentence of the talk in what was written and in what was fetched later. Those that were `heard`
    must be somewhere."""
    places = [letters(written), letters(" ".join(left.sure)), letters(" ".join(left.perhaps))]
    counts = {sentence: [place.count(letters(sentence)) for place in places] for sentence in talk.sentences}
    done, later, perhaps = (sum(count[place] for count in counts.values()) for place in range(3))
    lost = tuple(sentence for sentence in heard if not sum(counts[sentence]))
    return Account(
        (done, later, perhaps), lost, tuple(sentence for sentence, count in counts.items() if count[0] + count[1] > 1)
    )


def covers(spans: list[tuple[float, float]], begin: float, end: float) -> bool:
    """Whether the utterances `spans` reach from the beginning to the end of a sentence, up to `EDGE_S` each. Pauses
    inside it don't count."""
    inside = [(max(begin, low), min(end, high)) for low, high in spans if high > begin and low < end]
    return bool(inside) and min(inside)[0] <= begin + EDGE_S and max(high for _, high in inside) >= end - EDGE_S


def letters(text: str) -> str:
    """The letters and digits of a text in lower case, to compare spellings of the same words."""
    return "".join(character for character in text.casefold() if character.isalnum())
