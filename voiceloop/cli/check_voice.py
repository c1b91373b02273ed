"""The check with the user's voice: one utterance is heard, transcribed and spoken back."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import trio

from voiceloop.capture.early_voice import EarlyVoice
from voiceloop.capture.listener import HalfDuplexMute, Listener
from voiceloop.capture.segmenter import Segmenter
from voiceloop.capture.sources import open_microphone
from voiceloop.capture.speech_events import SpeechEnded, SpeechEvent
from voiceloop.cli.check_online import transcribed
from voiceloop.cli.check_plan import Plan, server_name
from voiceloop.cli.report import Report
from voiceloop.config.tables import Config
from voiceloop.events import Publish
from voiceloop.playback.output import open_speaker
from voiceloop.speak.aloud import say_aloud
from voiceloop.types import Utterance

WAIT_S = 10.0
"""How long speech is waited for."""
UTTERANCE_S = 4.0
"""The longest utterance that is taken."""
LIMIT_S = 60.0
"""How long each of the two steps may take."""
_MONITOR = "monitor"
"""`audio.input` for what the computer plays."""


async def try_voice(plan: Plan, parts: dict[str, Any], report: Report, publish: Publish, *, online: bool) -> None:
    """Hear one utterance, and say what it was. Uses only what is free of charge, unless `online`."""
    if not _can_hear(plan, parts, report):
        return
    name = "speech heard" if plan.config.audio.input == _MONITOR else "your voice"
    if (host := plan.charged_by("transcribe")) and not online:
        report.add(name, f"not tried: {host} charges for it. --online tries it", tried=False)
        return
    texts: list[str] = []
    await report.attempt(name, lambda: _hear(plan, parts, report, publish, texts), limit_s=LIMIT_S)
    if texts and _can_speak(plan, parts, report) and (online or not plan.charged_by("speak")):
        answer = partial(_answer, plan.config, parts["speak"], texts[0], publish)
        await report.attempt("spoken back", answer, limit_s=LIMIT_S)


def _can_hear(plan: Plan, parts: dict[str, Any], report: Report) -> bool:
    """Whether the device and the parts are used, and work. If they don't, that was said."""
    if "none" in (plan.config.audio.input, plan.config.transcribe.use):
        return False
    servers = [server_name(wanted) for wanted in plan.wanted if wanted.part == "transcribe"]
    return {"vad", "transcribe"} <= parts.keys() and all(map(report.succeeded, [plan.heard, *servers]))


def _can_speak(plan: Plan, parts: dict[str, Any], report: Report) -> bool:
    """Whether the loudspeaker and the engine are used, and work. A file is not written to."""
    config = plan.config
    used = not config.audio.output.startswith(("none", "file:")) and config.speak.use != "none"
    return used and "speak" in parts and report.succeeded("loudspeaker")


async def _hear(plan: Plan, parts: dict[str, Any], report: Report, publish: Publish, texts: list[str]) -> str:
    """Append what was said to `texts`; what is to be said of it."""
    monitor = plan.config.audio.input == _MONITOR
    request = "Play something with speech in it …" if monitor else "Say something …"
    utterance = await one_utterance(plan.config, parts["vad"], publish, lambda: report.tell(request))
    if utterance is None:
        return f"no speech came in within {WAIT_S:g} s"
    transcript, after = await transcribed(parts["transcribe"], utterance)
    text = transcript.text.strip()
    if not text:
        return f"speech came in ({utterance.samples / 16_000:.1f} s), but no words were recognised in it"
    texts.append(text)
    return f'{"it" if monitor else "you"} said: "{text}" ({after})'


async def one_utterance(config: Config, vad: Any, publish: Publish, ready: Callable[[], object]) -> Utterance | None:
    """The first utterance that the microphone hears; None if there is none in time.

    Calls `ready` once the microphone is open.
    """
    segment = config.segment.model_copy(update={"max_utterance_s": UTTERANCE_S})
    segmenter = Segmenter.of(segment)
    mute = HalfDuplexMute(lambda: False, time.monotonic, 0.0, half_duplex=False)
    async with open_microphone(config.audio, publish) as microphone:
        ready()
        with trio.move_on_after(WAIT_S) as scope:
            first = _First(scope)
            await Listener(vad, segmenter, first, mute).listen(microphone.frames)
    return first.utterance


class _First:
    """A `SpeechReceiver` that takes the first utterance and then ends the listening."""

    def __init__(self, scope: trio.CancelScope) -> None:
        self.utterance: Utterance | None = None
        self._scope = scope

    def on(self, event: SpeechEvent) -> None:
        if isinstance(event, SpeechEnded) and self.utterance is None:
            self.utterance = event.utterance
            self._scope.cancel("an utterance was heard")

    def early_voice(self, early_voice: EarlyVoice) -> None: ...


async def _answer(config: Config, synthesizer: Any, text: str, publish: Publish) -> str:
    async with open_speaker(config.audio, publish) as speaker:
        began = time.monotonic()
        await say_aloud(f"You said: {text}", synthesizer, speaker, publish)
    return f"in {time.monotonic() - began:.1f} s"
