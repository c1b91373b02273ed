"""The loudspeaker on a real sound server."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from testbed.recorder import Recorder
from testbed.sound.cable import SPEAKER_HZ, Cable, Listener
from testbed.sound.samples import PIECE, gaps, noise
from voiceloop.config.tables import Audio
from voiceloop.playback.output import IDLE_S, open_speaker
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap

pytestmark = pytest.mark.sound

BLOCK = SPEAKER_HZ // 100


async def until(listener: Listener, wanted: bytes) -> bytes:
    """What was heard, up to and with the end of `wanted`."""
    end = wanted[-2 * PIECE :]
    return await trio.to_thread.run_sync(lambda: listener.wait_for(lambda heard: end in heard))


@pytest.mark.parametrize(("piece_bytes", "buffer_s"), [(1_000_000, 4.0), (1234, 0.5)])
async def test_a_reply_is_whole_at_the_loudspeaker(on_cable: Cable, piece_bytes: int, buffer_s: float) -> None:
    """Without a gap of 20 ms; a machine busy with something else may tear one, but not each time."""
    async with open_speaker(Audio(buffer_s=buffer_s), Recorder()) as speaker:
        assert (speaker.rate_hz, speaker.description) == (SPEAKER_HZ, "default, 24000 Hz")
        with on_cable.listening() as listener:
            for attempt in range(5):
                reply = noise(2.0, SPEAKER_HZ, seed=attempt)
                began = trio.current_time()
                for at in range(0, len(reply), piece_bytes):
                    assert await speaker.write(reply[at : at + piece_bytes], epoch=speaker.epoch)
                assert await speaker.drained(epoch=speaker.epoch)
                assert trio.current_time() - began > 1.9
                if max(gaps(reply, await until(listener, reply)), default=0) < 2 * BLOCK:
                    break
            else:
                raise AssertionError("a gap of 20 ms each time")
        assert (speaker.ring.underruns, speaker.ring.played) == (0, (attempt + 1) * len(reply) // 2)


async def test_a_cancelled_reply_is_silent_soon_and_never_heard_again(on_cable: Cable) -> None:
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
            with trio.fail_after(0.1):
                await speaker.silent()
            assert await speaker.write(after, epoch=new)
            assert await speaker.drained(epoch=new)
            heard = await until(listener, after)
    played = speaker.played_in(0, len(reply) // 2)
    assert taken <= played <= taken + BLOCK
    gaps(reply[: played * 2], heard)
    assert reply[(played + BLOCK) * 2 : (played + BLOCK) * 2 + 400] not in heard


async def test_a_hushed_reply_goes_on_from_the_frozen_sample(on_cable: Cable) -> None:
    reply = noise(1.5, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder()) as speaker:
        with on_cable.listening() as listener:
            assert await speaker.write(reply, epoch=speaker.epoch)
            while speaker.played < SPEAKER_HZ // 2:
                await speaker.changed()
            speaker.hold()
            with trio.fail_after(0.1):
                await speaker.silent()
            frozen = speaker.played
            await speaker.changed()
            assert speaker.played == frozen
            speaker.resume()
            assert await speaker.drained(epoch=speaker.epoch)
            heard = await until(listener, reply)
    gaps(reply[: frozen * 2], heard)
    gaps(reply[(frozen + BLOCK) * 2 :], heard)
    assert speaker.ring.played == len(reply) // 2


async def nobody_pulls(speaker: Speaker) -> None:
    stopped = False
    while not stopped:
        with trio.move_on_after(0.3) as limit:
            await speaker.changed()
        stopped = limit.cancelled_caught


async def test_an_idle_loudspeaker_is_closed_and_opens_again(on_cable: Cable) -> None:
    events = Recorder()
    async with open_speaker(Audio(), events) as speaker:
        with on_cable.listening() as listener:
            for seed in (1, 2):
                with trio.fail_after(IDLE_S + 2):
                    await nobody_pulls(speaker)
                reply = noise(0.5, SPEAKER_HZ, seed=seed)
                assert await speaker.write(reply, epoch=speaker.epoch)
                assert await speaker.drained(epoch=speaker.epoch)
                gaps(reply, await until(listener, reply))
    assert events.names == []


async def test_a_server_restarted_while_nothing_played_is_not_even_noticed(on_cable: Cable) -> None:
    """PortAudio's start of a stream that it had stopped before would hang for ever here."""
    events = Recorder()
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), events) as speaker:
        with trio.fail_after(IDLE_S + 2):
            await nobody_pulls(speaker)
        await trio.to_thread.run_sync(on_cable.kill)
        await trio.to_thread.run_sync(on_cable.start)
        assert await speaker.write(reply, epoch=speaker.epoch)
        with trio.fail_after(5):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.ring.played == len(reply) // 2
    assert events.names == []


@pytest.mark.parametrize(("lose", "restore"), [(Cable.kill, Cable.start), (Cable.stop, Cable.resume)])
async def test_a_server_lost_while_nothing_played_delays_the_next_reply(
    on_cable: Cable, lose: Callable[[Cable], None], restore: Callable[[Cable], None]
) -> None:
    events = Recorder()
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), events) as speaker:
        with trio.fail_after(IDLE_S + 2):
            await nobody_pulls(speaker)
        await trio.to_thread.run_sync(lose, on_cable)
        assert await speaker.write(reply, epoch=speaker.epoch)
        await events.wait_for("device.lost", within_s=1)
        await trio.to_thread.run_sync(restore, on_cable)
        await events.wait_for("device.back", within_s=5)
        with trio.fail_after(5):
            assert await speaker.drained(epoch=speaker.epoch)
        assert speaker.ring.played == len(reply) // 2


async def test_a_stream_stays_open_only_for_the_echo_of_what_it_played(on_cable: Cable) -> None:
    reply = noise(0.5, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder(), tap=Tap(), idle_s=60.0) as speaker:
        with trio.fail_after(IDLE_S + 2):
            await nobody_pulls(speaker)
        assert await speaker.write(reply, epoch=speaker.epoch)
        assert await speaker.drained(epoch=speaker.epoch)
        with pytest.raises(trio.TooSlowError), trio.fail_after(IDLE_S + 1):
            await nobody_pulls(speaker)
