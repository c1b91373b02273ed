"""The prompts of the endpointing benchmark: their words lie where the recording is loud."""

from __future__ import annotations

import numpy as np
import pytest

from bench.endpoint.material import PACKAGES, TEXTS, VOICE, prompts
from voiceloop.types import CAPTURE_RATE_HZ

pytestmark = pytest.mark.skipif(not (TEXTS.exists() and VOICE.is_dir()), reason=f"needs Debian's {PACKAGES}")


def test_words_follow_one_another_inside_the_recording() -> None:
    spoken = prompts(TEXTS)
    assert len(spoken) >= 90
    for prompt in spoken:
        bounds = [bound for word in prompt.words for bound in (word.start, word.end)]
        assert bounds == sorted(bounds), prompt
        assert bounds[-1] < len(prompt.pcm) // 2 + CAPTURE_RATE_HZ // 100  # times are in 10 ms


def test_it_is_quiet_between_the_words_and_loud_in_them() -> None:
    inside, outside = [], []
    for prompt in prompts(TEXTS):
        power = np.square(np.frombuffer(prompt.pcm, "<i2").astype(np.float64))
        spoken = np.zeros(len(power), bool)
        for word in prompt.words:
            spoken[word.start : word.end] = True
        inside.append(power[spoken].mean())
        outside.append(power[~spoken].mean() if not spoken.all() else 0.0)
    assert 10 * np.log10(np.mean(inside) / np.mean(outside)) > 20
