"""The loudspeaker on a real sound server."""

from __future__ import annotations

from array import array

import pytest
import trio

from tests.recorder import Recorder
from tests.sound.cable import SPEAKER_HZ, Cable, Listener
from tests.sound.test_capture import noise
from voiceloop.config.tables import Audio
from voiceloop.playback.output import IDLE_S, open_speaker
from voiceloop.playback.speaker import Speaker

pytestmark = pytest.mark.sound

BLOCK = SPEAKER_HZ // 100


async def until(listener: Listener, wanted: bytes) -> bytes:
    return await trio.to_thread.run_sync(lambda: listener.wait_for(lambda heard: wanted in heard))


def silences(pcm: bytes) -> list[int]:
    """The lengths, in samples, of the stretches of digital silence between the first sound and the last."""
    lengths, run = [], 0
    for sample in array("h", pcm.strip(b"\0") + b"\0" * (len(pcm.strip(b"\0")) % 2)):
        if sample:
            lengths.append(run)
            run = 0
        else:
            run += 1
    return [length for length in lengths if length]


async def test_a_reply_is_at_the_loudspeaker_bit_for_bit(on_cable: Cable) -> None:
    reply = noise(2.0, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder()) as speaker:
        assert (speaker.rate_hz, speaker.description) == (SPEAKER_HZ, "default, 24000 Hz")
        with on_cable.listening() as listener:
            epoch = speaker.epoch
            assert await speaker.write(reply, epoch=epoch)
            began = trio.current_time()
            assert await speaker.drained(epoch=epoch)
            assert trio.current_time() - began == pytest.approx(2.0, abs=0.3)
            assert reply in await until(listener, reply)
        assert (speaker.ring.underruns, speaker.ring.played) == (0, len(reply) // 2)


async def test_a_reply_in_small_pieces_has_no_gap(on_cable: Cable) -> None:
    reply = noise(3.0, SPEAKER_HZ)
    async with open_speaker(Audio(buffer_s=0.5), Recorder()) as speaker:
        with on_cable.listening() as listener:
            for at in range(0, len(reply), 1234):
                assert await speaker.write(reply[at : at + 1234], epoch=speaker.epoch)
            assert await speaker.drained(epoch=speaker.epoch)
            heard = await until(listener, reply[-4000:])
    assert max(silences(heard), default=0) < BLOCK * 2
    assert reply in heard


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
    assert reply[: played * 2] in heard
    assert reply[(played + BLOCK) * 2 : (played + BLOCK) * 2 + 400] not in heard


async def test_a_hushed_reply_goes_on_from_the_frozen_sample(on_cable: Cable) -> None:
    reply = noise(1.5, SPEAKER_HZ)
    async with open_speaker(Audio(), Recorder()) as speaker:
        with on_cable.listening() as listener:
            assert await speaker.write(reply, epoch=speaker.epoch)
            while speaker.played < SPEAKER_HZ // 2:
                await speaker.changed()
            speaker.hush()
            with trio.fail_after(0.1):
                await speaker.silent()
            frozen = speaker.played
            await speaker.changed()
            assert speaker.played == frozen
            speaker.resume()
            assert await speaker.drained(epoch=speaker.epoch)
            fade = 2 * BLOCK
            heard = await until(listener, reply[frozen * 2 + fade :])
    assert reply[: frozen * 2] in heard
    assert speaker.ring.played == len(reply) // 2


async def nobody_pulls(speaker: Speaker) -> None:
    stopped = False
    while not stopped:
        with trio.move_on_after(0.3) as limit:
            await speaker.changed()
        stopped = limit.cancelled_caught


async def test_an_idle_loudspeaker_is_stopped_and_starts_again(on_cable: Cable) -> None:
    events = Recorder()
    async with open_speaker(Audio(), events) as speaker:
        with on_cable.listening() as listener:
            for seed in (1, 2):
                with trio.fail_after(IDLE_S + 2):
                    await nobody_pulls(speaker)
                reply = noise(0.5, SPEAKER_HZ, seed=seed)
                assert await speaker.write(reply, epoch=speaker.epoch)
                assert await speaker.drained(epoch=speaker.epoch)
                await until(listener, reply)
    assert events.names == []
