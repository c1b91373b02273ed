"""The checks of the real parts, side by side, and the user's sentence that is transcribed."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from pydantic import BaseModel

from testbed.http_parts import utterance
from testbed.server import Fault, Script, open_server
from voiceloop.audio.wav import wav_bytes
from voiceloop.cli import check_voice
from voiceloop.cli.check_plan import Plan, plan_of
from voiceloop.cli.checks import LIMIT_S, Trials, check
from voiceloop.cli.report import Report
from voiceloop.config.load import load

SPEC = importlib.util.find_spec("moonshine_voice")
needs_local = pytest.mark.skipif(SPEC is None, reason="the extra 'local' is not installed")


@pytest.fixture
def talk() -> str:
    """A recorded human voice: "It was the best of times, …"."""
    assert SPEC is not None
    assert SPEC.origin is not None
    return f"file:{Path(SPEC.origin).parent / 'assets' / 'two_cities.wav'}"


class NoOptions(BaseModel):
    """No keys."""


class Stuck:
    """A handler that never opens."""

    Options = NoOptions
    turns = "replace"
    preemptive = False
    description = "never seen"

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Any) -> AsyncIterator[Any]:
        await trio.sleep_forever()
        yield cls()

    async def handle(self, transcript: Any, reply: Any) -> None: ...

    async def warm(self) -> None: ...


class Late(Stuck):
    """A handler that loads in a thread, which can't be interrupted, and opens after the limit."""

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Any) -> AsyncIterator[Any]:
        with trio.CancelScope(shield=True):
            await trio.sleep(LIMIT_S + 4)
        yield cls()


def ignore(name: str, /, **fields: object) -> None: ...


def plan(*sets: str) -> Plan:
    return plan_of("run", load("offline", ["audio.output=none", *sets]))


async def tried(plan: Plan, *, voice: bool = False, online: bool = False) -> tuple[dict[str, str], list[str], int]:
    """What was said of each, what the user was told to do, and the exit code."""
    told: list[str] = []
    report = Report(lambda _: None, tell=told.append)
    await check(plan, report, ignore, Trials(online=online, voice=voice))
    return {finding.what: finding.said for finding in report.findings}, told, report.exit_code


async def test_a_part_that_never_opens_does_not_hold_the_report_up(autojump_clock: trio.testing.MockClock) -> None:
    stuck = plan("audio.input=none", "transcribe.use=none", "speak.use=none", f"handler.use={__name__}:Stuck")
    said, _, code = await tried(stuck, voice=True)
    assert said["handler"].startswith(f"no result within {LIMIT_S:g} s")
    assert code == 69
    assert list(said) == stuck.names
    assert trio.current_time() < 10


async def test_a_part_that_opens_after_the_limit_is_not_called_open_as_well(
    autojump_clock: trio.testing.MockClock,
) -> None:
    late = plan("audio.input=none", "transcribe.use=none", "speak.use=none", f"handler.use={__name__}:Late")
    report = Report(lambda _: None, tell=lambda _: None)
    await check(late, report, ignore, Trials())
    (said,) = [finding.said for finding in report.findings if finding.what == "handler"]
    assert said.startswith(f"no result within {LIMIT_S:g} s")
    assert report.exit_code == 69


@needs_local
async def test_the_users_sentence_is_printed_and_its_loudspeaker_is_not_missed(talk: str) -> None:
    said, told, code = await tried(plan(f"audio.input={talk}"), voice=True)
    assert said["your voice"].startswith('you said: "It was the best of times, it was the worst of times."')
    assert told == ["Say something …"]
    assert "spoken back" not in said
    assert code == 0


@needs_local
async def test_without_being_asked_nobody_is_listened_to(talk: str) -> None:
    said, told, _ = await tried(plan(f"audio.input={talk}"))
    assert "your voice" not in said
    assert told == []


@needs_local
@pytest.mark.parametrize("unused", ["audio.input=none", "transcribe.use=none"])
async def test_nobody_is_asked_to_speak_if_nothing_hears_or_understands_it(unused: str, talk: str) -> None:
    said, told, code = await tried(plan(f"audio.input={talk}", unused), voice=True)
    assert "your voice" not in said
    assert (told, code) == ([], 0)


@needs_local
async def test_nobody_is_asked_to_speak_if_the_transcribers_server_is_away(talk: str) -> None:
    async with open_server() as server:
        pass
    own = ("use=openai", "model=x", "api_key_env=", f"base_url={server.url}")
    said, told, code = await tried(plan(f"audio.input={talk}", *(f"transcribe.{key}" for key in own)), voice=True)
    assert "no connection: Connection refused" in said["transcribe, server"]
    assert (told, code) == ([], 69)


@needs_local
async def test_a_sentence_is_not_sent_to_a_service_that_charges_unless_that_is_asked_for(
    talk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("voiceloop.cli.check_plan.is_own", lambda _: False)
    monkeypatch.setenv("OPENROUTER_API_KEY", "test-key")
    async with open_server(Script(texts=("so be it",))) as server:
        service = plan(
            f"audio.input={talk}", "transcribe.use=openrouter", "transcribe.model=a/b", "speak.use=none",
            f"openrouter.base_url={server.url}",
        )  # fmt: skip
        said, told, code = await tried(service, voice=True)
        assert said["your voice"] == "not tried: 127.0.0.1 charges for it. --online tries it"
        assert (told, server.posts(), code) == ([], [], 0)
        said, _, _ = await tried(service, voice=True, online=True)
        assert said["your voice"].startswith('you said: "so be it"')


async def test_what_a_server_refuses_of_the_trial_is_said_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICELOOP_TEST_KEY", "k")
    async with open_server(Script(key=None, faults=[Fault(), Fault(status=411)])) as server:
        served = ("openrouter.api_key_env=VOICELOOP_TEST_KEY", f"openrouter.base_url={server.url}")
        loaded = load("assistant", ["audio.output=none", "audio.input=none", "openrouter.upload=streamed", *served])
        said, _, _ = await tried(plan_of("run", loaded), online=True)
    words = said["transcribe, tried"]
    assert words.startswith("'hello world' after ")
    assert words.endswith("takes no clip while it is spoken (HTTP 411): whole ones from now on")


@pytest.mark.parametrize("online", [False, True])
async def test_the_users_words_are_spoken_by_a_service_that_charges_only_if_that_is_asked_for(
    *, online: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[str] = []

    async def hear(_plan: Plan, _parts: Any, _report: Report, _publish: Any, texts: list[str]) -> str:
        texts.append("these are my words")
        await trio.lowlevel.checkpoint()
        return "you said it"

    async def answer(_config: Any, _synthesizer: Any, text: str, _publish: Any) -> str:
        spoken.append(text)
        await trio.lowlevel.checkpoint()
        return "said back"

    monkeypatch.setattr(check_voice, "_hear", hear)
    monkeypatch.setattr(check_voice, "_answer", answer)
    paid = plan("audio.output=default", "speak.use=openrouter", "speak.model=s/t", "speak.voice=v")
    report = Report(lambda _: None)
    for device in ("microphone", "loudspeaker"):
        report.add(device, "works")
    await check_voice.try_voice(paid, dict.fromkeys(paid.parts, object()), report, ignore, online=online)
    assert spoken == (["these are my words"] if online else [])


@needs_local
async def test_without_speech_the_check_says_so_and_ends(tmp_path: Path) -> None:
    silence = tmp_path / "silence.wav"
    silence.write_bytes(wav_bytes(bytes(len(utterance(0.5).pcm)), 16_000))
    quiet = plan(f"audio.input=file:{silence}", "speak.use=none")
    said, _, code = await tried(quiet, voice=True)
    assert said["your voice"] == "no speech came in within 10 s"
    assert "only silence came in" in said["microphone"]
    assert code == 0
