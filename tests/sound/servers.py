"""The sound servers on which the sound tests run."""

from __future__ import annotations

import pytest

from testbed.sound.cable import PipeWire, PulseAudio

KINDS = (PulseAudio, PipeWire)
NAMES = tuple(kind.name.lower() for kind in KINDS)

pulseaudio_only = pytest.mark.parametrize("cable", [PulseAudio], ids=NAMES[:1], indirect=True)
"""For tests of what is PulseAudio's own, and of what can't differ between the servers."""
pipewire_only = pytest.mark.parametrize("cable", [PipeWire], ids=NAMES[1:], indirect=True)
