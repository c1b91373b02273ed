"""The recogniser's process: loads pocketsphinx once and forks for each utterance. Needs the standard library only.

Run by path as a program of its own, not imported by the daemon: what the daemon imports (Trio, NumPy, pydantic) would
be 60 MB of dead weight here. A fork shares the loaded model, so utterances may overlap, an abandoned one dies at once
whatever it is doing, and nothing that one of them does reaches the next.

On standard input: a Unix stream socket. The first line is the decoder's settings (JSON); then each byte carries the
socket of a new utterance (SCM_RIGHTS). Out of it comes one line, {"ready": true} or {"error": "..."}; its end means
that the daemon is gone, and so is this process.

On an utterance's socket: messages of a 4-byte little-endian length and that many bytes. The first is the cepstral
mean to begin with (may be empty), the others PCM (int16, mono, 16 kHz), an empty one says that speech is over. The
answer is one line of JSON: text, confidence, words [text, start_s, end_s, confidence], cmn; or error. A socket that
ends without the empty message was abandoned.
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
"""0.1 s: how much is decoded between two looks at the socket (about 15 ms of work)."""
FRAMES_PER_S = 100
LISTEN_BYTES = 2 * 32_000
"""2 s: how much of the first utterance is heard before it is decoded, so that its mean is known. Errors on read speech:
35 % with the model's own mean, 27 % with that of the speech before, 24 % with this too; on telephone prompts 96 % with
the model's own, 70 % with either. It makes the first text about 0.4 s later."""
CMN_WINDOW = 500
"""CMN_WIN of pocketsphinx's cmn.h."""


class Abandoned(Exception):
    """The daemon closed the utterance's socket."""


class Inbox:
    """Messages of one utterance. What has arrived is taken off the socket before each step, so that its end is seen at
    once; it holds at most the utterance."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = bytearray()
        self._messages: deque[bytes] = deque()

    def next(self) -> bytes:
        """The next message; waits for it. Raises `Abandoned`."""
        while self._receive(wait=not self._messages):
            pass
        return self._messages.popleft()

    def _receive(self, *, wait: bool) -> bool:
        """Take one piece off the socket; say whether to look again."""
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
    """Decode one utterance as it comes and answer. `decoder` is a `pocketsphinx.Decoder`."""
    inbox = Inbox(sock)
    decode = Decoding(decoder, inbox.next().decode())
    while message := inbox.next():
        decode.feed(message)
    decode.finish()
    sock.sendall(json.dumps(answer(decoder)).encode() + b"\n")


class Decoding:
    """One utterance in the decoder. Without a mean to begin with it listens for a while first."""

    def __init__(self, decoder: Any, cmn: str) -> None:
        self._decoder = decoder
        self._pending = bytearray()
        self._begun = bool(cmn)
        if cmn:
            decoder.set_cmn(cmn)
            decoder.start_utt()

    def feed(self, pcm: bytes) -> None:
        self._pending += pcm
        if not self._begun and len(self._pending) >= LISTEN_BYTES:
            self._begin()
        while self._begun and len(self._pending) >= STEP_BYTES:
            self._step()

    def finish(self) -> None:
        if not self._begun:
            self._begin()
        while self._pending:
            self._step()
        self._decoder.end_utt()

    def _begin(self) -> None:
        self._decoder.set_cmn(measured_mean(self._decoder, bytes(self._pending)))
        self._decoder.start_utt()
        self._begun = True

    def _step(self) -> None:
        self._decoder.process_raw(bytes(self._pending[:STEP_BYTES]))
        del self._pending[:STEP_BYTES]


def measured_mean(decoder: Any, pcm: bytes) -> str:
    """The cepstral mean of `pcm`: how this microphone and speaker differ from those of the model.

    pocketsphinx's running mean begins as CMN_WINDOW frames of the model's and follows slowly; they are taken out here.
    """
    start = _numbers(decoder.get_cmn(False))
    decoder.start_utt()
    if pcm:
        decoder.process_raw(pcm, no_search=True)
    decoder.end_utt()
    frames = decoder.n_frames()
    end = _numbers(decoder.get_cmn(False))
    if not frames:
        return _spelled(start)
    return _spelled([(e * (CMN_WINDOW + frames) - s * CMN_WINDOW) / frames for s, e in zip(start, end, strict=True)])


def _numbers(cmn: str) -> list[float]:
    return [float(number) for number in cmn.split(",")]


def _spelled(cmn: list[float]) -> str:
    return ",".join(f"{number:.4f}" for number in cmn)


def answer(decoder: Any) -> dict[str, object]:
    """What was understood. `<sil>`, `[NOISE]`, `++UM++` are no words; `read(2)` is a pronunciation of `read`."""
    hypothesis = decoder.hyp()
    text = hypothesis.hypstr if hypothesis else ""
    spoken = [s for s in (decoder.seg() or ()) if text and s.word[0] not in "<[+"]
    words = [
        (s.word.partition("(")[0], s.start_frame / FRAMES_PER_S, (s.end_frame + 1) / FRAMES_PER_S, min(s.prob, 1.0))
        for s in spoken
    ]
    # pocketsphinx's own figure is the whole path's posterior, next to nothing for any long sentence.
    confidence = sum(word[3] for word in words) / len(words) if words else None
    return {"text": text, "confidence": confidence, "words": words, "cmn": decoder.get_cmn(False)}


def load(settings: dict[str, object]) -> Any:
    """The decoder. Raises RuntimeError with the reason that pocketsphinx writes to standard error."""
    from pocketsphinx import Decoder, set_loglevel  # type: ignore[attr-defined]

    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            decoder = Decoder(loglevel="ERROR", **settings)
            set_loglevel("FATAL")  # from now on it would complain of each noise at the person's terminal
            return decoder
        except (RuntimeError, ValueError, KeyError, TypeError) as error:
            log.seek(0)
            lines = log.read().decode(errors="replace").strip().splitlines()
            raise RuntimeError(f"{error} ({lines[-1]})" if lines else str(error)) from error
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


def serve(decoder: Any, control: socket.socket) -> None:
    """Fork for each socket that comes over `control`, until that ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks
    gc.disable()
    gc.freeze()  # a collection would write into every shared page
    while True:
        try:
            byte, fds, _, _ = socket.recv_fds(control, 1, 1)
        except ConnectionResetError:  # the program was killed
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
            except Exception as error:  # noqa: BLE001 - whatever it is, the daemon must hear of it
                sock.sendall(json.dumps({"error": f"{type(error).__name__}: {error}"}).encode() + b"\n")
            finally:
                os._exit(0)


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the daemon's to act on
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
