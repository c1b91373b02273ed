"""Opens a stream of PortAudio in a shape that its device takes, and explains why one is refused.

Is given the module sounddevice. Keeps no account of what is open: `portaudio.py` does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from voiceloop.audio.devices import Device, Direction
from voiceloop.errors import DeviceBusy, DeviceError

Latency = float | Literal["low", "high"]

_BUSY = -9985  # paDeviceUnavailable: ALSA's EBUSY
_REFUSED = (-9997, -9998)  # paInvalidSampleRate, paInvalidChannelCount
_BLOCKS_PER_S = {"input": 50, "output": 100}
"""Output blocks of 10 ms: little is still played after a cancel. Input blocks of 20 ms: a frame is 20 ms anyway, and
calls into Python, of which there are then half as many, are most of what listening costs."""


@dataclass(frozen=True, slots=True)
class Request:
    """A stream to be opened: int16, in blocks of 20 ms (input) or 10 ms (output). `wanted` names the device, as in the
    config.
    """

    which: Direction
    wanted: str
    rate_hz: int
    latency: Latency


@dataclass(eq=False, slots=True)
class Stream:
    """An open stream, with the device, rate and channels that it got."""

    raw: Any
    device: Device
    rate_hz: int
    channels: int
    latency_s: float
    monitor: str | None = None
    """For a stream that records the default loudspeaker: the server's name of the monitor, "" if unknown. For other
    streams None."""
    tag: str = ""
    """The name by which the sound server's list shows the stream (see `sound_server.Answer.recorded`)."""


Callback = Callable[[Any, int, Any, Any], None]
"""`callback(buffer, frames, time, status)`, in PortAudio's thread."""


def open_stream(sd: Any, request: Request, device: Device, callback: Callback, finished: Callable[[], None]) -> Stream:
    """Open and start a stream in mono at the wanted rate; if the device refuses, with more channels or at its own rate.

    `sd` is the module sounddevice. Raises DeviceBusy or DeviceError.
    """
    make = partial(
        sd.RawInputStream if request.which == "input" else sd.RawOutputStream,
        device=device.index,
        dtype="int16",
        latency=request.latency,
        callback=callback,
        finished_callback=finished,
    )
    limit = device.channels(request.which)
    refusal: Exception | None = None
    for rate_hz in dict.fromkeys((request.rate_hz, device.rate_hz)):
        blocksize = rate_hz // _BLOCKS_PER_S[request.which]
        for channels in dict.fromkeys((1, min(2, limit), limit)):
            try:
                raw = make(samplerate=rate_hz, blocksize=blocksize, channels=channels)
                return _started(Stream(raw, device, rate_hz, channels, raw.latency))
            except sd.PortAudioError as error:
                if _code(error) not in _REFUSED:
                    raise _explain(error, request, device) from error
                refusal = error
    assert refusal is not None
    raise _explain(refusal, request, device) from refusal


def _started(stream: Stream) -> Stream:
    try:
        stream.raw.start()
    except BaseException:
        stream.raw.close()
        raise
    return stream


def _code(error: Exception) -> int:
    return error.args[1] if len(error.args) > 1 else 0


def _explain(error: Exception, request: Request, device: Device) -> DeviceError:
    name = repr(device.label) if device.node else f"{device.index} {device.name!r}"
    place = f"audio.{request.which}"
    if _code(error) == _BUSY:
        return DeviceBusy(
            f"{name} is in use by another program",
            place=place,
            remedy="Close that program, or choose one of the sound server's devices, which programs can share "
            "('voiceloop devices' lists them)",
        )
    return DeviceError(
        f"{name} can't be opened: {error.args[0] if error.args else error}",
        place=place,
        remedy="Check that the sound server runs; 'voiceloop devices' lists the other devices",
    )


@contextmanager
def setting_environment(values: dict[str, str]) -> Iterator[None]:
    """Set environment variables while the block runs.

    They apply to the whole process. So this is used only under the host's lock, when no other stream is being opened.
    """
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
