"""What is done about the echo; WebRTC's canceller, and the one importer of livekit, whose wheel holds it."""

from __future__ import annotations

import importlib
import importlib.util
from contextlib import suppress
from typing import Any, Literal

from voiceloop.audio.devices import FILE_PREFIX
from voiceloop.config.tables import Audio
from voiceloop.echo.far_end import Block
from voiceloop.errors import EngineError, MissingExtra
from voiceloop.types import CAPTURE_RATE_HZ, SAMPLE_BYTES

_DELAY = 128
"""Two of AEC3's blocks of 64 samples: 8 ms at 16 kHz."""
MEANING = {
    "cancel": "it takes its own voice out of what it hears, so you can interrupt it.",
    "half-duplex": "it does not listen while it speaks, so you cannot interrupt it. "
    "pip install 'voiceloop[echo]' changes that; with headphones: --set audio.echo=off",
}
"""What a mode means for who speaks to it."""
_INSTEAD = "Or: --set audio.echo=half-duplex"


def mode(audio: Audio) -> Literal["cancel", "half-duplex", "off"]:
    """What is done about the echo; `auto` decided. A loudspeaker that makes no sound can't be heard."""
    if audio.echo != "auto":
        return audio.echo
    if audio.output == "none" or audio.output.startswith(FILE_PREFIX):
        return "off"
    return "cancel" if installed() else "half-duplex"


def installed() -> bool:
    """Whether `open_processor` will find what it needs. Imports nothing."""
    try:
        return importlib.util.find_spec("livekit.rtc") is not None
    except ModuleNotFoundError:
        return False


def open_processor() -> WebRtc:
    """Load the canceller, which takes about 60 ms and 20 MB: call it in a thread.

    Raises MissingExtra when it isn't installed, EngineError when it can't be loaded here.
    """
    if not installed():
        raise MissingExtra(
            "the package 'livekit' is not installed",
            place="audio.echo",
            remedy=f"pip install 'voiceloop[echo]'. {_INSTEAD}",
        )
    try:
        rtc = importlib.import_module("livekit.rtc")
        _forward_no_logs()
        return WebRtc(rtc)
    except Exception as error:  # its native library, or protobuf, may fail in any way
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise EngineError(f"livekit does not load: {reason}", place="audio.echo", remedy=_INSTEAD) from error


def _forward_no_logs() -> None:
    """Keep livekit from handing its log to Python, which a thread of its own does: one that does it while Python ends
    is ended by Python, and Rust then aborts the whole process."""
    with suppress(ImportError, AttributeError):  # it is nowhere documented, and rare: better that than no canceller
        ffi = importlib.import_module("livekit.rtc._ffi_client")
        initialize = ffi.FfiClient.instance._ffi_lib.livekit_ffi_initialize
        initialize(ffi.ffi_event_callback, False, b"python", ffi.__version__.encode())


class WebRtc:
    """A `canceller.Processor`: AEC3 with its high-pass filter, no gain control and no noise suppression.

    Gain control would go on changing the level of the voice, and noise suppression gained the VAD nothing. It finds
    the delay between a block and its echo by itself; being told made no difference.
    """

    delay = _DELAY

    def __init__(self, rtc: Any) -> None:
        self._frame = rtc.AudioFrame
        self._processing = rtc.AudioProcessingModule(
            echo_cancellation=True, noise_suppression=False, high_pass_filter=False, auto_gain_control=False
        )

    def process(self, near: bytes, far: Block) -> bytes:
        played = self._frame(bytearray(far.pcm), far.rate_hz, 1, len(far.pcm) // SAMPLE_BYTES)
        self._processing.process_reverse_stream(played)
        heard = self._frame(bytearray(near), CAPTURE_RATE_HZ, 1, len(near) // SAMPLE_BYTES)
        self._processing.process_stream(heard)
        return bytes(heard.data)
