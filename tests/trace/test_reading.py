"""Reading of trace files: the times of each turn, the turn of each request, and damaged files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trace.making import (
    MIC_START_S,
    ZERO,
    done,
    event,
    header,
    one_turn,
    playing,
    request,
    session,
    speaker,
    written,
)
from voiceloop.errors import BadTraceFile
from voiceloop.trace.build import build
from voiceloop.trace.page import page
from voiceloop.trace.perfetto import chrome_trace
from voiceloop.trace.read import read
from voiceloop.trace.states import states
from voiceloop.trace.terminal import Screen, rendered
from voiceloop.trace.writing import line


def test_the_stages_lead_from_the_last_voiced_sample_to_the_first_audible_one_played(tmp_path: Path) -> None:
    (turn,) = session(tmp_path, one_turn()).turns
    assert [(stage.name, round(stage.ms)) for stage in turn.stages] == [
        ("end", 210),
        ("transcribe", 290),
        ("answer", 300),
        ("clause", 100),
        ("speak", 200),
        ("gate", 10),
        ("device", 20),
    ]
    assert turn.stages[0].start == pytest.approx(2.0)
    assert sum(stage.ms for stage in turn.stages) == pytest.approx(turn.after_voice_ms("first_played"))
    assert (turn.text, turn.reply, turn.outcome) == ("what time is it", "It is four.", "done")
    assert turn.start == pytest.approx(MIC_START_S)


def test_a_mark_that_is_missing_leaves_its_time_to_the_next_stage(tmp_path: Path) -> None:
    marks = {"last_voiced": 2.0, "text": 2.5, "first_write": 3.0}
    records = [header(), done(4.0, marks=marks)]
    (turn,) = session(tmp_path, records).turns
    assert [(stage.name, round(stage.ms)) for stage in turn.stages] == [("transcribe", 500), ("gate", 500)]


def test_preemptive_work_takes_no_time_of_its_stage(tmp_path: Path) -> None:
    marks = {"last_voiced": 2.0, "post": 2.2, "text": 2.3, "first_text": 2.35, "first_pcm": 2.4, "first_write": 2.6}
    (turn,) = session(tmp_path, [header(), done(4.0, marks=marks)]).turns
    assert {stage.name: round(stage.ms) for stage in turn.stages}["gate"] == 200


def test_without_a_mark_the_last_voiced_sample_is_taken_from_the_transcript(tmp_path: Path) -> None:
    records = [record for record in one_turn() if record.get("name") != "turn.done"]
    records.insert(-1, done(4.2, marks={"speech_end": 2.6, "post": 2.6, "first_write": 3.12}))
    (turn,) = session(tmp_path, records).turns
    assert turn.marks["last_voiced"] == pytest.approx(MIC_START_S + 1.5)
    assert turn.marks["first_played"] == pytest.approx(3.13, abs=0.001)
    assert {"last_voiced", "first_played", "speak_post"} <= turn.found


@pytest.mark.parametrize("value", [0, 100, 150])
def test_without_a_mark_a_reply_is_played_from_its_first_audible_step_on(tmp_path: Path, value: int) -> None:
    """100 is -50 dBFS, and 150 is more than 40 dB below the reply's peak."""
    marks = {"last_voiced": 2.0, "first_write": 3.12}
    records = [header(), speaker(0.0), playing(3.13, 0.2, value=value), playing(3.33, 0.2), done(4.0, marks=marks)]
    (turn,) = session(tmp_path, records).turns
    assert turn.marks["first_played"] == pytest.approx(3.33)
    assert "first_played" in turn.found


def test_a_reply_of_silence_was_not_played(tmp_path: Path) -> None:
    marks = {"last_voiced": 2.0, "first_write": 3.12}
    records = [header(), speaker(0.0), playing(3.13, 0.2, value=50), done(4.0, marks=marks)]
    (turn,) = session(tmp_path, records).turns
    assert "first_played" not in turn.marks
    assert turn.answered_ms is None


def test_unknown_marks_and_events_are_kept_and_shown(tmp_path: Path) -> None:
    records = [header(), event(1.0, "moon.rose", phase="full"), done(4.0, marks={"last_voiced": 2.0, "sighed": 2.7})]
    found = session(tmp_path, records)
    assert found.turns[0].marks["sighed"] == pytest.approx(2.7)
    assert "sighed 2.700 s" in rendered(found, Screen(100))
    assert "moon.rose" in page(found)
    assert "moon.rose" in json.dumps(chrome_trace(found))


def test_a_request_without_a_turn_is_assigned_to_the_latest_turn_under_way(tmp_path: Path) -> None:
    marks = {"last_voiced": 6.0, "text": 6.5}
    records = [
        *one_turn()[:-1],
        event(5.0, "speech.started", at_s=4.6),
        event(6.4, "speech.ended", start_s=4.5, end_s=5.5),
        done(8.0, 2, marks),
        *request(7, 6.41, 6.5, 6.6, "/audio/transcriptions", turn=None),
        *request(8, 6.42, 6.5, 6.6, "/models", turn=None, method="HEAD"),
        *request(9, 30.0, 30.1, 30.2, "/audio/speech", turn=None),
    ]
    found = {request.number: request for request in session(tmp_path, records).requests}
    assert (found[7].turn, found[7].guessed) == (2, True)
    assert (found[8].turn, found[8].kind) == (None, "warm")
    assert found[9].turn is None
    assert (found[1].turn, found[1].guessed) == (1, False)


def test_cancelled_merged_and_failed_turns_and_wasted_requests_are_labelled(tmp_path: Path) -> None:
    records = [
        header(),
        event(2.5, "preemptive.wasted", turn=1, requests=2),
        done(3.0, 1, {"last_voiced": 2.0, "cancelled": 3.0}, outcome="cancelled", reason="merged"),
        event(4.0, "transcript", turn=2, text="b", start_s=0.1, end_s=2.0, replaces=1),
        done(5.0, 2, {"last_voiced": 4.0}, outcome="cancelled", reason="barge-in"),
        done(5.5, 3, {"last_voiced": 5.0}, outcome="failed"),
        event(5.5, "turn.failed", turn=3, error="no\x1b[31m key"),
    ]
    table = rendered(session(tmp_path, records), Screen(120))
    assert "cancelled: barge-in, with turn 1" in table
    assert "merged into turn 2, 2 requests wasted" in table
    assert "failed: no key" in table


def test_a_turn_that_never_ended_is_shown_as_far_as_it_was_recorded(tmp_path: Path) -> None:
    found = session(tmp_path, one_turn()[:-3])
    assert [turn.outcome for turn in found.turns] == ["unfinished"]
    assert any("killed" in flaw for flaw in found.flaws)


def test_later_verdicts_override_earlier_ones(tmp_path: Path) -> None:
    runs = [[0, 8_000, 0], [8_000, 16_000, 1], [12_000, 14_000, 0], [16_000, 24_000, 1]]
    records = [*one_turn()[:11], {"k": "vad", "runs": runs[:3]}, {"k": "vad", "runs": runs[3:]}]
    records = [record for record in records if record["k"] != "vad" or record["runs"] != one_turn()[11]["runs"]]
    found = session(tmp_path, records)
    assert [(round((s.start - MIC_START_S) * 16_000), round((s.end - MIC_START_S) * 16_000)) for s in found.voice] == [
        (8_000, 12_000),
        (14_000, 24_000),
    ]


def test_holds_ducks_and_underruns_become_spans(tmp_path: Path) -> None:
    records = [
        header(),
        speaker(1.0, sounding=True),
        speaker(2.0, sounding=True, gain=0.25),
        speaker(2.5, held=True, gain=0.25),
        speaker(3.0, sounding=True, underruns=2),
        speaker(4.0, underruns=2),
    ]
    found = states(session(tmp_path, records))
    assert [(span.start, span.end) for span in found["held"]] == [(2.5, 3.0)]
    assert [(span.start, span.end) for span in found["ducked"]] == [(2.0, 2.5)]
    assert [(span.start, span.end) for span in found["sounding"]] == [(1.0, 2.5), (3.0, 4.0)]
    assert [(span.start, span.label) for span in found["underrun"]] == [(3.0, "2 underrun")]


def test_a_mute_recorded_in_pieces_becomes_one_span(tmp_path: Path) -> None:
    pieces = [(8_000, 16_000), (16_000, 20_000), (40_000, 48_000)]
    records = [*one_turn()[:-1], *({"k": "muted", "start": start, "end": end} for start, end in pieces)]
    spans = [(span.start - MIC_START_S, span.end - MIC_START_S) for span in session(tmp_path, records).muted]
    assert spans == [pytest.approx((0.5, 1.25)), pytest.approx((2.5, 3.0))]


# Damaged files and files that are no traces


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\x00\xff rubbish", "is not a trace"),
        (b'{"event": "ready"}\n', "is not a trace"),
        (b"[" * 100_000, "is not a trace"),
        (b'{"k": "trace"}\n', "has format version 'None'"),
        (b'{"k": "trace", "version": 99, "at": 1, "time": 1}\n', "has format version '99'; this voiceloop reads 3"),
        (b'{"k": "trace", "version": 2, "at": 1, "time": 1}\n', "has format version '2'; this voiceloop reads 3"),
        (b'{"k": "trace", "version": 3, "at": NaN, "time": 1}\n', "has a damaged first line"),
        (None, "can't be read: no such file"),
    ],
)
def test_the_error_of_a_file_that_is_no_trace_is_one_line(content: bytes | None, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BadTraceFile, match=said) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_trace(tmp_path: Path) -> None:
    with pytest.raises(BadTraceFile, match="can't be read"):
        read(tmp_path)


TRACE = "".join(line(record) + "\n" for record in one_turn()).encode()
FIRST = TRACE.index(b"\n") + 1


def show_in_every_format(path: Path) -> None:
    """Show the file in every format; the one for Perfetto must be valid JSON."""
    found = build(read(path))
    rendered(found, Screen(80))
    json.dumps(chrome_trace(found), allow_nan=False)
    page(found)


@given(st.integers(FIRST, len(TRACE)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
def test_a_trace_is_readable_wherever_it_was_cut_off(tmp_path: Path, end: int) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(TRACE[:end])
    show_in_every_format(path)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from([ZERO, "AAAA", [[0, 1, 1]]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
def test_no_damaged_record_breaks_any_format(tmp_path: Path, data: st.DataObject) -> None:
    records: list[Any] = [json.loads(text) for text in TRACE.splitlines()]
    for _ in range(data.draw(st.integers(1, 4))):
        record = data.draw(st.sampled_from(records[1:]))
        target = record["fields"] if "fields" in record and data.draw(st.booleans()) else record
        if isinstance(target, dict) and target:
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(values)
    path = tmp_path / "t.jsonl"
    path.write_text("\n".join(map(json.dumps, records)) + "\n")
    show_in_every_format(path)


def test_damaged_and_lost_lines_are_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", [*one_turn(), {"k": "lost", "records": 3}, {"k": "dream", "of": "sheep"}])
    with path.open("a") as file:
        file.write('rubbish\n{"k": "mic", "at": 5001, "index": 0, "peak": "??", "rms": "??"}\n{"k": "ev')
    said = "\n".join(build(read(path)).flaws)
    assert "2 damaged lines" in said
    assert "3 records were lost" in said
    assert "'dream' ×1" in said
    assert "cut off" in said


@pytest.mark.parametrize("damage", [{"at": 10**400}, {"time": -(10**400)}, {"rate_hz": 10**400}])
def test_a_number_that_no_float_can_be_damages_a_trace_and_breaks_nothing(tmp_path: Path, damage: Any) -> None:
    path = written(tmp_path / "t.jsonl", [header(**damage), *one_turn()[1:], event(3.0, "reply", turn=1)])
    try:
        show_in_every_format(path)
    except BadTraceFile as error:
        assert "damaged first line" in str(error)  # noqa: PT017 - some damage is borne
    marks = {"text": 10**400, "post": 2.0}
    transcript = event(2.61, "transcript", turn=1, text="x", start_s=10**400, end_s=10**400, replaces=10**400)
    records = [header(), transcript, event(1.0, "speech.started", at_s=10**400)]
    records += [event(4.0, "turn.done", turn=1, marks=marks), event(4.0, "preemptive.wasted", turn=1, requests=10**400)]
    show_in_every_format(written(tmp_path / "t.jsonl", records))
