"""The trial of the parts: a short sentence through each. Paid services charge for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import trio

from voiceloop.audio.resample import resample
from voiceloop.cli.report import Report
from voiceloop.net.usage import cost
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES, Message, Speech, Transcript, Usage, Utterance

TRIAL_S = 60.0
"""How long one part may take. A model that is loaded only when it is asked takes its time."""
_PIECE = CAPTURE_RATE_HZ * SAMPLE_BYTES // 10
"""0.1 s."""


async def try_parts(parts: dict[str, Any], report: Report, notices: Sequence[str] = ()) -> None:
    """Synthesize a short sentence, transcribe the sound, and send the handler "Say hello." with that sound.

    `notices` grows by those that are published meanwhile: what a server refuses is said with the trial."""
    speech: list[Speech] = []
    if "speak" in parts:
        await report.attempt("speak, tried", lambda: _speak(parts["speak"], speech), limit_s=TRIAL_S)
    if "transcribe" in parts:
        transcribe = partial(_transcribe, parts["transcribe"], speech, notices)
        await report.attempt("transcribe, tried", transcribe, limit_s=TRIAL_S)
    if "handler" in parts and not parts["handler"].preemptive:
        report.add("handler, tried", "not called: what it does can't be undone", tried=False)
    elif "handler" in parts:
        await report.attempt("handler, tried", lambda: _handle(parts["handler"], _clip(speech)), limit_s=TRIAL_S)


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


async def _transcribe(transcriber: Any, speech: Sequence[Speech], notices: Sequence[str]) -> str:
    known = len(notices)
    transcript, after = await transcribed(transcriber, _clip(speech))
    return "; ".join([f"{transcript.text!r} {after}", *notices[known:]])


async def transcribed(transcriber: Any, utterance: Utterance) -> tuple[Transcript, str]:
    """The transcript of an utterance, and the time and the money that it took as text."""
    started_at = time.monotonic()
    async with transcriber.transcription() as session:
        # In pieces, as a microphone's: so what is sent while it is spoken is tried, too.
        for at in range(0, len(utterance.pcm), _PIECE):
            await session.feed(utterance.pcm[at : at + _PIECE])
        transcript: Transcript = await session.finish(utterance)
    return transcript, f"after {(time.monotonic() - started_at) * 1000:.0f} ms{cost(transcript.usage)}"


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
