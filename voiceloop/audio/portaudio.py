"""PortAudio, and the one importer of sounddevice. Knows no ring, no frame and no task.

Every call here may block for as long as a stopped sound server pleases, importing sounddevice included: the loop makes
them through `streams.py`.

PortAudio has one device list for the process, made when it is initialised. It is made anew when it is stale and no
stream is open: one that outlived it could close its successor.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import trio

from voiceloop.audio.devices import Device, Direction, choose, environment, has_a_name, with_nodes
from voiceloop.audio.quiet import quiet, silence_alsa
from voiceloop.audio.server import Answer, ask, ask_all, default_monitor
from voiceloop.errors import DeviceBusy, DeviceError, VoiceloopError

Latency = float | Literal["low", "high"]

_BUSY = -9985  # paDeviceUnavailable: ALSA's EBUSY
_REFUSED = (-9997, -9998)  # paInvalidSampleRate, paInvalidChannelCount
_BLOCKS_PER_S = {"input": 50, "output": 100}
"""Out, 10 ms: what is put out last before a cancel is short. In, 20 ms: the frame is waited for anyway, and half the
calls into Python are most of what listening costs."""
_CARDS = Path("/proc/asound/cards")


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be opened: `wanted` as in the config, 16 bit, in blocks of 20 ms in and 10 ms out."""

    which: Direction
    wanted: str
    rate_hz: int
    latency: Latency


@dataclass(eq=False, slots=True)
class Stream:
    """An open stream, and what became of the request."""

    raw: Any
    device: Device
    rate_hz: int
    channels: int
    latency_s: float
    monitor: str | None = None
    """What it records, where that is the loudspeaker that was the default: the server's name for it, empty where it is
    not known."""


Callback = Callable[[Any, int, Any, Any], None]
"""`callback(buffer, frames, time, status)`, in PortAudio's thread."""


def _import() -> Any:
    try:
        import sounddevice
    except OSError as error:
        remedy = "apt-get install libportaudio2" if sys.platform == "linux" else "install PortAudio"
        raise DeviceError(f"PortAudio is not installed ({error})", place="audio", remedy=remedy) from error
    except Exception as error:
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(
            f"PortAudio does not start: {error}", place="audio", remedy="Is there a sound card?"
        ) from error
    silence_alsa()
    # Its exit hook waits for every stream's thread; one whose sound server died in the middle of a close never ends.
    atexit.unregister(sounddevice._exit_handler)
    return sounddevice


class Host:
    """PortAudio as this process has it. Its methods block; `streams.py` has them for the loop."""

    def __init__(
        self,
        load: Callable[[], Any] | None = None,
        ask_server: Callable[[Direction], Answer] = ask,
        ask_monitor: Callable[[], str] = default_monitor,
    ) -> None:
        self._load = load or _import
        self._ask_server = ask_server
        self._ask_monitor = ask_monitor
        self._lock = threading.Lock()  # held through every call that touches PortAudio's own lists
        self._sd: Any = None
        self._streams: set[Stream] = set()
        self._cards = b""
        self._suspect = False
        self.on_stale: dict[str, Callable[[], None]] = {}
        """Whom to ask to close its stream for a moment, because the other side's device has changed."""

    @property
    def streams(self) -> int:
        """How many streams are open, those among them whose close has not returned yet."""
        return len(self._streams)

    def devices(self) -> list[Device]:
        """What there is, the sound server's own devices too. Raises DeviceError where PortAudio is missing."""
        with self._lock:
            self._renew()
            found = self._list()
        return with_nodes(found, ask_all(self._ask_server)) if found else found

    def suspect(self) -> None:
        """The device list may be stale: make it anew at the next use, if nothing is open then."""
        self._suspect = True

    def open(self, request: Request, callback: Callback, finished: Callable[[], None]) -> Stream:
        """Open and start a stream, at the device's own rate where it refuses `request.rate_hz`.

        Raises NoSuchDevice, DeviceBusy or DeviceError, each with place and remedy.
        """
        answer = self._ask_server(request.which) if has_a_name(request.wanted) else Answer()
        monitor = self._ask_monitor() if request.wanted == "monitor" else ""
        with self._lock:
            try:
                self._renew()
                found = with_nodes(self._list(), answer.nodes)
                device = choose(found, request.wanted, request.which, hint=answer.silence)
                door = environment(device, request.wanted, request.which)
                follows = request.wanted == "monitor" and "PULSE_SOURCE" in door
                if monitor and follows:  # by its own name: PipeWire does not follow the general one
                    door["PULSE_SOURCE"] = monitor
                with quiet(), _environment(door):
                    stream = self._try_shapes(request, device, callback, finished)
                stream.monitor = monitor if follows else None
            except VoiceloopError:
                self.suspect()
                self._ask_the_other(request.which)
                raise
            self._suspect = False
            return stream

    def close(self, stream: Stream) -> None:
        """Stop and close. May block for ever while the sound server is stopped."""
        with self._lock:
            stream.raw.abort()
            stream.raw.close()
            self._streams.discard(stream)

    def _renew(self) -> None:
        """Load PortAudio, or make its device list anew when it may be stale and nothing is open."""
        cards = _cards()
        if self._sd is None:
            with (
                quiet()
            ):  # importing sounddevice initialises PortAudio, with standard error turned away until it answers
                self._sd = self._load()
        if not self._streams and (self._suspect or cards != self._cards):
            with quiet():
                self._sd._terminate()
                self._sd._initialize()
        elif self._streams:
            return
        self._cards = cards

    def _ask_the_other(self, which: Direction) -> None:
        """The list is stale but the other side's stream is in the way."""
        if self._streams and _cards() != self._cards:
            for side, ask in tuple(self.on_stale.items()):
                if side != which:
                    with suppress(trio.RunFinishedError):
                        ask()

    def _list(self) -> list[Device]:
        apis = self._sd.query_hostapis()
        default_in, default_out = self._sd.default.device
        return [
            Device(
                index=d["index"],
                name=d["name"],
                inputs=d["max_input_channels"],
                outputs=d["max_output_channels"],
                rate_hz=round(d["default_samplerate"]),
                api=apis[d["hostapi"]]["name"],
                default_input=d["index"] == default_in,
                default_output=d["index"] == default_out,
            )
            for d in self._sd.query_devices()
        ]

    def _try_shapes(self, request: Request, device: Device, callback: Callback, finished: Callable[[], None]) -> Stream:
        """Mono at the wanted rate; what the device refuses of that, as the device has it."""
        limit = device.channels(request.which)
        refusal: Exception | None = None
        for rate_hz in dict.fromkeys((request.rate_hz, device.rate_hz)):
            for channels in dict.fromkeys((1, min(2, limit), limit)):
                try:
                    return self._start(request, device, (rate_hz, channels), callback, finished)
                except self._sd.PortAudioError as error:
                    if _code(error) not in _REFUSED:
                        raise _explain(error, request, device) from error
                    refusal = error
        assert refusal is not None
        raise _explain(refusal, request, device) from refusal

    def _start(
        self,
        request: Request,
        device: Device,
        shape: tuple[int, int],
        callback: Callback,
        finished: Callable[[], None],
    ) -> Stream:
        rate_hz, channels = shape
        kind = self._sd.RawInputStream if request.which == "input" else self._sd.RawOutputStream
        raw = kind(
            device=device.index,
            samplerate=rate_hz,
            blocksize=rate_hz // _BLOCKS_PER_S[request.which],
            channels=channels,
            dtype="int16",
            latency=request.latency,
            callback=callback,
            finished_callback=finished,
        )
        stream = Stream(raw, device, rate_hz, channels, raw.latency)
        try:
            raw.start()
        except BaseException:
            raw.close()
            raise
        self._streams.add(stream)
        return stream


HOST = Host()
"""PortAudio is initialised once in a process, so there is one."""


def _code(error: Exception) -> int:
    return error.args[1] if len(error.args) > 1 else 0


def _explain(error: Exception, request: Request, device: Device) -> DeviceError:
    what, place = repr(device.label) if device.node else f"{device.index} {device.name!r}", f"audio.{request.which}"
    if _code(error) == _BUSY:
        return DeviceBusy(
            f"{what} is in use by another program",
            place=place,
            remedy="Close it there, or choose a device of the sound server, which shares ('voiceloop devices')",
        )
    return DeviceError(
        f"{what} can't be opened: {error.args[0] if error.args else error}",
        place=place,
        remedy="Does the sound server run (pactl info)? 'voiceloop devices' lists what else there is",
    )


def _cards() -> bytes:
    """The sound cards as Linux has them now; elsewhere nothing, so that only failures make the list suspect."""
    try:
        return _CARDS.read_bytes()
    except OSError:
        return b""


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    """For the whole process, so only under the host's lock: the other side's stream must not be opened meanwhile."""
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
