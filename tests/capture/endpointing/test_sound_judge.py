"""The acoustic judge beside the loop: asked once a pause, in a thread; what is late, superseded or fails."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field

import numpy as np
import trio
import trio.testing
from numpy.typing import NDArray

from voiceloop.capture.endpointing.messages import SoundAwaited, SoundKnown, SoundLost
from voiceloop.capture.endpointing.recent_sound import QUIET
from voiceloop.capture.endpointing.sound_judge import SoundJudge, open_sound_judge
from voiceloop.errors import EngineError
from voiceloop.types import FRAME_SAMPLES, Frame


@dataclass
class FakeNetwork:
    """Answers with the mean of the last samples of the window; holds each call until `gate` is set."""

    gate: threading.Event = field(default_factory=threading.Event)
    begun: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    fails: bool = False
    calls: int = 0
    threads: set[int] = field(default_factory=set)

    def log_odds(self, window: NDArray[np.float32]) -> float:
        self.calls += 1
        self.threads.add(threading.get_ident())
        self.begun.release()
        assert self.gate.wait(10)
        if self.fails:
            raise EngineError("it fails: no memory", place="segment.acoustic")
        return float(window[-QUIET - 100 : -QUIET].mean())


@dataclass
class Told:
    messages: list[SoundAwaited | SoundKnown | SoundLost] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    _more: trio.Event = field(default_factory=trio.Event)

    def tell(self, message: SoundAwaited | SoundKnown | SoundLost) -> None:
        self.messages.append(message)
        self._more.set()

    async def until_known(self, since: int) -> None:
        """Wait until the sound of a pause is known."""
        with trio.fail_after(10):
            while not any(isinstance(each, SoundKnown) and each.at == since for each in self.messages):
                await self._more.wait()
                self._more = trio.Event()

    def publish(self, name: str, /, **fields: object) -> None:
        assert name == "notice"
        self.notices.append(str(fields["text"]))


def speak(judge: SoundJudge, samples: int, level: float) -> None:
    pcm = np.full(FRAME_SAMPLES, level * 32768, "<i2").tobytes()
    for index in range(0, samples, FRAME_SAMPLES):
        judge.hear(Frame(pcm, index))


async def test_a_pause_is_awaited_and_then_known_and_asked_about_once() -> None:
    network, told = FakeNetwork(), Told()
    network.gate.set()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        speak(judge, 48_000, 0.25)
        judge.paused(40_000)
        assert told.messages == [SoundAwaited(40_000)]
        judge.paused(40_000)
        await told.until_known(40_000)
    assert told.messages[1] == SoundKnown(0.25, 40_000)
    assert network.calls == 1
    assert threading.get_ident() not in network.threads


async def test_the_loop_goes_on_while_the_judge_is_at_work() -> None:
    network, told = FakeNetwork(), Told()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        speak(judge, 48_000, 0.25)
        judge.paused(40_000)
        await trio.to_thread.run_sync(network.begun.acquire)
        for _ in range(100):
            await trio.lowlevel.checkpoint()
        assert told.messages == [SoundAwaited(40_000)]
        network.gate.set()
        await told.until_known(40_000)


async def test_of_pauses_that_wait_only_the_latest_is_judged() -> None:
    network, told = FakeNetwork(), Told()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        speak(judge, 48_000, 0.25)
        judge.paused(10_000)
        await trio.to_thread.run_sync(network.begun.acquire)
        for since in (20_000, 30_000, 40_000):
            judge.paused(since)
        network.gate.set()
        await told.until_known(40_000)
    assert network.calls == 2
    assert [message.at for message in told.messages if isinstance(message, SoundKnown)] == [10_000, 40_000]


async def test_after_a_failure_the_pause_is_known_to_have_no_sound_and_none_is_asked_about() -> None:
    network, told = FakeNetwork(fails=True), Told()
    network.gate.set()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        speak(judge, 48_000, 0.25)
        judge.paused(40_000)
        await told.until_known(40_000)
        judge.paused(44_000)
        await trio.testing.wait_all_tasks_blocked()
    assert told.messages == [SoundAwaited(40_000), SoundLost(), SoundKnown(None, 40_000)]
    assert network.calls == 1
    assert len(told.notices) == 1
    assert "it fails: no memory" in told.notices[0]


async def test_a_pause_that_waits_behind_a_failure_is_not_asked_about_and_the_failure_is_told_once() -> None:
    network, told = FakeNetwork(fails=True), Told()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        speak(judge, 48_000, 0.25)
        judge.paused(30_000)
        await trio.to_thread.run_sync(network.begun.acquire)
        judge.paused(40_000)
        await trio.testing.wait_all_tasks_blocked()
        network.gate.set()
        await told.until_known(40_000)
    assert network.calls == 1
    assert len(told.notices) == 1
    assert told.messages.count(SoundLost()) == 1


async def test_muted_sound_is_silence_to_it() -> None:
    network, told = FakeNetwork(), Told()
    network.gate.set()
    async with open_sound_judge(network, told.tell, told.publish) as judge:
        for index in range(0, 48_000, FRAME_SAMPLES):
            judge.hear(Frame(b"\x10\x27" * FRAME_SAMPLES, index), muted=True)
        judge.paused(40_000)
        await told.until_known(40_000)
    last = told.messages[1]
    assert isinstance(last, SoundKnown)
    assert last.log_odds is not None
    assert math.isclose(last.log_odds, 0.0)
