"""The loudspeaker on a real sound server."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import trio

from testbed.recorder import Recorder
from testbed.sound.cable import PATIENCE_S, SPEAKER_HZ, Cable, Listener
from testbed.sound.samples import noise
from voiceloop.audio.portaudio import HOST
from voiceloop.config.tables import Audio
from voiceloop.playback import output
from voiceloop.playback.output import IDLE_S, open_speaker
from voiceloop.playback.tap import Tap

pytestmark = pytest.mark.sound

BLOCK = SPEAKER_HZ // 100


async def heard_up_to(cable: Cable, listener: Listener, wanted: bytes) -> bytes:
    """Return what was heard up to the end of `wanted`."""
    return await trio.to_thread.run_sync(lambda: listener.wait_for(lambda heard: cable.compare.ends(wanted, heard)))


def longest_gap(cable: Cable, reply: bytes, heard: bytes) -> float:
    """The longest gap in `reply` as recorded in `heard`, in samples; infinite where a piece is missing."""
    try:
        return max(cable.compare.gaps(reply, heard), default=0)
    except AssertionError:
        return math.inf


@pytest.mark.parametrize(("piece_bytes", "buffer_s"), [(1_000_000, 4.0), (1234, 0.5)])
async def test_a_reply_arrives_complete_at_the_loudspeaker(on_cable: Cable, piece_bytes: int, buffer_s: float) -> None:
    """Without a gap of 20 ms. A busy machine's server or recorder may cause one, or lose a piece, but not in every
    attempt."""
    async with open_speaker(Audio(buffer_s=buffer_s), Recorder()) as speaker:
        assert speaker.rate_hz == SPEAKER_HZ
        assert speaker.description == "Cable Loudspeaker, 24000 Hz"
        with on_cable.listening() as listener:
            for attempt in range(5):
                reply = noise(2.0, SPEAKER_HZ, seed=attempt)
                began = trio.current_time()
                for at in range(0, len(reply), piece_bytes):
                    assert await speaker.write(reply[at : at + piece_bytes], epoch=speaker.epoch)
                assert await speaker.drained(epoch=speaker.epoch)
                assert trio.current_time() - began > 1.9
                heard = await heard_up_to(on_cable, listener, reply)
                if longest_gap(on_cable, reply, heard) < 2 * BLOCK:
                    break
            else:
                raise AssertionError("a gap of 20 ms in every attempt")
        assert (speaker.ring.underruns, speaker.ring.played) == (0, (attempt + 1) * len(reply) // 2)


async def test_a_cancelled_reply_is_soon_silent_and_never_heard_again(on_cable: Cable) -> None:
    reply, after = noise(2.0, SPEAKER_HZ), noise(0.3, SPEAKER_HZ, seed=2)
    async with open_speaker(Audio(), Recorder()) as speaker:
        with on_cable.listening() as listener:
            old = speaker.epoch
            assert await speaker.write(reply, epoch=old)
            while speaker.played < SPEAKER_HZ // 2:
                await speaker.changed()
            taken = speaker.played
            new = speaker.cancel()
            assert not await speaker.write(reply, epoch=old)
            with trio.fail_after(PATIENCE_S):  # how soon that is, what was played says below
                await speaker.silent()
            assert await speaker.write(after, epoch=new)
            assert await speaker.drained(epoch=new)
            heard = await heard_up_to(on_cable, listener, after)
    played = speaker.played_in(0, len(reply) // 2)
    assert taken <= played <= taken + BLOCK
    on_cable.compare.gaps(reply[: played * 2], heard)
    assert not on_cable.compare.holds(reply[(played + BLOCK) * 2 : (played + 3 * BLOCK) * 2], heard)


async def test_a_held_reply_goes_on_from_the_sample_where_it_was_held(on_cable: Cable) -> None:
    reply = noise(1.5, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder()) as speaker:
        with on_cable.listening() as listener:
            assert await speaker.write(reply, epoch=speaker.epoch)
            while speaker.played < SPEAKER_HZ // 2:
                await speaker.changed()
            taken = speaker.played
            speaker.hold()
            with trio.fail_after(PATIENCE_S):
                await speaker.silent()
            held_at = speaker.played
            assert held_at <= taken + 10 * BLOCK
            await speaker.changed()
            assert speaker.played == held_at
            speaker.resume()
            assert await speaker.drained(epoch=speaker.epoch)
            heard = await heard_up_to(on_cable, listener, reply)
    on_cable.compare.gaps(reply[: held_at * 2], heard)
    on_cable.compare.gaps(reply[(held_at + BLOCK) * 2 :], heard)
    assert speaker.ring.played == len(reply) // 2


async def until_closed() -> None:
    """Wait until the loudspeaker is closed: nothing else is open in this process."""
    while HOST.streams:  # noqa: ASYNC110 - nothing reports it
        await trio.sleep(0.02)


async def test_an_idle_loudspeaker_is_closed_and_opens_again(on_cable: Cable) -> None:
    events = Recorder()
    async with open_speaker(Audio(), events) as speaker:
        with on_cable.listening() as listener:
            whole = 0
            for seed in range(6):  # a busy machine may tear some
                with trio.fail_after(PATIENCE_S):
                    await until_closed()
                reply = noise(0.5, SPEAKER_HZ, seed=seed)
                assert await speaker.write(reply, epoch=speaker.epoch)
                assert await speaker.drained(epoch=speaker.epoch)
                heard = await heard_up_to(on_cable, listener, reply)
                whole += longest_gap(on_cable, reply, heard) < math.inf
                if whole == 2:
                    break
            assert whole == 2
    assert events.names == []


async def test_a_server_restart_while_nothing_plays_is_not_noticed(on_cable: Cable) -> None:
    """Restarting a stopped stream would hang for ever in PortAudio here."""
    events = Recorder()
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), events) as speaker:
        with trio.fail_after(PATIENCE_S):
            await until_closed()
        await trio.to_thread.run_sync(on_cable.kill)
        await trio.to_thread.run_sync(on_cable.start)
        assert await speaker.write(reply, epoch=speaker.epoch)
        with trio.fail_after(PATIENCE_S):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.ring.played == len(reply) // 2
    assert events.names == []


@pytest.mark.parametrize(("lose", "restore"), [(Cable.kill, Cable.start), (Cable.stop, Cable.resume)])
async def test_a_server_lost_while_nothing_plays_only_delays_the_next_reply(
    on_cable: Cable,
    lose: Callable[[Cable], None],
    restore: Callable[[Cable], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "AWAY_S", PATIENCE_S)  # a busy machine takes longer than 3 s to restore a server
    events = Recorder()
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), events) as speaker:
        with trio.fail_after(PATIENCE_S):
            await until_closed()
        await trio.to_thread.run_sync(lose, on_cable)
        assert await speaker.write(reply, epoch=speaker.epoch)
        # A stopped PipeWire lets the device be opened, and then takes no sound: the first block has 2 s.
        await events.wait_for("device.lost", within_s=PATIENCE_S)
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=PATIENCE_S)
        with trio.fail_after(PATIENCE_S):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.ring.played == len(reply) // 2


async def test_for_echo_cancellation_a_stream_stays_open_only_once_it_has_played(on_cable: Cable) -> None:
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder(), tap=Tap(), idle_s=60.0) as speaker:
        with trio.fail_after(PATIENCE_S):
            await until_closed()
        assert await speaker.write(reply, epoch=speaker.epoch)
        assert await speaker.drained(epoch=speaker.epoch)
        with pytest.raises(trio.TooSlowError), trio.fail_after(IDLE_S + 1):
            await until_closed()
