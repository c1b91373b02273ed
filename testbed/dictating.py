"""Dictates recorded sentences to a file and cuts it off at some moment: what became of each is counted.

A sentence whose end was noticed (`heard`) must be written exactly once, or be fetched exactly once by
`voiceloop transcribe --pending`, or be shown there as perhaps written already. Used by the tests and by
`scripts/bench dictate`.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
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
Misfortune = Literal["kill", "kill-ended", "kill-typing", "cut", "402"]
"""`kill`: SIGKILL. `kill-ended`: the same, within 20 ms after an utterance ended; `kill-typing`: within 100 ms after a
text was there to be typed, into a terminal. `cut`: nobody answers for a while. `402`: the service wants money for a
while."""
EDGE_S = 0.35
"""Sentences fade in and out: the voice activity engine hears less of them than there is."""
WHILE_S = 3.0
"""At least so long the misfortune lasts; the service's own start comes to it."""


@dataclass(frozen=True)
class Talk:
    """Sentences with quiet between them: a WAV, and what the service knows them by."""

    wav: Path
    recordings: Path
    sentences: tuple[str, ...]
    times: tuple[tuple[float, float], ...]
    """Where each is said: its first and its last sound, in seconds."""
    seconds: float


def talk(folder: Path, *, count: int = 5, gap_s: float = 1.7) -> Talk:
    """The first `count` sentences."""
    pcm, lines, times = bytes(2 * CAPTURE_RATE_HZ), [], []
    for name, said in list(SENTENCES.items())[:count]:
        path = ASTERISK / f"{name}.wav"
        lines.append(json.dumps({"words": said, "wav": str(path)}))
        sound = read_wav(path).at(CAPTURE_RATE_HZ)
        begin, end = speech_bounds(np.frombuffer(sound, "<i2").astype(np.float64), CAPTURE_RATE_HZ)
        at = len(pcm) // 2
        times.append(((at + begin) / CAPTURE_RATE_HZ, (at + end) / CAPTURE_RATE_HZ))
        pcm += sound + bytes(2 * int(gap_s * CAPTURE_RATE_HZ))
    (folder / "talk.wav").write_bytes(wav_bytes(pcm, CAPTURE_RATE_HZ))
    (folder / "recordings.jsonl").write_text("\n".join(lines))
    sentences = tuple(list(SENTENCES.values())[:count])
    seconds = len(pcm) / 2 / CAPTURE_RATE_HZ
    return Talk(folder / "talk.wav", folder / "recordings.jsonl", sentences, tuple(times), seconds)


def environment(folder: Path) -> dict[str, str]:
    """A user of their own, with nothing configured."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OPENROUTER", "VOICELOOP", "XDG"))}
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    return kept | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(runtime), "OPENROUTER_API_KEY": KEY}


def words(url: str) -> tuple[str, ...]:
    """What a dictation or a transcription needs to ask the service at `url`, without long waits when it can't."""
    return ("--set", f"openrouter.base_url={url}", "--set", "openrouter.retry.max_elapsed_s=0.5")


@contextmanager
def dictating(talk: Talk, url: str, to: str, env: dict[str, str], *more: str) -> Iterator[Running]:
    """`voiceloop dictate --to TO` of `talk`."""
    given = ("-i", f"file:{talk.wav}", "--to", to, "--set", "control.notify=false", *words(url), *more)
    with running(*given, env=env, command="dictate") as run:
        yield run


@dataclass(frozen=True)
class Fetched:
    """What `voiceloop transcribe --pending` gave."""

    sure: tuple[str, ...]
    perhaps: tuple[str, ...]


def fetch(url: str, env: dict[str, str]) -> Fetched:
    """Fetch what is left, and see that it is gone then."""
    command = [COMMAND, "transcribe", "--pending", "--json", *words(url)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise RuntimeError(f"{done.returncode}: {done.stderr}")
    if kept := list(Path(env["HOME"], ".local/state/voiceloop/unsent").iterdir()):
        raise RuntimeError(f"fetched, and still there: {kept}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    texts = [(line["text"], line["perhaps_delivered"]) for line in lines]
    return Fetched(tuple(t for t, perhaps in texts if not perhaps), tuple(t for t, perhaps in texts if perhaps))


@dataclass(frozen=True)
class Outcome:
    """What became of one dictation. All counts are of sentences."""

    misfortune: Misfortune
    at_s: float
    heard: int
    """Were over, as far as it had noticed, when it was cut off."""
    written: int
    fetched: int
    perhaps: int
    """Were shown as perhaps written."""
    lost: tuple[str, ...]
    twice: tuple[str, ...]

    @property
    def good(self) -> bool:
        return not self.lost and not self.twice


def dictate(talk: Talk, folder: Path, misfortune: Misfortune, at_s: float, *, service_ms: int = 300) -> Outcome:
    """One dictation with a misfortune `at_s` after it began to listen."""
    folder.mkdir()
    env, out = environment(folder), folder / "out.txt"
    service = ("--recordings", str(talk.recordings), "--transcribe-ms", str(service_ms))
    window = None
    with ExitStack() as stack, ExitStack() as desktop:
        if misfortune == "kill-typing":
            window = desktop.enter_context(terminal(env, out))
            env = window.env
        server = stack.enter_context(serving(*service))
        url, port = server.url, server.url.split(":")[2].split("/")[0]
        with dictating(talk, url, "type" if window else f"file:{out}", env) as run:
            time.sleep(max(0.0, run.wait_for("ready", timeout_s=60).at + at_s - time.monotonic()))
            if misfortune.startswith("kill"):
                if misfortune == "kill-ended":
                    _wait_for(run, "speech.ended", at_s % 0.02)
                elif window is not None:
                    _wait_for(run, "transcript", at_s % 0.1)
                run.process.kill()
            else:
                stack.close()
                _without_service(misfortune, port)
                server = stack.enter_context(serving(*service, "--port", port))
            code = run.process.wait(talk.seconds + 60)
        if code not in (-signal.SIGKILL if misfortune.startswith("kill") else 0, 0):
            raise RuntimeError(f"{misfortune} at {at_s:.2f} s: ended with {code}: {run.errors}")
        left = fetch(url, env)
        written = window.text() if window else out.read_text() if out.exists() else ""
    return _judged(talk, run, (misfortune, at_s), written, left)


def _wait_for(run: Running, name: str, after_s: float) -> None:
    """Until so long after the next event of that name, if one still comes."""
    known = len(run.told(name))
    while len(run.told(name)) == known and run.process.poll() is None:
        time.sleep(0.0005)
    time.sleep(after_s)


def _without_service(misfortune: Misfortune, port: str) -> None:
    if misfortune == "402":
        with serving("--status", "402", "--port", port):
            time.sleep(WHILE_S)
    else:
        time.sleep(WHILE_S)


def _judged(talk: Talk, run: Running, moment: tuple[Misfortune, float], written: str, left: Fetched) -> Outcome:
    misfortune, at_s = moment
    ended = [(event.fields["start_s"], event.fields["end_s"]) for event in run.told("speech.ended")]
    whole = [
        sentence
        for sentence, (begin, end) in zip(talk.sentences, talk.times, strict=True)
        if _covers(ended, begin, end) or not misfortune.startswith("kill")
    ]
    places = [letters(written), letters(" ".join(left.sure)), letters(" ".join(left.perhaps))]
    counts = {sentence: [place.count(letters(sentence)) for place in places] for sentence in talk.sentences}
    sums = [sum(count[place] for count in counts.values()) for place in range(3)]
    return Outcome(
        misfortune,
        round(at_s, 3),
        len(whole),
        sums[0],
        sums[1],
        sums[2],
        tuple(sentence for sentence in whole if not sum(counts[sentence])),
        tuple(sentence for sentence, count in counts.items() if count[0] + count[1] > 1),
    )


def _covers(spans: list[tuple[float, float]], begin: float, end: float) -> bool:
    """Whether what was heard has all of a sentence but the softest of its edges, every pause within it left aside."""
    inside = [(max(begin, low), min(end, high)) for low, high in spans if high > begin and low < end]
    return bool(inside) and min(inside)[0] <= begin + EDGE_S and max(high for _, high in inside) >= end - EDGE_S


def letters(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())
