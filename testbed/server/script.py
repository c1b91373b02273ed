"""The server's script: the answers it gives and the faults it makes. Values only."""

from __future__ import annotations

import wave
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault in the answer to one request. Fields with their default change nothing."""

    status: int | None = None
    """Answer with this status and an error body."""
    body: bytes | None = None
    """Send this instead of the usual body or the error body."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that replace the usual ones of the same names."""
    head_after_s: float = 0.0
    """Wait before the answer's first byte."""
    piece: int | None = None
    """Cut the body into pieces of this many bytes."""
    piece_every_s: float = 0.0
    """Wait between the pieces."""
    cut_after: int | None = None
    """Break the connection after this many bytes of the body."""
    repeat: bool = False
    """Send the body again and again until the client closes the connection."""
    hang: str = ""
    """`head`: never answer. `body`: send the body but never end it."""
    drop: bool = False
    """Close the connection without an answer."""
    drip_head: bool = False
    """Send the answer's head byte by byte, without end."""


@dataclass(frozen=True, slots=True)
class SocketFault:
    """A fault of one WebSocket connection. Fields with their default change nothing."""

    status: int | None = None
    """Refuse the upgrade with this status and an error body; 200 for a server that knows no WebSocket."""
    bad_proof: bool = False
    """Answer the handshake with a wrong Sec-WebSocket-Accept."""
    refuse_session: str = ""
    """Answer `session.update` with an error event that says so."""
    no_session: bool = False
    """Never answer `session.update`."""
    cut_after_s: float | None = None
    """Break the connection once it has brought so much sound."""
    close_after_s: float | None = None
    """Close it then, with a reason."""
    mute: bool = False
    """Never answer a commit."""
    error: str = ""
    """Answer a commit with an error event that says so."""
    failed: str = ""
    """Answer a commit with a failed item."""
    garbage: bytes = b""
    """Send these bytes when the first sound has come."""
    deaf: bool = False
    """Send nothing any more once the session has begun, not even a pong."""
    not_cleared: bool = False
    """Never answer a clear."""


@dataclass(frozen=True, slots=True)
class StreamFault:
    """How a server refuses a body of unknown length before it has read it."""

    status: int | None = None
    """Answer with this status at once, as soon as the request's head is there."""
    reads_on: bool = False
    """Read the body to its end all the same, and close the connection then, not at once."""
    deaf: bool = False
    """Read nothing more, and answer nothing."""


@dataclass(slots=True)
class Script:
    """The answers. Each request takes the next entry of a list; the last entry is repeated."""

    texts: Sequence[str] = ("hello world",)
    replies: Sequence[str] = ("That is what you said.",)
    speech: Sequence[bytes] = ()
    """The PCM (int16) of each speech answer; when empty, a tone as long as the text would take to speak."""
    speech_rate_hz: int = 24_000
    speech_channels: int = 1
    speech_type: str | None = None
    """The Content-Type of speech; None for `audio/pcm;rate=…;channels=…`."""
    words: Callable[[str], list[dict[str, Any]]] | None = None
    """Gives the entries of `words` for a transcript, in place of the usual ones."""
    transcribe_s: float = 0.0
    first_token_s: float = 0.0
    token_every_s: float = 0.0
    speak_s: float = 0.0
    """The service times: how long each answer takes to begin."""
    pace: float = 0.0
    """Send speech this many times faster than it is played; 0 for as fast as the client reads."""
    odd_pieces: bool = False
    """Cut speech into pieces of odd numbers of bytes, which splits samples. Uses `seed`."""
    jitter_s: float = 0.0
    """Delay every piece of a streamed answer by up to this; their order stays. Uses `seed`."""
    seed: int = 0
    hear: Callable[[bytes], str] | None = None
    """Gives the transcript of a posted WAV, instead of `texts`. Called in a thread. Example: `Recordings.hear`."""
    voice: Callable[[str], bytes | None] | None = None
    """Gives the sound of a text, or None; then `speech` is used. Example: `Recordings.speak`."""
    pages: Mapping[str, Any] = field(default_factory=dict)
    """The JSON of further pages by their path below the address (`/key`), or the status of a refusal."""
    openai: bool = False
    """Have OpenAI's API, as servers that people run themselves do."""
    refuse: Callable[[Any], bool] | None = None
    """Whether to answer a body with a 400 without details, as models do that don't support a field."""
    key: str | None = "test-key"
    """The key that clients must send; None for none."""
    models: Sequence[str] | None = None
    """The models that exist; None for any."""
    catalogue: Sequence[dict[str, Any]] = ()
    """Rows of /models; `architecture.output_modalities` of each says which queries get it."""
    fault: Callable[[str, int], Fault | None] | None = None
    """Gives the fault for each POST, by its path and number (from 0)."""
    faults: list[Fault | None] = field(default_factory=list)
    """The faults of the next POSTs, one each; once the list is empty, `fault` decides."""
    stream_fault: StreamFault | None = None
    """How bodies of unknown length are refused."""
    delta_s: float = 0.3
    """A WebSocket brings a word after so much more sound; 0: no word before the commit."""
    turn_s: float = 0.0
    """The length of the WebSocket's own turns, as of a server that ignores `turn_detection`; 0: it has none."""
    socket_faults: list[SocketFault | None] = field(default_factory=list)
    """The faults of the next WebSocket connections, one each."""


TONE_HZ = 880.0
SECONDS_PER_CHARACTER = 0.06


def tone(text: str, rate_hz: int, channels: int = 1) -> bytes:
    """A sine as long as `text` would take to say, faded so that it begins and ends without a click."""
    count = max(int(len(text) * SECONDS_PER_CHARACTER * rate_hz), rate_hz // 10)
    wave_ = np.sin(2 * np.pi * TONE_HZ / rate_hz * np.arange(count))
    fade = np.minimum(1, np.minimum(np.arange(count), np.arange(count)[::-1]) / (0.01 * rate_hz))
    samples = (wave_ * fade * 12_000).astype("<i2")
    return bytes(np.repeat(samples, channels).tobytes())


def wav_file(path: Path) -> tuple[bytes, int, int]:
    """PCM, rate and channels of a 16-bit WAV."""
    with wave.open(str(path)) as file:
        if file.getsampwidth() != 2:
            raise ValueError(f"{path}: not 16 bit")
        return file.readframes(file.getnframes()), file.getframerate(), file.getnchannels()
