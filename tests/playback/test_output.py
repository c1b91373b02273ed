"""The loudspeaker's device in virtual time: opened, idle, lost, stuck and back. The device is a fake; `tests/sound` has
a real sound server.
"""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from testbed.recorder import Recorder
from voiceloop.audio.devices import Device
from voiceloop.audio.portaudio import Host
from voiceloop.audio.raw_streams import Callback, Request, Stream
from voiceloop.audio.streams import ONCE_MORE_S
from voiceloop.config.tables import Audio
from voiceloop.errors import DeviceError
from voiceloop.playback import output
from voiceloop.playback.output import CANCELLING_IDLE_S, SILENT_S, open_speaker
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap

RATE_HZ = 8000
BLOCK_S = 0.01
AUDIO = Audio(output_rate_hz=RATE_HZ)


def tone(seconds: float) -> bytes:
    return array("h", [1 + n % 30_000 for n in range(round(seconds * RATE_HZ))]).tobytes()


@dataclass
class Line:
    """One opened stream: its callback, and whether it is called."""

    callback: Callback
    finished: Callable[[], None]
    rate_hz: int
    takes: bool = True
    """The device takes sound: the callback is called every 10 ms."""

    def take(self) -> bytes:
        """Let the device take a block."""
        frames = round(self.rate_hz * BLOCK_S)
        block = bytearray(2 * frames)
        self.callback(block, frames, None, SimpleNamespace(output_underflow=False))
        return bytes(block)


@dataclass
class Sound:
    """A sound server with one loudspeaker, by Trio's clock. `log` has what was asked of it, and when."""

    log: list[tuple[str, float]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    gone: bool = False
    """No stream can be opened."""
    hangs: bool = False
    """Opening a stream never returns."""
    closes: bool = True
    """Closing a stream returns."""
    rate_hz: int | None = None
    """The rate that the device insists on."""
    began: float = field(default_factory=trio.current_time)

    def _note(self, what: str) -> None:
        self.log.append((what, round(trio.current_time() - self.began, 2)))

    async def open(self, request: Request, callback: Callback, finished: Callable[[], None], *, host: Host) -> Stream:
        await trio.lowlevel.checkpoint()
        self._note("hangs" if self.hangs else "refuses" if self.gone else "opens")
        if self.hangs:
            await trio.sleep_forever()
        if self.gone:
            raise DeviceError("gone", place="audio.output")
        line = Line(callback, finished, self.rate_hz or request.rate_hz)
        self.lines.append(line)
        return Stream(line, Device(0, f"Speaker {len(self.lines)}", 0, 2, 48_000), line.rate_hz, 1, 0.02)

    async def close(self, stream: Stream, *, host: Host) -> bool:
        await trio.lowlevel.checkpoint()
        self._note("closes" if self.closes else "never closes")
        stream.raw.takes = False
        return self.closes

    async def run(self) -> None:
        """Let the device that is open take 10 ms every 10 ms."""
        due = trio.current_time()
        while True:
            for line in self.lines:
                if line.takes:
                    self.heard += line.take()
            due += BLOCK_S
            await trio.sleep_until(due)

    def said(self) -> bytes:
        """All sound that was heard, without the silence."""
        return array("h", [sample for sample in array("h", bytes(self.heard)) if sample]).tobytes()


@asynccontextmanager
async def opened(
    monkeypatch: pytest.MonkeyPatch, events: Recorder, host: Host | None = None, **options: Any
) -> AsyncIterator[tuple[Speaker, Sound]]:
    """A loudspeaker on a fake device."""
    await trio.sleep(100)  # the clock shows any time when the program starts
    sound = Sound()
    monkeypatch.setattr(output, "open_first", sound.open)
    monkeypatch.setattr(output, "open_stream", sound.open)
    monkeypatch.setattr(output, "close_stream", sound.close)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(sound.run)
        async with open_speaker(AUDIO, events, host=host or Host(), **options) as speaker:
            yield speaker, sound
        nursery.cancel_scope.cancel()


async def play(speaker: Speaker, pcm: bytes) -> None:
    assert await speaker.write(pcm, epoch=speaker.epoch)
    assert await speaker.drained(epoch=speaker.epoch)


async def test_a_reply_is_played_to_its_end_and_copied_into_the_tap(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, tap, reply = Recorder(), Tap(), tone(1.0)
    async with opened(monkeypatch, events, tap=tap) as (speaker, sound):
        assert (speaker.description, speaker.rate_hz) == ("Speaker 1, 8000 Hz", RATE_HZ)
        assert speaker.latency_s == pytest.approx(0.03)  # the device's, and a block
        assert (speaker.ring.capacity, speaker.jitter_buffer.seconds) == (RATE_HZ * 4, 0.04)
        began = trio.current_time()
        await play(speaker, reply)
        assert trio.current_time() - began == pytest.approx(1.03, abs=0.02)
        assert sound.said() == reply
        assert b"".join(block.pcm for block in tap.take()) == bytes(sound.heard)
        assert await speaker.write(reply, epoch=speaker.epoch)
    assert [what for what, _ in sound.log] == ["opens", "closes"]
    assert sound.lines[0].take() == bytes(160)  # a late callback plays nothing, and wakes nobody
    assert events.events == []


async def test_a_device_that_insists_on_its_own_rate_gets_a_ring_of_that_rate(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    opening = Sound.open

    async def insist(sound: Sound, *arguments: Any, **options: Any) -> Stream:
        sound.rate_hz = 48_000
        return await opening(sound, *arguments, **options)

    monkeypatch.setattr(Sound, "open", insist)
    async with opened(monkeypatch, Recorder()) as (speaker, _):
        assert (speaker.rate_hz, speaker.ring.capacity) == (48_000, 192_000)
        assert speaker.description == "Speaker 1, 48000 Hz"


async def test_a_device_is_closed_after_two_seconds_of_silence_and_opens_for_the_next_reply(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, reply = Recorder(), tone(0.5)
    async with opened(monkeypatch, events) as (speaker, sound):
        await trio.sleep(5)
        assert sound.log == [("opens", 0.0), ("closes", 2.0)]
        assert sound.lines[0].take() == bytes(160)  # a last callback of the closed stream plays nothing
        await play(speaker, reply)
        assert speaker.description == "Speaker 2, 8000 Hz"
        await trio.sleep(5)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens", "closes"]
        assert [at for _, at in sound.log[2:]] == pytest.approx([5.0, 5.0 + 0.5 + 0.03 + 2.0], abs=0.03)
    assert sound.said() == reply
    assert events.events == []


async def test_a_canceller_keeps_a_device_open_that_has_played_and_no_other(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with opened(monkeypatch, Recorder(), idle_s=CANCELLING_IDLE_S) as (speaker, sound):
        await trio.sleep(5)
        assert sound.log == [("opens", 0.0), ("closes", 2.0)]
        await play(speaker, tone(0.5))
        await trio.sleep(29)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens"]
        await trio.sleep(2)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens", "closes"]
        speaker.ready()  # a new stream that has played nothing yet
        await trio.sleep(5)
        assert [what for what, _ in sound.log][4:] == ["opens", "closes"]


async def test_signs_of_voice_keep_a_device_open_and_open_none(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with opened(monkeypatch, Recorder()) as (speaker, sound):
        for _ in range(5):
            await trio.sleep(1)
            speaker.hold()
            speaker.resume()
        assert [what for what, _ in sound.log] == ["opens"]
        await trio.sleep(5)
        speaker.hold()
        speaker.resume()
        await trio.sleep(1)
        assert [what for what, _ in sound.log] == ["opens", "closes"]


async def test_a_device_that_takes_no_more_sound_is_lost_and_the_reply_goes_on_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, reply = Recorder(), tone(2.0)
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(reply, epoch=speaker.epoch)
        speaker.finish(epoch=speaker.epoch)
        await trio.sleep(1)
        sound.gone, sound.lines[0].takes = True, False
        lost = await events.wait_for("device.lost", within_s=1)
        noticed = 1 + SILENT_S + ONCE_MORE_S
        assert lost.at - sound.began == pytest.approx(noticed, abs=0.02)
        assert lost.fields == {
            "device": "Speaker 1, 8000 Hz",
            "which": "loudspeaker",
            "reason": "the device no longer takes sound",
        }
        assert not speaker.sounding
        await trio.sleep(1)
        assert [what for what, _ in sound.log] == ["opens", "closes", *["refuses"] * 5]
        assert [at for _, at in sound.log[2:]] == pytest.approx(
            [noticed, noticed + 0.05, noticed + 0.15, noticed + 0.35, noticed + 0.75], abs=0.02
        )
        sound.gone = False
        assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.played_in(0, len(reply) // 2) == len(reply) // 2
        assert not speaker.away
        assert events.events[-1].fields == {"device": "Speaker 2, 8000 Hz", "which": "loudspeaker"}
    assert events.names == ["device.lost", "device.back"]


async def test_a_device_whose_blocks_were_late_because_everything_stood_still_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, reply = Recorder(), tone(3.0)
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(reply, epoch=speaker.epoch)
        for _ in range(2):
            await trio.sleep(0.5)
            sound.lines[0].takes = False
            await trio.sleep(SILENT_S + ONCE_MORE_S / 2)
            sound.lines[0].takes = True
        assert await speaker.drained(epoch=speaker.epoch)
    assert sound.said() == reply
    assert events.events == []


async def test_a_device_that_portaudio_has_ended_is_opened_again_at_once(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, reply = Recorder(), tone(1.0)
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(reply, epoch=speaker.epoch)
        await trio.sleep(0.505)
        sound.lines[0].finished()
        assert await speaker.drained(epoch=speaker.epoch)
        assert trio.current_time() - sound.began == pytest.approx(1.03, abs=0.04)
        assert events.events[0].fields["reason"] == "the device or the sound server is gone"
    assert events.names == ["device.lost", "device.back"]


async def test_a_new_device_may_take_two_seconds_for_its_first_block(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        sound.lines[0].takes = False
        assert await speaker.write(tone(0.5), epoch=speaker.epoch)
        await trio.sleep(1.9)
        assert events.events == []
        lost = await events.wait_for("device.lost", within_s=1)
        assert lost.at - sound.began == pytest.approx(2.0 + ONCE_MORE_S, abs=0.02)


async def test_a_device_may_take_two_seconds_to_begin_after_its_buffer_was_filled(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """PulseAudio's null sink has up to 2 s of silence rendered, which it plays first."""
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        (line,) = sound.lines
        assert await speaker.write(tone(3.0), epoch=speaker.epoch)
        await trio.sleep(0.025)  # three blocks fill the buffer
        line.takes = False
        await trio.sleep(1.95)
        line.takes = True
        await trio.sleep(0.5)
        line.takes = False
        assert events.events == []
        began = trio.current_time()
        lost = await events.wait_for("device.lost", within_s=1)
        assert lost.at - began == pytest.approx(SILENT_S + ONCE_MORE_S, abs=0.03)


async def test_what_waits_for_a_lost_device_is_discarded_after_three_seconds(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(tone(3.5), epoch=speaker.epoch)
        await trio.sleep(1)
        sound.gone = True
        sound.lines[0].finished()
        lost = await events.wait_for("device.lost", within_s=0.1)
        await trio.sleep(2.9)
        assert not speaker.away
        notice = await events.wait_for("notice", within_s=0.2)
        assert notice.at - lost.at == pytest.approx(3.0, abs=0.02)
        assert notice.fields == {"text": "The loudspeaker is still gone: 2.5 s of the reply were discarded."}
        assert speaker.away
        assert not await speaker.write(tone(0.1), epoch=speaker.epoch)
        await trio.sleep(20)
        tries = [at for what, at in sound.log if what == "refuses"]
        waits = [later - at for at, later in pairwise(tries)]
        assert max(waits[:14]) == pytest.approx(1.0, abs=0.02)  # within 11 s it is back a second after the server
        assert waits[-1] == pytest.approx(2.0, abs=0.02)
        sound.gone = False
        await events.wait_for("device.back", within_s=2.1)
        await play(speaker, tone(0.1))
    assert events.names == ["device.lost", "notice", "device.back"]


async def test_a_lost_device_for_which_nothing_waits_is_given_up_without_a_notice(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        await trio.sleep(1)
        sound.gone = True
        sound.lines[0].finished()
        await trio.sleep(4)
        assert speaker.away
    assert events.names[0] == "device.lost"


async def test_a_device_that_dies_again_before_it_takes_sound_is_the_same_loss(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    """It is opened again ever more slowly, and the three seconds go on."""
    events, opening = Recorder(), Sound.open

    async def die(sound: Sound, *arguments: Any, **options: Any) -> Stream:
        stream = await opening(sound, *arguments, **options)
        if len(sound.lines) > 1:
            stream.raw.takes = False
            stream.raw.finished()
        return stream

    monkeypatch.setattr(Sound, "open", die)
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(tone(2.0), epoch=speaker.epoch)
        await trio.sleep(1)
        sound.lines[0].finished()
        notice = await events.wait_for("notice", within_s=4)
        assert notice.at - sound.began == pytest.approx(4.0, abs=0.03)
        opens = [at for what, at in sound.log if what == "opens"]
        assert opens[1:] == pytest.approx([1.0, 1.05, 1.15, 1.35, 1.75, 2.55, 3.55], abs=0.04)
    assert events.names == ["device.lost", "notice"]


async def test_an_idle_device_that_never_closes_is_lost_and_another_is_opened(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        sound.closes = False
        await trio.sleep(2.5)
        assert sound.log[:3] == [("opens", 0.0), ("never closes", 2.0), ("opens", 2.0)]
        assert events.events[0].fields["reason"] == "the device does not close"
        await play(speaker, tone(0.5))
    assert events.names == ["device.lost", "device.back"]


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_an_idle_device_that_does_not_open_again_is_lost(
    how: str, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        await trio.sleep(3)
        sound.gone, sound.hangs = how == "refuses", how == "hangs"
        speaker.ready()
        lost = await events.wait_for("device.lost", within_s=1)
        assert lost.at - sound.began == pytest.approx(3.0 if how == "refuses" else 3.5, abs=0.02)
        assert lost.fields["reason"] == "the device does not open again"
        sound.gone = sound.hangs = False


async def test_the_device_is_closed_for_a_moment_once_no_reply_sounds_when_the_device_list_must_be_refreshed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events, host, reply = Recorder(), Host(), tone(1.0)
    async with opened(monkeypatch, events, host) as (speaker, sound):
        assert await speaker.write(reply, epoch=speaker.epoch)
        await trio.sleep(0.5)
        host.on_stale["output"]()
        assert await speaker.drained(epoch=speaker.epoch)
        await trio.sleep(0.1)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens"]
        assert sound.log[1][1] == pytest.approx(1.03, abs=0.03)
        assert sound.log[2][1] == pytest.approx(sound.log[1][1], abs=0.02)
        await trio.sleep(1)
        assert len(sound.log) == 3  # it was asked for once
        await trio.sleep(3)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens", "closes"]
        host.on_stale["output"]()  # a closed stream is in nobody's way
        await trio.sleep(1)
        await play(speaker, reply)
        assert [what for what, _ in sound.log] == ["opens", "closes", "opens", "closes", "opens"]
    assert "output" not in host.on_stale
    assert sound.said()[: len(reply)] == reply  # the second fades in
    assert speaker.ring.played == len(reply)
    assert events.events == []


async def test_a_device_that_comes_back_at_another_rate_plays_on_at_the_same_speed(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (speaker, sound):
        assert await speaker.write(tone(2.0), epoch=speaker.epoch)
        await trio.sleep(1)
        sound.rate_hz = 16_000
        sound.lines[0].finished()
        assert await speaker.drained(epoch=speaker.epoch)
        assert trio.current_time() - sound.began == pytest.approx(2.0, abs=0.1)
        assert speaker.rate_hz == RATE_HZ
        assert speaker.description == "Speaker 2, 16000 Hz"


async def test_a_device_that_cannot_be_opened_at_first_is_an_error(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async def refuse(*_: Any, **__: Any) -> Stream:
        await trio.lowlevel.checkpoint()
        raise DeviceError("there is none", place="audio.output")

    monkeypatch.setattr(output, "open_first", refuse)
    with pytest.raises(DeviceError, match="there is none"):
        async with open_speaker(AUDIO, Recorder(), host=Host()):
            raise AssertionError("there is no loudspeaker")


async def test_a_device_that_never_takes_a_block_is_reported_although_nothing_waits(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    events = Recorder()
    async with opened(monkeypatch, events) as (_, sound):
        sound.lines[0].takes = False
        await trio.sleep(3)
    assert events.names[0] == "device.lost"
