"""The checks of `voiceloop check`: each opens the real device, engine or service. Prints nothing.

A failed check doesn't stop the next one: every failure is collected, with its remedy.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import trio

from voiceloop.audio.pcm import level_dbfs
from voiceloop.audio.resample import resample
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Config, PartTable
from voiceloop.echo import webrtc_aec as echo
from voiceloop.errors import ConfigError, VoiceloopError, first
from voiceloop.events import Publish
from voiceloop.net.catalogue import Model
from voiceloop.net.client import Clients
from voiceloop.net.usage import cost
from voiceloop.net.wanted import Wanted, all_wanted, doubts
from voiceloop.opening import open_part, open_services
from voiceloop.playback.output import open_speaker
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Frame, Message, Speech, Transcript, Usage, Utterance

LISTING_S = 5.0
"""How long to wait for a server to list its models."""
METER_S = 2.0
"""How long the microphone's level is measured."""
QUIET_DB = -75.0
"""Below this level the microphone is silent: it is muted, or the wrong device. A quiet room is around -60 dB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report: `what` was checked and the result, `said`. `exit_code` is 0 for success."""

    what: str
    said: str
    exit_code: int = 0


@dataclass(slots=True)
class Report:
    """The findings so far. Calls `show` with each finding, and `meter` with the microphone's level in dB."""

    show: Callable[[Finding], None]
    meter: Callable[[float], None]
    findings: list[Finding] = field(default_factory=list)

    def add(self, what: str, said: str, exit_code: int = 0) -> None:
        finding = Finding(what, said, exit_code)
        self.findings.append(finding)
        self.show(finding)

    @property
    def exit_code(self) -> int:
        """The exit code of the first failure; 0 when there is none."""
        return next((finding.exit_code for finding in self.findings if finding.exit_code), 0)

    async def attempt(self, what: str, check: Callable[[], Awaitable[str]]) -> None:
        """Run `check`; add its result, or the VoiceloopError that it raised."""
        try:
            result = await check()
        except* VoiceloopError as group:
            error = first(group)
            self.add(what, str(error), error.exit_code)
        else:
            self.add(what, result)


async def check(config: Config, report: Report, publish: Publish, *, online: bool) -> None:
    """Open everything that `voiceloop run` opens; with `online`, also send a short sentence through each service."""
    await report.attempt("microphone", lambda: _microphone(config, report, publish))
    await report.attempt("loudspeaker", lambda: _loudspeaker(config, publish))
    await report.attempt("echo", lambda: _echo(config))
    async with AsyncExitStack() as stack:
        services, clients = await open_services(stack, config, publish)
        parts: dict[str, Any] = {}
        for name in ("vad", "transcribe", "handler", "speak"):
            table: PartTable = getattr(config, name)

            async def load(name: str = name, table: PartTable = table) -> str:
                parts[name] = await open_part(stack, table, services)
                return str(parts[name].description)

            await report.attempt(name, load)
        for wanted in all_wanted(config):
            await _check_names(clients, wanted, report)
        if online:
            await _online(parts, report)


async def _microphone(config: Config, report: Report, publish: Publish) -> str:
    loudest = float("-inf")
    async with open_microphone(config.audio, publish) as microphone:
        with trio.move_on_after(METER_S):
            async for item in microphone.frames:
                if isinstance(item, Frame):
                    level = level_dbfs(item.pcm)
                    loudest = max(loudest, level)
                    report.meter(level)
        if config.audio.input == "none":
            return "none: no microphone is used"
        result = f"loudest {loudest:.0f} dB in {METER_S:.0f} s"
        if loudest < QUIET_DB:
            result = "only silence came in. Is it muted, or the wrong device? 'voiceloop devices' lists them"
        return f"{microphone.description}; {result}"


async def _loudspeaker(config: Config, publish: Publish) -> str:
    if config.audio.output.startswith("file:"):
        return f"{config.audio.output}, not tried: that would overwrite the file"
    async with open_speaker(config.audio, publish) as speaker:
        return f"{speaker.description}, {speaker.latency_s * 1000:.0f} ms"


async def _check_names(clients: Clients, wanted: Wanted, report: Report) -> None:
    """Check that the server lists the configured models and voice. The listing is free of charge."""
    what = f"{wanted.part}, names"
    listed: Sequence[Model] | None = None
    unknown = f"not known: the server did not list its models within {LISTING_S:g} s"
    with trio.move_on_after(LISTING_S):
        try:
            listed = await clients.models(wanted.settings, wanted.kind, table=wanted.table)
        except VoiceloopError as error:
            unknown = f"not known: {error}"
    if not listed:
        report.add(what, unknown if listed is None else "not known: the server lists no models")
    elif wrong := doubts(wanted, listed):
        # A self-hosted server may accept names that it doesn't list; OpenRouter lists every name that it accepts.
        report.add(what, "; ".join(wrong), ConfigError.exit_code if wanted.table == "openrouter" else 0)
    else:
        report.add(what, f"the server lists {', '.join(wanted.models)}")


async def _echo(config: Config) -> str:
    mode = echo.mode(config.audio)
    if mode == "cancel":
        await trio.to_thread.run_sync(echo.open_processor)
    return f"{mode}: {echo.MEANING[mode]}" if mode in echo.MEANING else mode


async def _online(parts: dict[str, Any], report: Report) -> None:
    """Synthesize a short sentence, transcribe the sound, and send the handler "Say hello." with that sound."""
    speech: list[Speech] = []
    if "speak" in parts:
        await report.attempt("speak, tried", lambda: _speak(parts["speak"], speech))
    if "transcribe" in parts:
        await report.attempt("transcribe, tried", lambda: _transcribe(parts["transcribe"], speech))
    if "handler" in parts and not parts["handler"].preemptive:
        report.add("handler, tried", "no: what it does can't be undone, so it isn't called for a test")
    elif "handler" in parts:
        await report.attempt("handler, tried", lambda: _handle(parts["handler"], _clip(speech)))


async def _speak(synthesizer: Any, speech: list[Speech]) -> str:
    """Append the synthesized speech to `speech`; return its length and latency as text."""
    started_at, first_after_s = time.monotonic(), 0.0
    async with synthesizer.speech("One, two, three.") as pieces:
        async for piece in pieces:
            first_after_s = first_after_s or time.monotonic() - started_at
            speech.append(piece)
    seconds = sum(len(piece.pcm) / SAMPLE_BYTES / piece.rate_hz for piece in speech)
    usage = next((piece.usage for piece in speech if piece.usage is not None), None)
    return f"{seconds:.1f} s of speech, the first after {first_after_s * 1000:.0f} ms{cost(usage)}"


def _clip(speech: Sequence[Speech]) -> Utterance:
    """The synthesized speech as an utterance at the capture rate; a second of silence when there is none."""
    pcm = bytes(CAPTURE_RATE_HZ * SAMPLE_BYTES)
    if speech:
        pcm = resample(b"".join(piece.pcm for piece in speech), from_hz=speech[0].rate_hz, to_hz=CAPTURE_RATE_HZ)
    return Utterance(pcm, 0, len(pcm) // SAMPLE_BYTES)


async def _transcribe(transcriber: Any, speech: Sequence[Speech]) -> str:
    utterance = _clip(speech)
    started_at = time.monotonic()
    async with transcriber.transcription() as session:
        await session.feed(utterance.pcm)
        transcript: Transcript = await session.finish(utterance)
    took_ms = (time.monotonic() - started_at) * 1000
    return f"{transcript.text!r} after {took_ms:.0f} ms{cost(transcript.usage)}"


@dataclass(slots=True)
class _RecordingReply:
    """A `plugins.Reply` that only records the text and the usage."""

    text: str = ""
    usage: Usage | None = None
    history: Sequence[Message] = ()

    async def say(self, delta: str) -> None:
        self.text += delta
        await trio.lowlevel.checkpoint()

    async def play(self, speech: Speech, text: str = "") -> None:
        self.text += text
        await trio.lowlevel.checkpoint()

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()

    def spent(self, usage: Usage) -> None:
        self.usage = usage


async def _handle(handler: Any, clip: Utterance) -> str:
    reply = _RecordingReply()
    started_at = time.monotonic()
    await handler.handle(Transcript("Say hello.", clip), reply)
    return f"{reply.text.strip()!r} after {(time.monotonic() - started_at) * 1000:.0f} ms{cost(reply.usage)}"
