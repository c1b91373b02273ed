"""WebRTC's echo canceller, noise suppression and gain control, and the choice of the echo mode.

The only importer of livekit, whose wheel has WebRTC's audio processing.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TypeVar

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.capture.enhancer import Enhancer
from voiceloop.config.tables import Audio
from voiceloop.echo.far_end import Block
from voiceloop.errors import EngineError, MissingExtra
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_T = TypeVar("_T")
_DELAY = 128
"""Two of AEC3's blocks of 64 samples: 8 ms at 16 kHz."""
_SUPPRESSION_DELAY = 96
"""Of the noise suppression's windows: 6 ms at 16 kHz."""
MEANING = {
    "cancel": "the reply is removed from the microphone's signal, so you can interrupt it.",
    "half-duplex": "the microphone is ignored while a reply plays, so you cannot interrupt it. "
    "To change that: pip install 'voiceloop[echo]', or with headphones: --set audio.echo=off",
}
"""What each mode means for the user."""
_INSTEAD = "Or: --set audio.echo=half-duplex"


def mode(audio: Audio) -> Literal["cancel", "half-duplex", "off"]:
    """Return how echo is dealt with, with `auto` resolved. An output without a loudspeaker causes no echo: "off"."""
    if audio.echo != "auto":
        return audio.echo
    if not has_loudspeaker(audio):
        return "off"
    return "cancel" if installed() else "half-duplex"


def has_loudspeaker(audio: Audio) -> bool:
    """Whether replies go to a sound device."""
    return audio.output != "none" and not audio.output.startswith(FILE_PREFIX)


def warning(audio: Audio) -> str | None:
    """What the user must know if no canceller is installed: a reply can't be interrupted. None if that was chosen."""
    resolved = mode(audio)
    return f"echo: {resolved}: {MEANING[resolved]}" if audio.echo == "auto" and resolved == "half-duplex" else None


def installed() -> bool:
    """Whether the package that `open_processor` needs is installed. Imports nothing."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


def open_processor() -> WebRtc:
    """Load the canceller. It takes about 60 ms and 20 MB, so call it in a thread.

    Raises MissingExtra if livekit isn't installed, EngineError if it can't be loaded on this machine.
    """
    return _open(WebRtc, place="audio.echo", otherwise=_INSTEAD)


def open_enhancer(audio: Audio) -> Enhancer:
    """Load what `audio` wants of noise suppression and gain control. As `open_processor`."""
    place = "audio.noise_suppression" if audio.noise_suppression else "audio.gain_control"

    def enhancement(rtc: Any) -> Enhancer:
        processing = WebRtcEnhancement(rtc, noise=audio.noise_suppression, gain=audio.gain_control)
        return Enhancer(processing.process, processing.delay)

    return _open(enhancement, place=place, otherwise=f"Or: --set {place}=false")


def _open(make: Callable[[Any], _T], *, place: str, otherwise: str) -> _T:
    if not installed():
        remedy = f"pip install 'voiceloop[echo]'. {otherwise}"
        raise MissingExtra("the package 'livekit' is not installed", place=place, remedy=remedy)
    try:
        rtc = importlib.import_module("livekit.rtc")
        _turn_off_log_forwarding()
        return make(rtc)
    except Exception as error:  # its native library, or protobuf, may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise EngineError(f"livekit does not load: {reason}", place=place, remedy=otherwise) from error


def _turn_off_log_forwarding() -> None:
    """Keep livekit's log thread from passing its log to Python.

    If that thread calls into Python while Python ends, Python ends the thread, and Rust then aborts the whole process.
    """
    # These names are undocumented. If they are missing, a rare abort at the end is better than no canceller.
    with suppress(ImportError, AttributeError):
        ffi = importlib.import_module("livekit.rtc._ffi_client")
        initialize = ffi.FfiClient.instance._ffi_lib.livekit_ffi_initialize
        initialize(ffi.ffi_event_callback, False, b"python", ffi.__version__.encode())


class WebRtc:
    """A `canceller.Processor`: AEC3, without gain control and noise suppression. No high-pass filter is asked for:
    WebRTC enforces its own wherever AEC3 is on.

    Gain control would change the level of the voice all the time, and noise suppression didn't improve the VAD's
    verdicts. AEC3 finds the delay between a block and its echo by itself; setting the delay made no difference.
    """

    delay = _DELAY

    def __init__(self, rtc: Any) -> None:
        self._frame = rtc.AudioFrame
        self._processing = rtc.AudioProcessingModule(
            echo_cancellation=True, noise_suppression=False, high_pass_filter=False, auto_gain_control=False
        )

    def process(self, near: bytes, far: Block) -> bytes:
        far_frame = self._frame(bytearray(far.pcm), far.rate_hz, 1, len(far.pcm) // SAMPLE_BYTES)
        self._processing.process_reverse_stream(far_frame)
        near_frame = self._frame(bytearray(near), CAPTURE_RATE_HZ, 1, len(near) // SAMPLE_BYTES)
        self._processing.process_stream(near_frame)  # in place
        return bytes(near_frame.data)


class WebRtcEnhancement:
    """Noise suppression, which leaves some 12 dB less of steady noise, and gain control, which brings every voice to
    one level. `process` takes 10 ms and returns them `delay` samples late."""

    def __init__(self, rtc: Any, *, noise: bool, gain: bool) -> None:
        self.delay = _SUPPRESSION_DELAY if noise else 0
        self._frame = rtc.AudioFrame
        self._processing = rtc.AudioProcessingModule(
            echo_cancellation=False, noise_suppression=noise, high_pass_filter=False, auto_gain_control=gain
        )

    def process(self, near: bytes) -> bytes:
        frame = self._frame(bytearray(near), CAPTURE_RATE_HZ, 1, len(near) // SAMPLE_BYTES)
        self._processing.process_stream(frame)  # in place
        return bytes(frame.data)
