"""A real recogniser behind the loopback server."""

from __future__ import annotations

from pathlib import Path

import pytest

from testbed.server.engine import NAMES, hearing
from voiceloop.errors import ConfigError, MissingExtra

PROMPT = Path("/usr/share/asterisk/sounds/en_US_f_Allison/vm-nobodyavail.wav")


@pytest.mark.skipif(not PROMPT.exists(), reason="needs Debian's recorded prompts")
@pytest.mark.parametrize("name", NAMES)
def test_a_recording_is_transcribed_by_a_real_engine(name: str) -> None:
    try:
        hear = hearing(name)
    except (ImportError, ConfigError, MissingExtra) as error:
        pytest.skip(str(error))
    heard = hear(PROMPT.read_bytes()).lower()
    assert "available to take your call" in heard
