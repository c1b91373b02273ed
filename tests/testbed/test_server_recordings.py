"""The loopback server: it transcribes exactly the audio that it is sent, and speaks with known recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from testbed.server.recordings import RATE_HZ, Recording, Recordings, Sound, speech_bounds
from voiceloop.audio.resample import resample
from voiceloop.audio.wav import read_wav, wav_bytes

ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
WORDS = {
    "queue-thankyou": "Thank you for your patience.",
    "transfer": "Please hold while I try that extension.",
    "vm-nobodyavail": "Nobody is available to take your call at the moment.",
    "conf-muted": "You are now muted.",
    "digits/5": "five",
    "vm-for": "for",
}
MIC_HZ = 16_000


def voice_like(seconds: float, seed: int) -> Sound:
    """Noise in place of a voice; another seed gives another one."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ)) * 3000


SYNTHETIC = Recordings(
    Recording(words, voice_like(seconds, seed).astype("<i2").tobytes(), RATE_HZ)
    for seed, (words, seconds) in enumerate([("one two three four", 1.0), ("five", 0.4), ("six seven", 0.8)])
)


def recorded() -> Recordings:
    if not ASTERISK.is_dir():
        pytest.skip("needs Debian's recorded prompts")
    wavs = [(words, read_wav(ASTERISK / f"{name}.wav")) for name, words in WORDS.items()]
    return Recordings(Recording(words, wav.pcm, wav.rate_hz) for words, wav in wavs)


def at_mic(recording: Recording, gain: float = 1.0) -> Sound:
    pcm = resample(recording.pcm, from_hz=recording.rate_hz, to_hz=MIC_HZ)
    return np.frombuffer(pcm, "<i2").astype(np.float64) * gain


def pcm(*sounds: Sound) -> bytes:
    return np.rint(np.concatenate(sounds)).astype("<i2").tobytes()


def test_each_recording_is_recognised_in_noise_and_at_any_gain() -> None:
    known = recorded()
    noise = np.random.default_rng(1)
    for recording in known.all:
        for gain in (0.05, 1.0):
            sound = at_mic(recording, gain)
            sound += noise.standard_normal(len(sound)) * np.abs(sound).max() / 40
            assert known.words(pcm(sound), MIC_HZ) == recording.words


def test_recordings_one_after_another_are_transcribed_in_order() -> None:
    known = recorded()
    first, second = known.all[2], known.all[0]
    clip = pcm(np.zeros(5000), at_mic(first), np.zeros(9000), at_mic(second))
    assert known.words(clip, MIC_HZ) == f"{first.words} {second.words}"


def test_an_unknown_recording_has_an_empty_transcript() -> None:
    known = recorded()
    few = Recordings(known.all[1:])
    assert few.words(pcm(at_mic(known.all[0])), MIC_HZ) == ""
    assert few.words(pcm(np.zeros(16_000)), MIC_HZ) == ""


def test_a_sentence_cut_in_the_middle_is_transcribed_up_to_the_cut() -> None:
    known = recorded()
    sentence = known.all[2]
    begin, end = speech_bounds(sentence.sound, RATE_HZ)
    cut = (begin + end) // 2 * MIC_HZ // RATE_HZ
    heard = known.words(pcm(at_mic(sentence)[:cut], np.zeros(4000)), MIC_HZ).split()
    assert 3 <= len(heard) <= 7
    assert sentence.words.split()[: len(heard)] == heard


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 7_999), st.integers(0, 7_999))
def test_the_parts_of_a_cut_recording_together_have_each_word_at_most_once_and_in_order(at: int, other: int) -> None:
    low, high = sorted((at, other))
    sound = SYNTHETIC.all[0].sound
    heard = [SYNTHETIC.words(pcm(part), RATE_HZ).split() for part in (sound[:low], sound[low:high], sound[high:])]
    words = [word for part in heard for word in part]
    assert [word for word in ["one", "two", "three", "four"] if word in words] == words


@given(st.lists(st.sampled_from(range(3)), min_size=1, max_size=4), st.data())
def test_the_sounds_of_the_parts_of_a_text_add_up_to_its_sound(order: list[int], data: st.DataObject) -> None:
    text = " ".join(SYNTHETIC.all[at].words for at in order)
    whole = b"".join(SYNTHETIC.all[at].pcm for at in order)
    cut = data.draw(st.sampled_from([at for at, char in enumerate(text) if char == " "] + [len(text)]))
    parts = [SYNTHETIC.speak(part, RATE_HZ) for part in (text[:cut], text[cut:]) if part.strip()]
    assert b"".join(part or b"" for part in parts) == whole


def test_a_text_that_is_in_no_recording_has_no_sound() -> None:
    assert SYNTHETIC.speak("eight", RATE_HZ) is None
    assert SYNTHETIC.speak("one two nine", RATE_HZ) is None


def test_a_wav_is_transcribed_at_any_sample_rate() -> None:
    recording = SYNTHETIC.all[2]
    assert SYNTHETIC.hear(wav_bytes(resample(recording.pcm, from_hz=RATE_HZ, to_hz=MIC_HZ), MIC_HZ)) == "six seven"
