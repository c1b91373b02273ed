"""Without a microphone the sound server hands out what the loudspeaker plays. Here it must not be taken for speech."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
import trio

from testbed.recorder import Recorder
from testbed.running import running, voiceloop
from testbed.sound.cable import PATIENCE_S, SPEAKER_HZ, Cable
from testbed.sound.samples import noise
from tests.sound.servers import pulseaudio_only
from tests.sound.test_chimes import tell
from tests.sound.words import DEVICES
from voiceloop.audio.pcm import peak
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio

pytestmark = pytest.mark.sound

NONE_LEFT = "there is no microphone, only what "
NOTICED_S = 1.0
HEARD_AGAIN_S = 5.0
"""It takes 0.1 s (`scripts/bench faults`); this much where all tests share two cores."""
FILM = Path("/usr/share/asterisk/sounds/en_US_f_Allison/queue-thankyou.wav")
SILENT = "audio.input: only digital silence comes from "


def pull_out(cable: Cable) -> None:
    """Unplug the microphone, and its cable's monitor, so that only the loudspeaker's is left."""
    cable.unplug("mic", "mic_cable")


@pytest.mark.skipif(not FILM.is_file(), reason="needs Debian's recorded prompts")
def test_a_film_is_not_answered_when_there_is_no_microphone(cable: Cable) -> None:
    pull_out(cable)
    with running(*DEVICES, env=cable.env) as loop:
        lost = loop.wait_for("device.lost").fields
        assert (lost["which"], lost["reason"][: len(NONE_LEFT)]) == ("microphone", NONE_LEFT)
        with cable.listening() as listener:
            # It may fail to drain on PipeWire, when all has been played.
            subprocess.run(
                ["paplay", "--device=speaker", str(FILM)], env=cable.env, stderr=subprocess.DEVNULL, check=False
            )
            assert peak(listener.heard) > 0.1
        assert not loop.named("speech.started")
        cable.plug()
        assert loop.wait_for("device.back").fields["which"] == "microphone"
        cable.speak_file(FILM)
        loop.wait_for("speech.started")


async def test_nothing_is_received_until_there_is_a_microphone_again(on_cable: Cable) -> None:
    events = Recorder()
    async with open_microphone(Audio(), events) as microphone, trio.open_nursery() as nursery:
        nursery.start_soon(discard, microphone)
        pull_out(on_cable)
        await events.wait_for("device.lost", within_s=PATIENCE_S)
        received = microphone.received
        with on_cable.listening() as listener:  # for 2 s, in which it could be opened several times
            await trio.to_thread.run_sync(lambda: listener.wait_for(lambda pcm: len(pcm) > 4 * SPEAKER_HZ))
        assert microphone.received == received
        on_cable.plug()
        try:
            await events.wait_for("device.back", within_s=PATIENCE_S)
        except trio.TooSlowError:
            said = [(event.name, event.fields) for event in events.events]
            pytest.fail(f"{said}\n{on_cable.pactl('info')}\n{on_cable.pactl('list', 'short', 'sources')}")
        assert microphone.received > received
        nursery.cancel_scope.cancel()


async def discard(microphone: Microphone) -> None:
    async for _ in microphone.frames:
        pass


def test_the_default_microphone_is_pulled_out_and_plugged_in_again(cable: Cable) -> None:
    with running(*DEVICES, env=cable.env) as loop:
        loop.wait_for("ready")
        noticed_s, heard_again_s = [], []
        for count in (1, 2, 3):
            pulled = time.monotonic()
            pull_out(cable)
            lost = loop.wait_for("device.lost", count=count)
            noticed_s.append(time.monotonic() - pulled)
            assert lost.fields["reason"].startswith(NONE_LEFT)
            cable.plug()
            plugged = time.monotonic()
            loop.wait_for("device.back", count=count)
            heard_again_s.append(time.monotonic() - plugged)
    assert min(noticed_s) < NOTICED_S  # a busy machine delays some
    assert min(heard_again_s) < HEARD_AGAIN_S


def test_a_named_microphone_that_is_pulled_out_is_waited_for_though_there_is_another(cable: Cable) -> None:
    cable.add_microphone("usb-yeti", "Blue Yeti 内置")
    with running(*DEVICES, "-i", "内置", env=cable.env) as loop:
        loop.wait_for("ready")
        cable.unplug("usb-yeti")
        assert loop.wait_for("device.lost").fields["reason"] == "'Blue Yeti 内置' is unplugged or switched off"
        assert not loop.named("device.back")
        cable.add_microphone("usb-yeti", "Blue Yeti 内置")
        loop.wait_for("device.back")


def test_the_check_says_that_there_is_no_microphone(cable: Cable) -> None:
    pull_out(cable)
    code, out, _ = voiceloop("check", "run", "--config", "offline", "--no-speak", env=cable.env)
    line = next(line for line in out.splitlines() if "microphone" in line)
    assert code == 74
    assert line.startswith(f"no  microphone         audio.input: {NONE_LEFT}")


def test_a_muted_microphone_is_told_once_also_when_it_is_muted_later(cable: Cable) -> None:
    cable.pactl("set-source-mute", "mic", "1")
    with running(*DEVICES, env=cable.env) as loop:
        text = loop.wait_for("notice").fields["text"]
        cable.pactl("set-source-mute", "mic", "0")
        cable.pactl("set-source-mute", "mic", "1")
        loop.wait_for("notice", count=2)
        said = [event.fields["text"] for event in loop.named("notice")]
    assert " is muted, or its volume is zero. " in text
    assert [line.startswith(SILENT) for line in said] == [False, True]


@pulseaudio_only
def test_digital_silence_is_told_while_push_to_talk_is_held(cable: Cable) -> None:
    with running(*DEVICES, env=cable.env) as loop:
        loop.wait_for("ready")
        cable.speak(noise(0.2, 16_000)).wait()
        began = time.monotonic()
        tell(cable.env, "stop", name="run")
        assert not loop.named("notice")
        tell(cable.env, "start", name="run")
        assert loop.wait_for("notice").fields["text"].startswith(SILENT)
        assert time.monotonic() - began > 4.9  # 5 s of sound, which come in blocks


@pulseaudio_only
def test_nothing_is_said_of_silence_where_the_loudspeaker_is_listened_to(cable: Cable) -> None:
    """Nothing plays for longer than a microphone would be given."""
    with running("--config", "offline", "--source", "speaker", env=cable.env, command="captions") as captions:
        captions.wait_for("ready")
        time.sleep(7)  # nothing may be said meanwhile
        captions.end()
    assert not [event for event in captions.named("notice") if SILENT in event.fields["text"]]
