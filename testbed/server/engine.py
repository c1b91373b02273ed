"""A real recogniser behind the loopback server: transcribes the clips that are posted to it, as a server's model would.

It makes the mistakes of a real one, which exact words don't: it hears a word differently with more sound after it, and
leaves out or invents words at the edges of a clip.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from voiceloop.audio.resample import resample
from voiceloop.audio.wav import parse_wav
from voiceloop.transcribe.embedded.recogniser import Call, Recogniser
from voiceloop.transcribe.pieces import cut, join
from voiceloop.types import CAPTURE_RATE_HZ, Transcript, Utterance

NAMES = ("moonshine", "whisper")


def hearing(name: str) -> Callable[[bytes], str]:
    """Load the smallest English model of an engine; return the function that transcribes a WAV. One clip at a time, as
    on a graphics card. Raises what the engine raises if its model is not installed."""
    recogniser, lock = _recogniser(name), Lock()

    def hear(wav: bytes) -> str:
        clip = parse_wav(wav)
        pcm = resample(clip.pcm, from_hz=clip.rate_hz, to_hz=CAPTURE_RATE_HZ)
        whole = Utterance(pcm, 0, len(pcm) // 2)
        with lock:
            parts = [Transcript(_text(recogniser, part.pcm), part) for part in cut(whole, recogniser.longest_s)]
        return join(whole, parts).text

    return hear


def _text(recogniser: Recogniser, pcm: bytes) -> str:
    return recogniser.recognise(np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768), Call()).text


def _recogniser(name: str) -> Recogniser:
    if name == "moonshine":
        from voiceloop.transcribe.embedded.moonshine.model_files import find
        from voiceloop.transcribe.embedded.moonshine.recogniser import MoonshineRecogniser

        return MoonshineRecogniser(find("tiny-en"))
    from voiceloop.transcribe.embedded import whisper_files
    from voiceloop.transcribe.embedded.whisper_recogniser import LEAST_WINDOW_S, Search, WhisperRecogniser

    files = whisper_files.find("tiny.en")
    search = Search(
        device="cpu",
        compute_type="int8",
        threads=1,
        language="en",
        hotwords=None,
        beam_size=1,
        word_times=False,
        window_s=LEAST_WINDOW_S,
    )
    return WhisperRecogniser(files.folder, files.name, search)
