"""Measures the installed `voiceloop run` on a private sound server, against the loopback service.

Start-up, idle cost, delays inside a turn, memory. The program runs as a process, on the devices of the sound server,
and hears a recorded voice. Prints each figure's median and range over the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
import wave
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from testbed.running import Running, running
from testbed.serving import KEY, Serving, serving
from testbed.sound.cable import MIC_HZ, SPEAKER_HZ, Cable, Listener, chosen, why_not
from testbed.sound.match import find, longest_gap_s
from voiceloop.audio.audible import first_audible
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
PROMPTS = ("queue-thankyou", "transfer", "tt-monkeysintro", "vm-toenternumber", "sorry-youre-having-problems")
"""Prompts spoken by a person, 8 kHz, without an inner pause that would end the utterance."""
ANSWER = "queue-callswaiting"
QUIET_ROOM_DBFS = -62.0
"""The level of the pink noise: what a laptop's microphone picks up in a quiet room."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity; `values` has one value for each run."""

    name: str
    unit: str
    aim: str
    values: list[float] = field(default_factory=list)

    def line(self) -> str:
        if not self.values:
            return f"| {self.name} | not measured | {self.aim} |"
        low, middle, high = min(self.values), statistics.median(self.values), max(self.values)
        spread = f" ({low:.{self._digits}f} to {high:.{self._digits}f})" if len(self.values) > 1 else ""
        return f"| {self.name} | {middle:.{self._digits}f}{spread} {self.unit} | {self.aim} |"

    @property
    def _digits(self) -> int:
        return 2 if self.unit in {"s", "% of a core"} else 0


def prompt(name: str) -> bytes:
    """A recorded prompt at the microphone's rate."""
    return read_wav(ASTERISK / f"{name}.wav").at(MIC_HZ)


def answer(folder: Path) -> tuple[Path, bytes]:
    """The service's voice as a file and as PCM, at the loudspeaker's rate, cut to begin with audible sound."""
    clip = read_wav(ASTERISK / f"{ANSWER}.wav")
    pcm = resample(clip.pcm, from_hz=clip.rate_hz, to_hz=SPEAKER_HZ)
    begin = first_audible(pcm, SPEAKER_HZ)
    pcm = pcm[2 * (begin or 0) :]
    path = folder / "answer.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SPEAKER_HZ)
        file.writeframes(pcm)
    return path, pcm


def noise(seconds: float) -> bytes:
    """The noise of a quiet room: pink noise, the same every time."""
    random = np.random.default_rng(1)
    count = round(seconds * MIC_HZ)
    spectrum = np.fft.rfft(random.standard_normal(count))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    sound = np.fft.irfft(spectrum, count)
    sound *= 32768 * 10 ** (QUIET_ROOM_DBFS / 20) / sound.std()
    return np.rint(sound).astype("<i2").tobytes()


def children(pid: int) -> list[int]:
    """A process and its child processes."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in listed)]


def cpu_s(pids: Sequence[int]) -> float:
    """The processes' user and system time so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Resident memory of one process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


@contextmanager
def assistant(cable: Cable, server: Serving, *sets: str, trace: Path | None = None) -> Iterator[Running]:
    """The program with the config `assistant`, against the loopback service, once it is ready."""
    words = ["--config", "assistant", "--set", f"openrouter.base_url={server.url}"]
    if trace is not None:
        words += ["--trace", str(trace)]
    for setting in sets:
        words += ["--set", setting]
    with running(*words, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
        loop.wait_for("ready")
        yield loop


def start(cable: Cable, server: Serving, runs: int) -> list[Figure]:
    """The time from the command to `ready`, with a warm file cache: the first run doesn't count."""
    figures = []
    for name in ("assistant", "offline"):
        figure = Figure(f"start to listening, {name}", "s", "≤ 0.6 s")
        for number in range(runs + 1):
            words = ["--config", name, "--set", f"openrouter.base_url={server.url}"]
            with running(*words, env=cable.env | {"OPENROUTER_API_KEY": KEY}) as loop:
                ready = loop.wait_for("ready")
                if number:
                    figure.values.append(ready.at - loop.started_at)
        figures.append(figure)
    return figures


def idle(cable: Cable, server: Serving, seconds: float, trace: Path | None = None) -> list[Figure]:
    """CPU time and memory while nobody speaks in a quiet room; with a trace also how fast the trace grows."""
    traced, aim = ("", "≤ 1.5 %") if trace is None else (", traced", "")
    room = Figure(f"idle listening in a quiet room, {seconds:.0f} s{traced}", "% of a core", aim)
    memory = Figure(f"memory, listening, openrouter engines{traced}", "MB", "≤ 100 MB")
    with assistant(cable, server, trace=trace) as loop:
        client = cable.speak(noise(seconds + 4))
        time.sleep(2.5)  # idle means that the output stream has stopped, which it does after 2 s of silence
        pids = children(loop.process.pid)
        size = trace.stat().st_size if trace is not None else 0
        began, before = time.monotonic(), cpu_s(pids)
        time.sleep(seconds)
        room.values.append((cpu_s(pids) - before) / (time.monotonic() - began) * 100)
        memory.values.append(memory_mb(loop.process.pid))
        client.kill()
        assert not loop.named("speech.started"), "the room was not quiet"
    if trace is None:
        return [room, memory]
    growth = Figure("size of the trace of an idle hour", "kB", "")
    growth.values.append((trace.stat().st_size - size) / (time.monotonic() - began) * 3600 / 1000)
    return [room, memory, growth]


def turns(cable: Cable, service: Sequence[str], folder: Path, runs: int) -> list[Figure]:
    """Over several turns: last voiced frame to POST, first PCM byte to audible sound, gaps inside replies, memory."""
    post = Figure("last voiced frame to POST, beyond the hangover", "ms", "≤ 60 ms")
    sound = Figure("first PCM byte to audible sound at the monitor", "ms", "≤ 60 ms")
    gaps = Figure("longest gap inside a reply", "ms", "0 ms")
    memory = Figure("memory, after the turns, openrouter engines", "MB", "≤ 100 MB")
    clips = folder / "clips"
    clips.mkdir()
    spoken, reference = answer(folder)
    words = (*service, "--wav", str(spoken), "--save-audio", str(clips))
    # Without preemptive generation and adaptive endpointing the utterance is posted right after a fixed hangover.
    sets = ("audio.echo=off", "preemptive.enabled=false", "segment.adaptive=false")
    with serving(*words) as server, assistant(cable, server, *sets) as loop:
        for number in range(runs):
            said = prompt(PROMPTS[number % len(PROMPTS)])
            with cable.listening("mic_cable.monitor", rate_hz=MIC_HZ) as mic, cable.listening() as speaker:
                cable.speak(said)
                loop.wait_for("turn.done", count=number + 1)
                post.values.append(_post_ms(_posted(loop, server, clips, number), said, mic))
                sound.values.append(_sound_ms(server, speaker, number))
                gaps.values.append(longest_gap_s(reference, speaker.heard, SPEAKER_HZ) * 1000)
        memory.values.append(memory_mb(loop.process.pid))
    return [post, sound, gaps, memory]


HANGOVER_MS = 600
ALIKE = 0.9
"""The least correlation of a prompt with its recording. PipeWire drops a cycle of 5 ms now and then."""


@dataclass(frozen=True, slots=True)
class Posted:
    """An utterance as the service got it. `voiced_end`: its last voiced sample, counted from the clip's first."""

    clip: bytes
    voiced_end: int
    received_at: float


def _posted(loop: Running, server: Serving, clips: Path, number: int) -> Posted:
    request = server.wait_for("/audio/transcriptions", count=number + 1)
    ended = loop.named("speech.ended")[number].fields
    voiced_end = round((ended["end_s"] - ended["start_s"]) * MIC_HZ)
    return Posted(read_wav(clips / f"{number}.wav").pcm, voiced_end, float(request["received_at"]))


def _post_ms(posted: Posted, said: bytes, mic: Listener) -> float:
    """The time from the clip's last voiced sample at the microphone to its arrival at the service, less the hangover.

    The prompt is located in the posted clip and in a recording of the microphone whose chunks have timestamps, so the
    program's own clock plays no part.
    """
    body = said[2 * 3200 : -2 * 3200]
    in_clip, _ = find(body, posted.clip)
    in_mic, correlation = find(body, mic.heard)
    assert correlation > ALIKE, f"the prompt is not on the microphone's cable (correlation {correlation:.2f})"
    return (posted.received_at - mic.when(2 * (posted.voiced_end - in_clip + in_mic))) * 1000 - HANGOVER_MS


def _sound_ms(server: Serving, speaker: Listener, number: int) -> float:
    request = server.wait_for("/audio/speech", count=number + 1)
    begin = first_audible(speaker.heard, SPEAKER_HZ)
    assert begin is not None, "no reply was heard"
    return (speaker.when(2 * begin) - float(request["first_byte_at"])) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench loop", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--idle-s", type=float, default=30.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if reason := why_not():
        raise SystemExit(reason)
    service = ["--text", "thank you", "--reply", "Yes.", "--transcribe-ms", "100", "--first-token-ms", "100"]
    service += ["--speak-ms", "100"]
    with tempfile.TemporaryDirectory() as folder, Cable() as cable:
        with serving(*service) as server:
            figures = start(cable, server, arguments.runs) + idle(cable, server, arguments.idle_s)
            figures += idle(cable, server, arguments.idle_s, Path(folder) / "trace.jsonl")
        figures += turns(cable, service, Path(folder), arguments.runs)
    if arguments.json:
        print(json.dumps({figure.name: figure.values for figure in figures}))
        return
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    print(f"{machine}, Python {platform.python_version()}, {chosen().name}")
    print("| what | median (range) | aim |\n| --- | --- | --- |")
    for figure in figures:
        print(figure.line())


if __name__ == "__main__":
    main()
