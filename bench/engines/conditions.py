"""Conditions in which recordings are heard again: with noise, and from the far side of a room. Pure, from a seed.

Noise is set against the level of the speech while there is speech. The noises are those of the VAD benchmark; the
talkers in its office have the prompts' own voice.

The room is a box, simulated by the image-source method: each reflection is the sound of a mirror image of the talker.

Source: Allen and Berkley, "Image method for efficiently simulating small-room acoustics", 1979.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from bench.vad.material import RATE_HZ, Noise, Sound, office, pink, white

_Images = tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]
"""The distance of each image of the talker (m), and the number of its reflections."""

RT60_S = 0.4
DISTANCE_M = 3.0
_ROOM_M = (6.0, 4.8, 2.6)
_TALKER_M = (1.3, 1.7, 1.5)
_TOWARDS = (2.8, 0.9, -0.6)
"""The direction from the talker to the microphone. The places are not symmetric: no two reflections coincide."""
_SOUND_M_PER_S = 343.0
_SPEECH_DB = -35.0
"""Every 10 ms of a clip whose level, relative to the loudest, is above this is speech."""
_NOISE_S = 40
_LOWEST_HZ = 50
"""Below this a room of images amplifies (all reflections have one sign), and there is no speech."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A name, and what becomes of a sound that is heard so. The same seed gives the same result."""

    name: str
    heard: Callable[[Sound, int], Sound]


def noisy(noise: Noise, snr_db: float) -> Callable[[Sound, int], Sound]:
    """Hear a sound with noise `snr_db` below the level of its speech."""

    def heard(sound: Sound, seed: int) -> Sound:
        track = _track(noise)
        at = np.random.default_rng(seed).integers(len(track))
        piece = np.resize(np.roll(track, -at), len(sound))
        return sound + piece * 10 ** ((speech_db(sound) - snr_db) / 20)

    return heard


def far(sound: Sound, _seed: int = 0) -> Sound:
    """Hear a sound from `DISTANCE_M` away in a room. Its speech keeps its level, and it ends when the room is quiet."""
    response = impulse_response(RT60_S)
    length = len(sound) + len(response) - 1
    wet = np.fft.irfft(np.fft.rfft(sound, length) * np.fft.rfft(response, length), length)
    return np.asarray(wet * 10 ** ((speech_db(sound) - speech_db(wet)) / 20))


def speech_db(sound: Sound) -> float:
    """The level of the speech in a sound, in dB of full scale (RMS): of each 10 ms near the loudest."""
    block = RATE_HZ // 100
    powers = np.square(np.resize(sound, max(1, len(sound) // block) * block)).reshape(-1, block).mean(axis=1)
    return float(10 * np.log10(powers[powers >= powers.max() * 10 ** (_SPEECH_DB / 10)].mean() + 1e-12))


@cache
def _track(noise: Noise) -> Sound:
    """Some seconds of noise, at an RMS of 1."""
    made = noise(_NOISE_S * RATE_HZ, np.random.default_rng(1))
    return np.asarray(made / np.sqrt(np.mean(np.square(made))))


@cache
def impulse_response(rt60_s: float) -> Sound:
    """What a click becomes on its way through the room. The walls are such that it falls by 60 dB in `rt60_s`."""
    images = _images(rt60_s)
    low, high = 0.0, 1.0
    for _ in range(12):  # halves the interval: the walls' reflection is then known to 0.0003
        reflection = (low + high) / 2
        if reverberation_s(_response(images, reflection, rt60_s)) < rt60_s:
            low = reflection
        else:
            high = reflection
    return _response(images, low, rt60_s)


def reverberation_s(response: Sound) -> float:
    """The time in which a response falls by 60 dB, from its fall between -5 and -25 dB (T20, ISO 3382)."""
    energy = np.cumsum(np.square(response)[::-1])[::-1]
    fall_db = 10 * np.log10(energy / energy[0] + 1e-12)
    begin, end = (int(np.argmax(fall_db < level)) for level in (-5, -25))
    return 3 * (end - begin) / RATE_HZ


def _images(longest_s: float) -> _Images:
    """The mirror images of the talker whose sound arrives within `longest_s`."""
    reach = longest_s * _SOUND_M_PER_S
    microphone = np.array(_TALKER_M) + np.array(_TOWARDS) * (DISTANCE_M / np.linalg.norm(_TOWARDS))
    axes = []
    for size, talker, own in zip(_ROOM_M, _TALKER_M, microphone, strict=True):
        mirrors = np.arange(-int(reach / size) - 1, int(reach / size) + 2)
        # Mirrored an even number of times the talker keeps his place in the room; otherwise it is reversed.
        places = np.where(mirrors % 2 == 0, talker, size - talker) + mirrors * size
        axes.append((np.square(places - own), np.abs(mirrors)))
    x, y, z = (squares for squares, _ in axes)
    distances = np.sqrt(x[:, None, None] + y[None, :, None] + z[None, None, :])
    a, b, c = (counts for _, counts in axes)
    counts = a[:, None, None] + b[None, :, None] + c[None, None, :]
    near = distances < reach
    return distances[near], counts[near]


def _response(
    images: tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]], reflection: float, length_s: float
) -> Sound:
    distances, counts = images
    response = np.zeros(round(length_s * RATE_HZ) + 1)
    np.add.at(response, np.rint(distances / _SOUND_M_PER_S * RATE_HZ).astype(int), reflection**counts / distances)
    spectrum = np.fft.rfft(response)
    spectrum[: round(_LOWEST_HZ * len(response) / RATE_HZ)] = 0
    return np.fft.irfft(spectrum, len(response))


CLEAN = Condition("as recorded", lambda sound, _seed: sound)
CONDITIONS = (
    CLEAN,
    *(
        Condition(f"{noise.__name__}, {snr_db} dB", noisy(noise, snr_db))
        for noise in (white, pink, office)
        for snr_db in (20, 10)
    ),
    Condition(f"{DISTANCE_M:g} m, RT60 {RT60_S:g} s", far),
)
