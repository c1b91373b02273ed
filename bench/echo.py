"""Counts the turns that the installed program starts from its own replies, beside an open loudspeaker.

A run is a fresh program on a private sound server that is asked twice. Each reply is in a recorded human voice, and 9 s
of quiet follow. The server's own loopback is the echo path, 12 dB down and 60 ms late: `loose` as it comes (it corrects
its latency while it runs), or `fixed`. A run is right if two prompts have made two turns. With CABLE=pipewire before
the command the server is PipeWire, whose loopback is always as it comes.

    scripts/bench echo [--runs 10] [--mode cancel,half-duplex,off] [--loopback loose,fixed] [--stall-ms 60] [--busy]
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from testbed.running import Running, running
from testbed.serving import KEY, serving
from testbed.sound.cable import SPEAKER_HZ, Cable, PulseAudio, chosen, why_not
from testbed.sound.echoing import echo_path
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes
from voiceloop.echo.webrtc_aec import installed

PROMPT = Path("/usr/share/sounds/alsa/Front_Center.wav")
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
REPLIES = (
    ("queue-callswaiting", "queue-thankyou", "vm-nobodyavail", "tt-weasels"),
    (
        "conf-waitforleader",
        "one-moment-please",
        "cannot-complete-as-dialed",
        "check-number-dial-again",
        "conf-onlyperson",
    ),
)
QUIET_S = 9.0
_ANSWERED_S = 15.0
_REPLIED_S = 40.0
_INTO_REPLY_S = 2.0
_HEADER = ("echo", "loopback", "runs right", "own turns", "onsets", "hushes", "replies whole")


@dataclass(frozen=True, slots=True)
class Way:
    """What all runs of a row have in common."""

    mode: str
    fixed: bool
    stall_ms: int


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of a run: turns, onsets of speech, and hushes, of which two, two and none are wanted."""

    turns: int
    onsets: int
    hushes: int
    whole: int


def _recorded(names: Sequence[str], path: Path) -> None:
    parts = [read_wav(ASTERISK / f"{name}.wav") for name in names]
    pcm = b"".join(resample(part.pcm, from_hz=part.rate_hz, to_hz=SPEAKER_HZ) for part in parts)
    path.write_bytes(wav_bytes(pcm, SPEAKER_HZ))


def run(way: Way) -> Run:
    """Ask a fresh program twice."""
    words = ["--text", "front center", "--reply", "Please wait.", "--transcribe-ms", "100", "--speak-ms", "100"]
    with tempfile.TemporaryDirectory() as folder, Cable() as cable:
        for number, names in enumerate(REPLIES):
            path = Path(folder) / f"{number}.wav"
            _recorded(names, path)
            words += ["--wav", str(path)]
        with serving(*words) as server:
            echo_path(cable, delay_ms=60, fixed=way.fixed)
            sets = [f"openrouter.base_url={server.url}", f"audio.echo={way.mode}"]
            options = ["--config", "assistant", *(word for value in sets for word in ("--set", value))]
            with running(*options, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
                loop.wait_for("ready")
                for count in (1, 2):
                    _ask(cable, loop, way, count)
        return Run(
            turns=len(loop.named("transcript")),
            onsets=len(loop.named("speech.started")),
            hushes=len(loop.named("held")),
            whole=sum(bool(event.fields["complete"]) for event in loop.named("reply")),
        )


def _ask(cable: Cable, loop: Running, way: Way, count: int) -> None:
    """Speak the prompt, stall the program in its reply if that is wanted, and wait until it has been quiet for long."""
    cable.speak_file(PROMPT)
    try:
        loop.wait_for("transcript", count=count, timeout_s=_ANSWERED_S)
        if way.stall_ms:
            time.sleep(_INTO_REPLY_S)
            loop.process.send_signal(signal.SIGSTOP)
            time.sleep(way.stall_ms / 1000)
            loop.process.send_signal(signal.SIGCONT)
        loop.wait_for("reply", count=count, timeout_s=_REPLIED_S)
    except TimeoutError:
        return  # the counts show it
    time.sleep(QUIET_S)


def row(way: Way, runs: Sequence[Run]) -> str:
    """A row of the table."""
    right = sum(one.turns == len(REPLIES) for one in runs)
    own = sum(max(0, one.turns - len(REPLIES)) for one in runs)
    cells = (
        way.mode,
        "fixed" if way.fixed else "loose",
        f"{right} of {len(runs)}",
        f"{own}",
        f"{sum(one.onsets for one in runs) - len(REPLIES) * len(runs)}",
        f"{sum(one.hushes for one in runs)}",
        f"{sum(one.whole for one in runs)} of {len(REPLIES) * len(runs)}",
    )
    return f"| {' | '.join(cells)} |"


@contextmanager
def busy_core() -> Iterator[None]:
    """Another program that keeps a core busy."""
    spinning = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        yield
    finally:
        spinning.kill()
        spinning.wait()


def main() -> None:
    modes = [*(["cancel"] if installed() else []), "half-duplex", "off"]
    parser = argparse.ArgumentParser(prog="scripts/bench echo", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--mode", default=",".join(modes), help=f"some of {','.join(modes)}")
    parser.add_argument("--loopback", default="loose,fixed" if chosen() is PulseAudio else "loose")
    parser.add_argument("--stall-ms", type=int, default=0, help="stop the program for so long in each reply")
    parser.add_argument("--busy", action="store_true", help="beside a program that keeps a core busy")
    parser.add_argument("--jobs", type=int, default=2, help="how many runs at the same time")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    print(f"{chosen().name}{', beside a busy core' * arguments.busy}, {arguments.jobs} runs at a time")
    print(f"| {' | '.join(_HEADER)} |")
    print(f"|{' --- |' * len(_HEADER)}")
    with busy_core() if arguments.busy else nullcontext(), ThreadPoolExecutor(arguments.jobs) as pool:
        for mode in arguments.mode.split(","):
            for loopback in arguments.loopback.split(","):
                way = Way(mode, fixed=loopback == "fixed", stall_ms=arguments.stall_ms)
                print(row(way, list(pool.map(run, [way] * arguments.runs))), flush=True)


if __name__ == "__main__":
    main()
