"""The interface to PortAudio: holds its device list and the streams that are open. The only importer of sounddevice.

Every call here may block for as long as the sound server is stopped, even importing sounddevice. So the loop makes
these calls through `streams.py`.

PortAudio makes one device list for the process when it is initialised. If the list may be stale and no stream is open,
PortAudio is initialised again. It is not while a stream is open, because closing that stream later could close a new
one.
"""

from __future__ import annotations

import atexit
import itertools
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import trio

from voiceloop.audio.devices import (
    PULSE,
    Device,
    Direction,
    choose,
    environment,
    has_a_name,
    has_pulse,
    tagging,
    with_nodes,
)
from voiceloop.audio.outstanding import Outstanding
from voiceloop.audio.packages import PORTAUDIO, install
from voiceloop.audio.quiet import quiet, silence_libraries
from voiceloop.audio.raw_streams import Callback, Request, Stream, open_stream, setting_environment
from voiceloop.audio.sound_server import Answer, ask
from voiceloop.errors import DeviceError, VoiceloopError

STUCK_S = 0.5
"""A close takes some 50 ms, and an open, too. One that takes longer than this may never return."""
_CARDS = Path("/proc/asound/cards")
_TAGS = itertools.count(1)


def _import() -> Any:
    try:
        import sounddevice
    except OSError as error:
        what = "PortAudio is not installed" if "not found" in str(error) else f"PortAudio can't be loaded: {error}"
        raise DeviceError(what, place="audio", remedy=f"Install it: {install(PORTAUDIO)}") from error
    except Exception as error:
        if type(error).__name__ != "PortAudioError":
            raise
        raise DeviceError(
            f"PortAudio does not start: {error}", place="audio", remedy="Check that there is a sound card"
        ) from error
    silence_libraries()
    # sounddevice's exit hook waits for the thread of every stream. If a sound server died during a close, the thread
    # never ends.
    atexit.unregister(sounddevice._exit_handler)
    return sounddevice


class Host:
    """This process's PortAudio. The methods block; `streams.py` has async versions of them."""

    def __init__(
        self,
        load: Callable[[], Any] | None = None,
        ask_server: Callable[[], Answer] = ask,
    ) -> None:
        self._load = load or _import
        self._ask_server = ask_server
        self.on_server = load is None
        """Whether streams may be recorded through the sound server; not with a library that is given."""
        self._lock = threading.Lock()  # held during every call that touches PortAudio's own lists
        self._sd: Any = None
        """The module sounddevice, once it is loaded."""
        self._through_pulse = False
        """Whether the default devices are those of ALSA's plug-in for PulseAudio. Through PipeWire's own plug-in a late
        callback loses what was recorded meanwhile; after a restart of the server PortAudio's thread may never end."""
        self._streams: set[Stream] = set()
        self._opening, self._closing = Outstanding(), Outstanding()
        self._cards = b""
        """The sound cards when PortAudio made its device list."""
        self._suspect = False
        self.first_wait_s = 0.0
        """How long the first opening of a device is tried again. Not at all at a usual start: then its user is told."""
        self.on_stuck: Callable[[], None] = lambda: None
        """Called in the loop when an open or a close has not returned within `STUCK_S`."""
        self.on_stale: dict[str, Callable[[], None]] = {}
        """Callbacks by stream ("input", "second input", "output") that ask the owner to close its stream for a moment,
        because another stream needs a new device list."""

    @property
    def streams(self) -> int:
        """How many streams are open, including those whose close has not returned yet."""
        return len(self._streams)

    def devices(self) -> list[Device]:
        """List the devices of PortAudio and of the sound server. Raises DeviceError if PortAudio is missing."""
        with self._lock:
            self._renew()
            found = self._list()
        return with_nodes(found, self._ask_server().nodes) if found else found

    def suspect(self) -> None:
        """Note that the device list may be stale. It is renewed at the next use, if no stream is open then."""
        self._suspect = True

    def open(self, request: Request, callback: Callback, finished: Callable[[], None]) -> Stream:
        """Open and start a stream, at the device's own rate if the device refuses `request.rate_hz`.

        Raises NoSuchDevice, DeviceBusy or DeviceError. May block for ever, and then holds up every other opening: only
        a new process opens streams again (`runaway.py`).
        """
        with self._opening.call():
            return self._open(request, callback, finished)

    def _open(self, request: Request, callback: Callback, finished: Callable[[], None]) -> Stream:
        wanted = request.wanted
        returning = wanted == "default" and self._through_pulse and self._suspect
        asks = (not self._through_pulse or returning) if wanted == "default" else has_a_name(wanted)
        answer = self._ask_server() if asks else Answer()
        if returning and not answer.has(request.which):
            # While a server starts, PortAudio's start may wait for it for ever, and every other stream for that.
            raise DeviceError(
                "the sound server has no device yet", place=f"audio.{request.which}", remedy="Check that it runs"
            )
        monitor = node.name if (node := answer.default_monitor) is not None else ""
        with self._lock:
            try:
                self._renew()
                found = with_nodes(self._list(), answer.nodes)
                # For good: while the server restarts, the plug-in is not in the list, but PipeWire's may be.
                if wanted == "default":
                    self._through_pulse |= bool(answer.nodes) and has_pulse(found, request.which)
                    wanted = PULSE if self._through_pulse else wanted
                device = choose(found, wanted, request.which, hint=answer.silence, monitor=monitor)
                if wanted != request.wanted:  # the plug-in's name would tell the user nothing
                    device = replace(device, name=answer.default_name(request.which) or request.wanted)
                variables = environment(device, wanted, request.which)
                tag = f"{os.getpid()}-{next(_TAGS)}"
                tags = tagging(tag, request.which, os.environ | variables)
                with quiet(), setting_environment(variables | tags):
                    stream = open_stream(self._sd, request, device, callback, finished)
                self._streams.add(stream)
                stream.tag = tag
                if request.wanted == "monitor" and variables:
                    stream.monitor = device.node
            except VoiceloopError:
                self.suspect()
                self._ask_others_to_close(request.which)
                raise
            self._suspect = False
            return stream

    def close(self, stream: Stream) -> None:
        """Stop and close a stream. May block for ever, but holds up no other stream.

        PortAudio's abort waits for the stream's thread. After a restart of PipeWire's services that thread may loop for
        ever: PortAudio 19.6 and 19.7 handle an error of PipeWire's ALSA plug-in wrongly (mended in PortAudio's pull
        request 1038, which no release has). Until the abort returns, PortAudio's lists are not touched, so the lock is
        taken only after it. The thread itself can't be ended: it costs a core until the process ends (`runaway.py`).
        """
        with self._closing.call():
            stream.raw.abort()
            with self._lock:
                stream.raw.close()
                self._streams.discard(stream)

    def _renew(self) -> None:
        """Load PortAudio, or renew its device list if that may be stale and no stream is open."""
        cards = _cards()
        if self._sd is None:
            # Importing sounddevice initialises PortAudio, which may print messages.
            with quiet():
                self._sd = self._load()
        if not self._streams and (self._suspect or cards != self._cards):
            with quiet():
                self._sd._terminate()
                self._sd._initialize()
        elif self._streams:
            return
        self._cards = cards

    @property
    def stuck(self) -> int:
        """How many streams have been closing for so long that they may never end. While there is one, PortAudio can't
        renew its device list."""
        return sum(age_s > STUCK_S for age_s in self._closing.ages_s)

    @property
    def hung_s(self) -> float:
        """For how many seconds the oldest open or close has been going on; 0 if there is none."""
        return max((*self._opening.ages_s, *self._closing.ages_s), default=0.0)

    def _ask_others_to_close(self, which: Direction) -> None:
        """If the list is stale, ask the owners of the other streams to close them, so that it can be renewed."""
        if self._streams and not self.stuck and _cards() != self._cards:
            for name, ask_to_close in tuple(self.on_stale.items()):
                if name != which:
                    with suppress(trio.RunFinishedError):
                        ask_to_close()

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


HOST = Host()
"""The one host of the process: PortAudio is initialised per process."""


def _cards() -> bytes:
    """Return Linux's list of sound cards. Empty on other systems, where only failures make the device list suspect."""
    try:
        return _CARDS.read_bytes()
    except OSError:
        return b""
