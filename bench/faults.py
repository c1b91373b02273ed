"""Restarts, kills, stops and changes a private sound server under the running program: is it heard again, and how soon?

After each fault an utterance begins 2 s after the server or the device is back. For each fault:

    heard        after how many the utterance was heard, and with the same words as before any fault
    answered     after how many the reply to it was heard at the loudspeaker
    lost         after how many the program had to open its microphone anew
    back         when it had it back by its own account, in seconds after the server (0: before it): p50 and worst

With CABLE=pipewire before the command the server is PipeWire; -i and -o name other doors.

    scripts/bench faults [--rounds 10] [--only restart,kill] [-i pipewire -o pipewire]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench.turns.material import letters
from testbed.running import Running, running
from testbed.sound.cable import Cable, PulseAudio, chosen, why_not
from testbed.sound.match import first_sound

WORDS = Path("/usr/share/sounds/alsa/Front_Center.wav")
HEARD_WITHIN_S = 2.0
"""The utterance begins this long after the server is back."""
AWAY_S = 2.0
"""How long a server stays stopped, and a device away."""
MUSIC, CALL = (48_000, 2), (16_000, 1)
"""Rate and channels of a Bluetooth headset's two profiles."""
_TRANSCRIBED_S = 6.0
_ANSWERED_S = 10.0
_HEADER = ("fault", "heard", "same words", "answered", "lost", "back, p50", "worst")


@dataclass
class Result:
    """What came of the rounds of one fault."""

    fault: str
    rounds: int = 0
    heard: int = 0
    same: int = 0
    answered: int = 0
    back_s: list[float] = field(default_factory=list)
    """When the microphone was back, after the server was, for each round in which it was lost."""

    def line(self) -> str:
        """A row of the table."""
        back = [f"{median(self.back_s):.2f} s", f"{max(self.back_s):.2f} s"] if self.back_s else ["-", "-"]
        counts = (self.heard, self.same, self.answered, len(self.back_s))
        return _row([self.fault, *(f"{count} of {self.rounds}" for count in counts), *back])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


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
    """Unplug the microphone, and plug it in again."""
    cable.unplug("mic", "mic_cable")
    time.sleep(AWAY_S)
    cable.plug()


def headset(cable: Cable) -> None:
    """The same with the loudspeaker, too: there is no other device then."""
    cable.unplug()
    time.sleep(AWAY_S)
    cable.plug()


def default(cable: Cable) -> None:
    """Make the other microphone the default. Both hear the same."""
    if "second" not in cable.pactl("list", "short", "sources"):
        cable.add_microphone("second", "Second Microphone")
    now = cable.pactl("get-default-source").strip()
    cable.pactl("set-default-source", "mic" if now == "second" else "second")


def profile(cable: Cable) -> None:
    """Change the microphone's profile to that of a call, or back."""
    rate_hz, channels = MUSIC if "1ch 16000Hz" in _shape(cable) else CALL
    cable.reshape(rate_hz=rate_hz, channels=channels)


def _shape(cable: Cable) -> str:
    """The line of pactl about the microphone."""
    lines = cable.pactl("list", "short", "sources").splitlines()
    return next(line for line in lines if line.split()[1] == "mic")


FAULTS: dict[str, Callable[[Cable], None]] = {
    function.__name__: function for function in (restart, kill, stop, suspend, replug, headset, default, profile)
}


@contextmanager
def program(devices: list[str]) -> Iterator[tuple[Cable, Running]]:
    """The program on a cable of its own."""
    with Cable() as cable, tempfile.TemporaryDirectory() as folder:
        env = cable.env | dict.fromkeys(("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"), folder)
        words = ("--config", "offline", "--set", "handler.use=echo", *devices)
        with running(*words, env=env) as run:
            run.wait_for("ready")
            yield cable, run


def back(run: Running, *, since: float) -> float | None:
    """When the microphone was back last, if that was after `since`."""
    found = [e.at for e in run.named("device.back") if e.fields["which"] == "microphone" and e.at >= since]
    return found[-1] if found else None


def converse(cable: Cable, run: Running, *, at: float) -> tuple[str | None, bool]:
    """Say something at the time `at`; gives the text that was heard, None if none was, and whether a reply sounded."""
    heard, done = len(run.named("transcript")), len(run.named("turn.done"))
    text, answered = None, False
    time.sleep(max(0.0, at - time.monotonic()))
    with cable.listening() as speaker, suppress(TimeoutError):
        cable.speak_file(WORDS)
        text = str(run.wait_for("transcript", count=heard + 1, timeout_s=_TRANSCRIBED_S).fields["text"])
        speaker.wait_for(lambda sound: first_sound(sound) is not None, timeout_s=_ANSWERED_S)
        answered = True
        run.wait_for("turn.done", count=done + 1, timeout_s=_ANSWERED_S)
    return text, answered


def try_fault(name: str, rounds: int, devices: list[str]) -> Result:
    """Cause a fault again and again under one program."""
    result = Result(name)
    with program(devices) as (cable, run):
        before, _ = converse(cable, run, at=0)
        while result.rounds < rounds and run.process.poll() is None:
            began = time.monotonic()
            FAULTS[name](cable)
            restored = time.monotonic()
            text, answered = converse(cable, run, at=restored + HEARD_WITHIN_S)
            result.rounds += 1
            result.heard += text is not None
            result.same += text is not None and before is not None and letters(text) == letters(before)
            result.answered += answered
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
    if reason := why_not():
        raise SystemExit(reason)
    kind = chosen()
    print(f"{kind.name}, input {options.input}, output {options.output}")
    print(_row(_HEADER))
    print(_row(["---"] * len(_HEADER)))
    for name in options.only.split(","):
        # PipeWire suspends no device that is in use.
        if name != "suspend" or kind is PulseAudio:
            print(try_fault(name, options.rounds, ["-i", options.input, "-o", options.output]).line(), flush=True)


if __name__ == "__main__":
    main()
