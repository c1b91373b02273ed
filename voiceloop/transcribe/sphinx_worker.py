"""The recogniser's process: loads pocketsphinx once and forks for each utterance.

Runs as a program of its own. It needs only pocketsphinx and the standard library: the daemon's imports (Trio, NumPy,
pydantic) would cost 60 MB here for nothing. The forks share the loaded model. So utterances may overlap, an abandoned
fork ends at once whatever it is doing, and no utterance can affect the next.

    daemon                             worker                       fork (one per utterance)
      | -- settings (a line of JSON) --> | loads the model
      | <-- {"ready": true} ------------ |
      | -- a byte and a socket --------> | -- fork -----------------> |
      | -- mean, PCM, PCM, ..., empty message ----------------------> | decodes while PCM arrives
      | <-- a line of JSON ------------------------------------------ |

Control socket (standard input, a Unix stream socket): the first line holds the decoder's settings. After that, each
byte carries the socket of a new utterance (SCM_RIGHTS). The worker writes one line, {"ready": true} or
{"error": "..."}. When the daemon's end closes, the worker ends.

Socket of an utterance: messages, each a 4-byte little-endian length and that many bytes. The first is the cepstral
mean to start with (may be empty), the others are PCM (int16, mono, 16 kHz), and an empty message ends the speech. The
answer is one line of JSON: text, confidence, words [text, start_s, end_s, confidence] and cmn; or error. If the socket
closes before the empty message, the utterance was abandoned.
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import struct
import sys
import tempfile
from collections import deque
from typing import Any

LENGTH = struct.Struct("<I")
RECV_BYTES = 1 << 16
STEP_BYTES = 3_200
"""0.1 s: decoded between two checks of the socket (about 15 ms of work)."""
FRAMES_PER_S = 100
LISTEN_BYTES = 2 * 32_000
"""2 s: the part of the first utterance from which its cepstral mean is measured before decoding starts. Word errors on
read speech: 35 % with the model's own mean, 27 % with the mean of the speech before, 24 % with this measurement too; on
telephone prompts: 96 % with the model's own mean, 70 % with either of the others. The first text comes about 0.4 s
later."""
CMN_WINDOW = 500
"""Frames in pocketsphinx's running cepstral mean (CMN_WIN in its cmn.h)."""


class Abandoned(Exception):
    """The daemon has closed the utterance's socket."""


class Inbox:
    """The received messages of one utterance.

    All data that has arrived is read before each decoding step, so that a closed socket is noticed at once. The buffer
    grows to the size of the utterance at most.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = bytearray()
        self._messages: deque[bytes] = deque()

    def next(self) -> bytes:
        """Wait for the next message and return it. Raises `Abandoned`."""
        while self._receive(wait=not self._messages):
            pass
        return self._messages.popleft()

    def _receive(self, *, wait: bool) -> bool:
        """Read once from the socket. False when there was nothing to read."""
        try:
            data = self._sock.recv(RECV_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError:
            raise Abandoned from None
        if not data:
            raise Abandoned
        self._raw += data
        self._split()
        return True

    def _split(self) -> None:
        while len(self._raw) >= LENGTH.size:
            end = LENGTH.size + LENGTH.unpack_from(self._raw)[0]
            if len(self._raw) < end:
                return
            self._messages.append(bytes(self._raw[LENGTH.size : end]))
            del self._raw[:end]


def recognise(decoder: Any, sock: socket.socket) -> None:
    """Decode one utterance while it arrives, then answer. `decoder` is a `pocketsphinx.Decoder`."""
    inbox = Inbox(sock)
    decode = Decoding(decoder, inbox.next().decode())
    while message := inbox.next():
        decode.feed(message)
    decode.finish()
    sock.sendall(json.dumps(answer(decoder)).encode() + b"\n")


class Decoding:
    """The decoding of one utterance. `cmn` is the cepstral mean to start with.

    If `cmn` is empty, the mean is first measured on `LISTEN_BYTES` of speech.
    """

    def __init__(self, decoder: Any, cmn: str) -> None:
        self._decoder = decoder
        self._pending = bytearray()
        self._started = bool(cmn)
        if cmn:
            decoder.set_cmn(cmn)
            decoder.start_utt()

    def feed(self, pcm: bytes) -> None:
        self._pending += pcm
        if not self._started and len(self._pending) >= LISTEN_BYTES:
            self._start()
        while self._started and len(self._pending) >= STEP_BYTES:
            self._step()

    def finish(self) -> None:
        if not self._started:
            self._start()
        while self._pending:
            self._step()
        self._decoder.end_utt()

    def _start(self) -> None:
        self._decoder.set_cmn(measured_mean(self._decoder, bytes(self._pending)))
        self._decoder.start_utt()
        self._started = True

    def _step(self) -> None:
        self._decoder.process_raw(bytes(self._pending[:STEP_BYTES]))
        del self._pending[:STEP_BYTES]


def measured_mean(decoder: Any, pcm: bytes) -> str:
    """The cepstral mean of `pcm`, which reflects the microphone and the speaker.

    pocketsphinx's running mean starts with the weight of CMN_WINDOW frames of the model's own mean and adapts slowly.
    This function removes those frames from it.
    """
    start = _numbers(decoder.get_cmn(False))
    decoder.start_utt()
    if pcm:
        decoder.process_raw(pcm, no_search=True)
    decoder.end_utt()
    frames = decoder.n_frames()
    end = _numbers(decoder.get_cmn(False))
    if not frames:
        return _joined(start)
    return _joined([(e * (CMN_WINDOW + frames) - s * CMN_WINDOW) / frames for s, e in zip(start, end, strict=True)])


def _numbers(cmn: str) -> list[float]:
    return [float(number) for number in cmn.split(",")]


def _joined(cmn: list[float]) -> str:
    return ",".join(f"{number:.4f}" for number in cmn)


def answer(decoder: Any) -> dict[str, object]:
    """The answer for a decoded utterance. `<sil>`, `[NOISE]`, `++UM++` are not words; `read(2)` is a form of `read`."""
    hypothesis = decoder.hyp()
    text = hypothesis.hypstr if hypothesis else ""
    spoken = [s for s in (decoder.seg() or ()) if text and s.word[0] not in "<[+"]
    words = [
        (s.word.partition("(")[0], s.start_frame / FRAMES_PER_S, (s.end_frame + 1) / FRAMES_PER_S, min(s.prob, 1.0))
        for s in spoken
    ]
    # pocketsphinx's own figure is the posterior of the whole path, which is close to zero for any long sentence.
    confidence = sum(word[3] for word in words) / len(words) if words else None
    return {"text": text, "confidence": confidence, "words": words, "cmn": decoder.get_cmn(False)}


def load(settings: dict[str, object]) -> Any:
    """Create the decoder. Raises `RuntimeError` with the reason, which pocketsphinx writes to standard error."""
    from pocketsphinx import Decoder, set_loglevel  # type: ignore[attr-defined]

    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            decoder = Decoder(loglevel="ERROR", **settings)
            set_loglevel("FATAL")  # else it would log an error to the user's terminal for every noise
            return decoder
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(f"{error} ({lines[-1]})" if lines else str(error)) from error
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def serve(decoder: Any, control: socket.socket) -> None:
    """Fork for each socket received over `control`, until `control` closes."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps the forks
    gc.disable()
    gc.freeze()  # a garbage collection would write to the shared pages, and so copy them
    while True:
        try:
            byte, fds, _, _ = socket.recv_fds(control, 1, 1)
        except ConnectionResetError:  # the daemon was killed
            return
        if not byte:
            return
        with socket.socket(fileno=fds[0]) as sock:
            if os.fork():
                continue
            try:
                control.close()
                recognise(decoder, sock)
            except (Abandoned, OSError):
                pass
            except Exception as error:  # noqa: BLE001 - any error is reported to the daemon
                sock.sendall(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
            finally:
                os._exit(0)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon handles Ctrl-C
    control = socket.socket(fileno=os.dup(0))
    with control.makefile("rb", buffering=0) as lines:
        settings = json.loads(lines.readline() or b"{}")
    try:
        decoder = load(settings)
    except (ImportError, RuntimeError) as error:
        control.sendall(json.dumps({"error": str(error)}).encode() + b"\n")
        return 1
    control.sendall(b'{"ready": true}\n')
    serve(decoder, control)
    return 0


if __name__ == "__main__":
    sys.exit(main())
