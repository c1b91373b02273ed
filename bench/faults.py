"""Restarts, kills, stops and changes a private sound server under the running program: is it heard again, and how soon?

For each fault: how many of the utterances that are begun 2 s after the server or the device is back are heard, and when
the program had its microphone back by its own account (0: before the server had answered). With CABLE=pipewire before
the command the server is PipeWire; -i and -o name other doors.

    scripts/bench faults [--rounds 10] [--only restart,kill] [-i pipewire -o pipewire]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from testbed.running import Running, running
from testbed.sound.cable import Cable, PulseAudio, chosen

WORDS = Path("/usr/share/sounds/alsa/Front_Center.wav")
HEARD_WITHIN_S = 2.0
"""The utterance begins this long after the server is back."""
AWAY_S = 2.0
"""How long a server stays stopped, and a device away."""
_TRANSCRIBED_S = 6.0


@dataclass
class Result:
    """What came of the rounds of one fault."""

    fault: str
    rounds: int = 0
    heard: int = 0
    back_s: list[float] = field(default_factory=list)
    """When the microphone was back, after the server was."""

    def __str__(self) -> str:
        back = f"{median(self.back_s):5.2f} {max(self.back_s):5.2f}" if self.back_s else "    -     -"
        return f"{self.fault:<10} {self.heard:>3} of {self.rounds:<3} {back}"


def restart(cable: Cable) -> None:
    cable.restart()


def kill(cable: Cable) -> None:
    cable.kill()
    cable.start()


def stop(cable: Cable) -> None:
    cable.stop()
    time.sleep(AWAY_S)
    cable.resume()


def suspend(cable: Cable) -> None:
    cable.pactl("suspend-source", "mic", "1")
    time.sleep(AWAY_S)
    cable.pactl("suspend-source", "mic", "0")


def replug(cable: Cable) -> None:
    cable.unplug()
    time.sleep(AWAY_S)
    cable.plug()


def default(cable: Cable) -> None:
    """Make the other microphone the default. Both hear the same."""
    if "second" not in cable.pactl("list", "short", "sources"):
        cable.add_microphone("second", "Second Microphone")
    now = cable.pactl("get-default-source").strip()
    cable.pactl("set-default-source", "mic" if now == "second" else "second")


FAULTS: dict[str, Callable[[Cable], None]] = {
    function.__name__: function for function in (restart, kill, stop, suspend, replug, default)
}


@contextmanager
def program(devices: list[str]) -> Iterator[tuple[Cable, Running]]:
    """The program on a cable of its own."""
    with Cable() as cable, tempfile.TemporaryDirectory() as folder:
        env = cable.env | dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), folder)
        words = ("--config", "offline", "--set", "handler.use=echo", "--set", "speak.use=none", *devices)
        with running(*words, env=env) as run:
            run.wait_for("ready")
            yield cable, run


def back(run: Running, *, since: float) -> float | None:
    """When the microphone was back last, if that was after `since`."""
    found = [e.at for e in run.named("device.back") if e.fields["which"] == "microphone" and e.at >= since]
    return found[-1] if found else None


def try_fault(name: str, rounds: int, devices: list[str]) -> Result:
    """Cause a fault again and again under one program."""
    result = Result(name)
    with program(devices) as (cable, run):
        for _ in range(rounds):
            began = time.monotonic()
            FAULTS[name](cable)
            restored = time.monotonic()
            time.sleep(HEARD_WITHIN_S)
            count = len(run.named("transcript"))
            cable.speak_file(WORDS)
            result.rounds += 1
            try:
                run.wait_for("transcript", count=count + 1, timeout_s=_TRANSCRIBED_S)
                result.heard += 1
            except TimeoutError:
                if run.process.poll() is not None:
                    break
            if (at := back(run, since=began)) is not None:
                result.back_s.append(max(0.0, at - restored))
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each fault is caused")
    parser.add_argument("--only", default=",".join(FAULTS), help="which faults, with commas between")
    parser.add_argument("-i", "--input", default="default")
    parser.add_argument("-o", "--output", default="default")
    options = parser.parse_args()
    kind = chosen()
    print(f"{kind.name}, input {options.input}; back: seconds, p50 and worst")
    for name in options.only.split(","):
        # PipeWire suspends no device that is in use.
        if name != "suspend" or kind is PulseAudio:
            print(try_fault(name, options.rounds, ["-i", options.input, "-o", options.output]), flush=True)


if __name__ == "__main__":
    main()
