"""The benchmark of uploads: what is said in it, and its rows."""

from __future__ import annotations

import numpy as np
import pytest

from bench.turns.material import ASTERISK
from bench.uploads.__main__ import MEANS, line, main
from bench.uploads.material import LEAD_S, PAUSE_S, Spoken, spoken
from bench.uploads.measuring import Result
from voiceloop.types import CAPTURE_RATE_HZ


@pytest.mark.skipif(not ASTERISK.exists(), reason="apt-get install asterisk-core-sounds-en-wav")
def test_the_speech_is_as_long_as_its_name_says_and_ends_where_it_says() -> None:
    for said, seconds in zip(spoken(), (2, 10, 30, 20 + 3 * PAUSE_S), strict=True):
        assert said.end == round((LEAD_S + seconds) * CAPTURE_RATE_HZ)
        samples = np.frombuffer(said.pcm, "<i2").astype(float)
        room = np.sqrt(np.mean(samples[said.end + 1_600 :] ** 2))
        assert 20 * np.log10(room / 32_768) == pytest.approx(-60, abs=0.2)
        last = np.sqrt(np.mean(samples[said.end - 160 : said.end] ** 2))
        assert last > 2 * room


def result(after_s: float) -> Result:
    return Result(after_s, after_s - 0.2, 100_000, "hello", 1)


def test_a_row_has_the_median_and_the_range() -> None:
    row = line("wav", Spoken("2 s", b"", 0), [result(0.3), result(1.5), result(0.4)])
    assert row == "| wav | 2 s | 400 (300 to 1,500) | 200 (100 to 1,300) | 100 | 1 |"
    assert line("wav", Spoken("2 s", b"", 0), [result(0.3)]) == "| wav | 2 s | 300 | 100 | 100 | 1 |"


def test_unknown_means_are_refused_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "wav,smoke"])
    assert "no means smoke. There are: wav, flac" in capsys.readouterr().err
    assert len(MEANS) == len(set(MEANS.values()))
