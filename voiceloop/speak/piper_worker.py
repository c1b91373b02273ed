"""Piper's process: loads a voice once, and speaks the texts that it is sent, one after the other.

Runs as a program of its own: Piper is licensed under GPL-3 and is never imported in the daemon. It needs only
`piper-tts` and the standard library.

    daemon                              worker
      | -- settings (a line of JSON) ---> | loads the voice
      | <-- {"rate_hz": 22050} ---------- | or {"error": "..."}
      | -- {"id": 7, "text": "..."} ----> | speaks
      | <-- {"id": 7, "bytes": N}, PCM -- | a frame: int16, mono
      | <-- {"id": 7, "error": "..."} --- | instead, if the text can't be spoken

Standard input is a Unix stream socket for both directions. When the daemon's end closes (also because the daemon was
killed), the process ends at once, even in the middle of a text.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import signal
import socket
import sys
import threading
from typing import Any

SUPPORTED = ("espeak", "text")
"""The kinds of phonemes that need no further package. Piper fetches a model for some of the others."""


def load(settings: dict[str, Any]) -> Any:
    """The voice. Raises whatever the packages raise."""
    import onnxruntime
    from piper import PiperVoice
    from piper.config import PiperConfig

    with open(settings["config"], encoding="utf-8") as file:  # noqa: PTH123 - pathlib is not imported here
        config = PiperConfig.from_dict(json.load(file))
    if config.phoneme_type.value not in SUPPORTED:
        raise ValueError(f"voices with the phonemes '{config.phoneme_type.value}' are not supported")
    speakers = max(config.num_speakers, 1)
    if settings["speaker"] is not None and settings["speaker"] >= speakers:
        raise ValueError(f"it has no speaker {settings['speaker']}: it has {speakers}, counted from 0")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = settings["threads"]
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False  # it would keep the most memory ever used
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # idle threads use no CPU
    session = onnxruntime.InferenceSession(settings["model"], options, providers=["CPUExecutionProvider"])
    return PiperVoice(session=session, config=config)


class Speaker:
    """Speaks with one voice."""

    def __init__(self, settings: dict[str, Any]) -> None:
        from piper import SynthesisConfig

        self._voice = load(settings)
        self.rate_hz: int = self._voice.config.sample_rate
        length = self._voice.config.length_scale / settings["speed"]
        self._manner = SynthesisConfig(speaker_id=settings["speaker"], length_scale=length)

    def pcm(self, text: str) -> bytes:
        """The sound of `text`: int16, mono, `rate_hz`."""
        return b"".join(chunk.audio_int16_bytes for chunk in self._voice.synthesize(text, self._manner))


def read_texts(lines: Any, texts: queue.SimpleQueue[dict[str, Any]]) -> None:
    """Queue what the daemon sends, until its end closes; then end the process."""
    try:
        for line in lines:
            texts.put(json.loads(line))
    except OSError:
        pass  # the daemon was killed
    os._exit(0)  # native calls can't be stopped


def frame(head: dict[str, Any], pcm: bytes = b"") -> bytes:
    return json.dumps(head).encode() + b"\n" + pcm


def answer(speaker: Speaker, request: dict[str, Any]) -> bytes:
    """The frame for one text."""
    try:
        pcm = speaker.pcm(request["text"])
    except Exception as error:  # noqa: BLE001 - any error is reported to the daemon
        return frame({"id": request["id"], "error": described(error)})
    return frame({"id": request["id"], "bytes": len(pcm)}, pcm)


def described(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:300]


def main() -> int:
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):  # a terminal's, for all: the daemon handles them
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=os.dup(0))
    lines = control.makefile("rb")
    settings = json.loads(lines.readline() or b"{}")
    if not settings:
        return 0
    texts: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    threading.Thread(target=read_texts, args=(lines, texts), daemon=True).start()
    try:
        speaker = Speaker(settings)
        speaker.pcm("Hello.")  # the first call is slower, and shows whether the voice works
    except Exception as error:  # noqa: BLE001 - any error is reported to the daemon
        control.sendall(frame({"error": described(error)}))
        return 1
    control.sendall(frame({"rate_hz": speaker.rate_hz}))
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    while True:
        control.sendall(answer(speaker, texts.get()))
        if trim is not None:
            trim(0)  # glibc would keep what the longest texts took


if __name__ == "__main__":
    sys.exit(main())
