"""The checks of the devices: each opens the real one."""

from __future__ import annotations

import trio

from voiceloop.audio.pcm import level_dbfs
from voiceloop.capture.sources import open_microphone
from voiceloop.cli.report import Report
from voiceloop.config.tables import Audio
from voiceloop.echo import webrtc_aec as echo
from voiceloop.errors import NoSuchDevice
from voiceloop.events import Publish
from voiceloop.playback.output import open_speaker
from voiceloop.types import Frame

METER_S = 2.0
"""How long the microphone's level is measured."""
QUIET_DB = -75.0
"""Below this level the microphone is silent: it is muted, or the wrong device. A quiet room is around -60 dB."""


async def hear(audio: Audio, report: Report, publish: Publish) -> str:
    """Open the input and measure its level; what is to be said of it."""
    loudest = float("-inf")
    async with open_microphone(audio, publish) as microphone:
        with trio.move_on_after(METER_S):
            async for item in microphone.frames:
                if isinstance(item, Frame):
                    level = level_dbfs(item.pcm)
                    loudest = max(loudest, level)
                    report.meter(level)
        report.meter(None)
        if microphone.missing:
            remedy = "Plug one in or switch it on; 'voiceloop devices' lists what there is"
            raise NoSuchDevice(microphone.missing, place="audio.input", remedy=remedy)
        if audio.input == "none":
            return "none: no microphone is used"
        result = f"loudest {loudest:.0f} dB in {METER_S:.0f} s"
        if loudest < QUIET_DB:
            result = (
                "only silence came in: nothing was playing, or it plays on another device"
                if audio.input == "monitor"
                else "only silence came in. Is it muted, or the wrong device? 'voiceloop devices' lists them"
            )
        return f"{microphone.description}; {result}"


async def open_output(audio: Audio, publish: Publish) -> str:
    """Open the loudspeaker; what is to be said of it."""
    if audio.output.startswith("file:"):
        return f"{audio.output}, not tried: that would overwrite the file"
    async with open_speaker(audio, publish) as speaker:
        return f"{speaker.description}, {speaker.latency_s * 1000:.0f} ms"


async def load_canceller(audio: Audio) -> str:
    """Load the echo canceller, if it is used; what is done about the echo."""
    mode = echo.mode(audio)
    if mode == "cancel":
        await trio.to_thread.run_sync(echo.open_processor)
    return f"{mode}: {echo.MEANING[mode]}" if mode in echo.MEANING else mode
