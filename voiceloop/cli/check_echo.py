"""The check of the echo: plays a second of soft noise, and has the program's own canceller listen to it."""

from __future__ import annotations

import math
from functools import partial

import trio

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.audio.sound_server import Answer, ask
from voiceloop.capture.sources import open_microphone
from voiceloop.cli.check_echo_words import HEARD, Mode, findings
from voiceloop.cli.check_plan import Plan
from voiceloop.cli.report import Finding, Report
from voiceloop.config.tables import Audio
from voiceloop.echo import webrtc_aec as echo
from voiceloop.echo.canceller import Canceller, Nothing
from voiceloop.echo.far_end import FarEnd
from voiceloop.echo.measuring import QUIET_S, REVERBERATES_S, SOUND_S, Measured, Measuring, measuring_sound
from voiceloop.errors import DeviceError
from voiceloop.events import Publish
from voiceloop.playback.output import CANCELLING_IDLE_S, open_speaker
from voiceloop.playback.speaker import Speaker
from voiceloop.playback.tap import Tap

LIMIT_S = 15.0
"""How long the check may take: usually it takes 3 s."""
TIMES = 2
"""How often it is tried before something is said to be wrong: a busy machine tears the sound, and people cough."""
_RECENT_S = 4.0
"""How much of what was played lately is looked at: all of the sound."""
REQUEST = "A soft noise of one second sounds now, to measure its echo. Please be quiet …"


def why_not(plan: Plan) -> str:
    """Why there is no echo to measure; empty if there may be one. Decided by the configuration alone."""
    audio = plan.config.audio
    if not plan.loudspeaker:
        return "nothing is played"
    if not echo.has_loudspeaker(audio):
        return f'audio.output is "{audio.output}", which makes no sound'
    if audio.input in ("none", "monitor") or audio.input.startswith(FILE_PREFIX):
        return f'audio.input is "{audio.input}", which is no microphone'
    if audio.echo == "half-duplex":
        return 'audio.echo is "half-duplex": nobody is listened to while a reply plays'
    return ""


async def try_echo(plan: Plan, report: Report, publish: Publish, *, asked: bool) -> None:
    """Measure the echo, and say what it means. If that makes no sense it is said only to somebody who `asked`."""
    if reason := why_not(plan):
        if asked:
            report.add(HEARD, f"not tried: {reason}", tried=False)
        return
    if not all(map(report.succeeded, (plan.heard, "loudspeaker", "echo"))):
        return  # what is wrong was said
    audio = plan.config.audio
    if muted := muted_in(audio, await trio.to_thread.run_sync(ask, abandon_on_cancel=True)):
        report.add(HEARD, f"not tried: {muted} is muted, or its volume is zero", tried=False)
        return
    mode = echo.mode(audio)
    measure = partial(_measure, audio, mode, publish, report)
    found: list[Finding] = []
    for _ in range(TIMES):
        if (measured := await report.tried(HEARD, measure, limit_s=LIMIT_S)) is None:
            return
        found = list(findings(measured, mode))
        if not any(finding.exit_code for finding in found):
            break
    for finding in found:
        report.add(finding.what, finding.said, finding.exit_code, tried=finding.tried)


def muted_in(audio: Audio, answer: Answer) -> str:
    """The device of `audio` that the sound server says is muted, in words; empty if there is none."""
    for which, wanted in (("input", audio.input), ("output", audio.output)):
        name = wanted.strip().casefold()
        for node in answer.nodes:
            meant = node.default if name == "default" else name in f"{node.name}\n{node.description}".casefold()
            if node.which == which and not node.monitor and meant and node.muted:
                return f"{'the microphone' if which == 'input' else 'the loudspeaker'} {node.description!r}"
    return ""


async def _measure(audio: Audio, mode: Mode, publish: Publish, report: Report) -> Measured:
    """Open both devices as the loop does, and measure. Raises DeviceError when one of them is lost meanwhile."""
    processor = await trio.to_thread.run_sync(echo.open_processor) if mode == "cancel" else Nothing()
    tap = Tap()
    async with (
        open_speaker(audio, publish, tap=tap, idle_s=CANCELLING_IDLE_S) as speaker,
        open_microphone(audio, publish) as microphone,
        trio.open_nursery() as nursery,
    ):
        measuring = Measuring(Canceller(processor, FarEnd(tap), microphone.clock.counted))
        begun_at = end_at = math.inf
        async for item in microphone.frames:
            measuring.take(item)
            at = measuring.heard_s
            if at >= end_at or measuring.gap is not None:
                break
            if begun_at == math.inf and at >= QUIET_S:
                begun_at = at
                measuring.begin()
                report.tell(REQUEST)
                nursery.start_soon(_play, speaker, name="measuring sound")
            elif end_at == math.inf and (measuring.enough or at >= begun_at + SOUND_S):
                end_at = at + REVERBERATES_S
                speaker.cancel()
        played, rate_hz = tap.recent(_RECENT_S)
    if measuring.gap is not None:
        raise DeviceError(f"it was interrupted: {measuring.gap}", place="audio.input", remedy="Try again")
    if not played.strip(b"\0"):
        raise DeviceError("it took no sound", place="audio.output", remedy="Try again, or choose another device")
    return measuring.measured(played, rate_hz)


async def _play(speaker: Speaker) -> None:
    epoch = speaker.epoch
    await speaker.write(measuring_sound(speaker.rate_hz), epoch=epoch)
    speaker.finish(epoch=epoch)
