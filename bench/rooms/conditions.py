"""The conditions of the simulated room: its echo, its clocks, and what goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """One room, with its sound devices. Levels are those of active speech at the microphone."""

    name: str
    echo_db: float = -12.0
    """The echo's level, relative to the person's."""
    delay_ms: float = 60.0
    """From the loudspeaker's callback to the microphone, devices and air together."""
    rt60_s: float = 0.3
    """The reverberation time; 0: the direct sound alone."""
    drift_ppm: float = 30.0
    """How much faster the loudspeaker's clock is than the microphone's."""
    jump_ms: float = 0.0
    """By how much the delay changes in each pause between two replies; the change is taken back in the next one."""
    lost_ms: int = 0
    """How much the microphone loses in the middle of the second and of the fourth reply."""
    underruns: bool = False
    """The loudspeaker runs dry for 24 ms in the middle of the second and of the fourth reply."""
    clipping_db: float = -6.0
    """Where the loudspeaker begins to clip softly, relative to full scale; replies have -20 dB, their peaks some -5."""
    noise_dbfs: float = -66.0
    idle_s: float = 0.0
    """An additional pause before the third reply. After 30 s the program closes the loudspeaker's stream."""
    saw_ms: float = 0.0
    """By how much the microphone's blocks come later and earlier, in a saw of 1.7 s, as on a loaded machine."""
    calm: bool = False
    """Callbacks come in time, from the opening of each stream on."""
    loud: bool = False
    """Counted apart: the echo is as loud as the person, or louder."""


_LEVELS = [
    Condition("echo-20dB", echo_db=-20),
    Condition("echo-6dB", echo_db=-6),
    Condition("echo-3dB", echo_db=-3),
    Condition("echo-0dB", echo_db=0, loud=True),
    Condition("echo+6dB", echo_db=6, loud=True),
]
_DELAYS = [Condition(f"delay-{ms}ms", delay_ms=ms) for ms in (20, 40, 100, 150, 200, 300)]
_REVERBERATIONS = [Condition(f"rt60-{rt60_s:g}s", rt60_s=rt60_s) for rt60_s in (0.0, 0.15, 0.5, 0.7)]
_DRIFTS = [Condition(f"drift{ppm:+}ppm", drift_ppm=ppm) for ppm in (-300, -125, -50, 50, 125, 300)]
_JUMPS = [Condition(f"jump{ms:+}ms", jump_ms=ms) for ms in (-9, 9, 25)]
_FAULTS = [
    Condition("lost-20ms", lost_ms=20),
    Condition("lost-60ms", lost_ms=60),
    Condition("underrun", underruns=True),
    Condition("reopened", idle_s=32),
    Condition("loaded", saw_ms=5),
    Condition("calm", calm=True),
]
_HARD = [
    Condition("clipping", clipping_db=-18),
    Condition("noisy-50dBFS", noise_dbfs=-50),
    Condition("large", rt60_s=0.7, clipping_db=-18, delay_ms=300),
]
# No echo at all; of the second, the microphone gives digital silence while nobody speaks.
_HEADPHONES = [Condition("headphones", echo_db=-120), Condition("headset", echo_db=-120, noise_dbfs=-120)]
CONDITIONS = [
    Condition("base"),
    *_LEVELS,
    *_DELAYS,
    *_REVERBERATIONS,
    *_DRIFTS,
    *_JUMPS,
    *_FAULTS,
    *_HARD,
    *_HEADPHONES,
]
