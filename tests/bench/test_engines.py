"""The engines benchmark: an engine in a process of its own, what it costs, and the tables."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.engines import timing
from bench.engines.conditions import CLEAN
from bench.engines.costs import Ticker, cpu_s, memory_mb
from bench.engines.figures import Score, percentile, spread, table
from bench.engines.hearing import Task, measure, mistakes, report
from bench.engines.job import Engine, Failed, Job, Measured, Outcome, measured
from bench.engines.material import Clip, readings
from bench.engines.words import compare
from voiceloop.transcribe.embedded.places import package_folder

MOONSHINE, HIBARI = Engine("transcribe", "moonshine"), Engine("speak", "hibari")
needs_engines = pytest.mark.skipif(
    package_folder("moonshine_voice") is None or package_folder("hibari") is None,
    reason="moonshine-voice and hibari-tts are not installed",
)


def test_the_95th_percentile_of_few_values_is_the_largest() -> None:
    assert percentile([3, 1, 2], 0.95) == 3
    assert percentile(range(1, 101), 0.95) == 95
    assert percentile([4, 1, 3, 2], 0.5) == 2
    assert spread([1.0, 2.0, 30.4]) == "2 / 30"


def test_the_share_of_wrong_words_is_of_all_words_not_of_clips() -> None:
    score = Score(
        [compare("a long sentence that was understood", "a long sentence that was understood"), compare("no", "")]
    )
    assert (score.words, score.errors) == (7, 1)
    assert score.percent == pytest.approx(100 / 7)


def test_a_table_has_a_row_for_each_row() -> None:
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_memory_and_time_of_child_processes_count() -> None:
    before_mb, before_s = memory_mb(), cpu_s()
    code = "kept = bytearray(b'x' * 200_000_000); sum(range(20_000_000)); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
        # Of its 191 MB; what this process shares with the child counts less than before.
        assert memory_mb() - before_mb > 150
        assert cpu_s() - before_s > 0.1
        child.communicate("\n")


def test_a_ticker_notices_that_the_interpreter_is_held() -> None:
    with Ticker() as ticker:
        begun = time.perf_counter()
        sorted(range(3_000_000), key=lambda number: -number % 1_000)
        list(range(10_000_000))  # one call: no other thread runs until it is done
        took_ms = (time.perf_counter() - begun) * 1_000
    assert 15 < ticker.late_ms < took_ms


@needs_engines
def test_a_recogniser_hears_in_a_process_of_its_own(tmp_path: Path) -> None:
    clip = next(clip for clip in readings() if clip.name == "beckett")
    work = [Task("read", CLEAN, [clip])]
    found = measure([MOONSHINE, Engine("transcribe", "none-such")], work, tmp_path)
    lines = "\n".join(report(work, found))
    assert "| read | as recorded | 1 | 12 | 0.0 % |" in lines
    assert "none-such: not measured: " in lines
    assert "no such engine" in lines


@needs_engines
def test_a_voice_speaks_and_is_understood(tmp_path: Path) -> None:
    run = timing.say(HIBARI, 2, tmp_path, loaded=False, listener=MOONSHINE)
    assert isinstance(run.measured, Measured)
    first = run.measured.outcomes[0]
    assert 0 < first.first_ms <= first.audible_ms <= first.ms
    assert 1 < first.seconds < 4
    assert 50 < first.silence_ms < 600
    assert run.measured.loaded_mb > run.measured.base_mb + 20
    assert run.score is not None
    assert run.score.percent < 20


def test_an_engine_that_fails_is_named_with_its_own_line() -> None:
    with pytest.raises(Failed, match="voice"):
        measured(Job(Engine("speak", "piper", {"voice": "/nowhere.onnx"}), ["Hello."]))


def test_mistakes_name_the_clip_and_the_words() -> None:
    clip = Clip("vm-goodbye", [0.0] * 16_000, "goodbye now")  # type: ignore[arg-type]
    lines = list(mistakes([Task("prompts", CLEAN, [clip])], [Score([compare(clip.text, "good by now")])]))
    assert lines == ["as recorded, vm-goodbye (1.0 s, 2 words): - → good; goodbye → by"]


def test_times_are_told_apart_by_the_length_of_the_clips() -> None:
    outcomes = [Outcome(ms=10.0 * number, seconds=1.0) for number in range(2 * len(timing.LENGTHS_S))]
    lengths = timing.by_length(Measured("", outcomes, *[0.0] * 8))
    assert [[outcome.ms for outcome in one] for one in lengths[:2]] == [[0.0, 10.0], [20.0, 30.0]]
    assert len(lengths) == len(timing.LENGTHS_S)


def test_what_could_not_be_measured_is_said_below_the_tables() -> None:
    runs = [timing.Run(MOONSHINE, "free cores", Measured("", [Outcome(40.0, 2.0, 35.0)] * 10, 0.5, *[10.0] * 7))]
    runs.append(timing.Run(HIBARI, "free cores", "the package 'hibari' is not installed"))
    lines = list(timing.report_hearing(runs))
    assert "| moonshine, free cores | 40 / 40 | 40 / 40 |" in lines[0]
    assert "| its processor time | 35 / 35 |" in lines[0]
    assert "| moonshine, free cores | 0.50 s | +0 / +0 MB | 1800 s | 10 / 10 / 10 ms |" in lines[1]
    assert lines[2] == "hibari, free cores: not measured: the package 'hibari' is not installed"
