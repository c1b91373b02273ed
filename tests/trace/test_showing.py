"""Display of traces: in a terminal, in Perfetto and as a page; hostile text stays plain text everywhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.trace.making import ZERO, done, event, header, one_turn, session
from voiceloop.trace.page import data, page
from voiceloop.trace.perfetto import chrome_trace
from voiceloop.trace.terminal import Screen, rendered

NASTY = "</script><script>alert(1)</script>\x1b]0;owned\x07\x1b[31mred \u202egnp.exe\u2066 %%SCRIPT%% <!-- &amp; \ud800"


def nasty() -> list[dict[str, object]]:
    """A session in which every text field is hostile."""
    records = [*one_turn()[:-1], done(4.9, 2, {"last_voiced": 3.0, NASTY: 3.5}, reason=NASTY, outcome=NASTY)]
    records += [
        event(4.9, "transcript", turn=2, text=NASTY, start_s=0.0, end_s=1.0),
        event(4.9, "reply", turn=2, text=NASTY),
        event(4.9, "turn.failed", turn=2, error=NASTY),
        event(4.9, "echo.reply", turn=2, delay_ms=NASTY, heard_db=NASTY, removed_db=1.0, other_share=10**400),
        event(4.9, NASTY, **{NASTY: NASTY}),
        event(5.0, "listening", vad=NASTY, echo=NASTY),
        {"k": "request", "id": 9, "at": ZERO + 3, "method": NASTY, "url": NASTY, "model": NASTY, "attempt": 1}
        | {"sent_bytes": 1, "turn": 2},
        {"k": NASTY},
    ]
    return [header(voiceloop=NASTY), *records[1:]]


def test_a_turn_is_one_row_of_times_and_one_bar(tmp_path: Path) -> None:
    text = rendered(session(tmp_path, one_turn()), Screen(100))
    row = next(line for line in text.splitlines() if line.startswith("   1     2.00 s"))
    assert row.split() == ["1", "2.00", "s", "200", "210", "500", "800", "1100", "1130", "2200", "done"]
    bar = next(line for line in text.splitlines() if line.endswith("1130 ms"))
    letters = bar.split()[1]
    assert re.fullmatch("e+t+a+c+s+g*d+", letters)
    # The bar is to scale.
    assert letters.count("e") / len(letters) == pytest.approx(210 / 1130, abs=0.02)


@pytest.mark.parametrize("width", [1, 40, 60, 80, 250])
def test_lines_fit_the_terminal(width: int, tmp_path: Path) -> None:
    for line in rendered(session(tmp_path, one_turn()), Screen(width)).splitlines():
        assert len(line) <= max(width, 40)


def test_the_echo_of_a_reply_is_a_short_line_of_its_turn(tmp_path: Path) -> None:
    echo = event(4.3, "echo.reply", turn=1, delay_ms=80.0, shifts=0, heard_db=-36.0, removed_db=31.0, other_share=0.02)
    words = "80 ms late, at -36 dBFS, 31 dB removed, 2% somebody else"
    found = session(tmp_path, [*one_turn(), echo])
    lines = rendered(found, Screen(100)).splitlines()
    assert lines.count(f"     its echo: {words}") == 1
    assert data(found)["turns"][0]["echo"] == words
    assert max(map(len, rendered(found, Screen(50)).splitlines())) <= 50
    without = session(tmp_path, one_turn())
    assert "its echo" not in rendered(without, Screen(100))
    assert not data(without)["turns"][0]["echo"]


def test_colours_come_only_where_they_are_wanted(tmp_path: Path) -> None:
    found = session(tmp_path, one_turn())
    assert "\x1b[" not in rendered(found, Screen(100))
    coloured = rendered(found, Screen(100, colour=True))
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == rendered(found, Screen(100))


def test_a_session_without_turns_says_so(tmp_path: Path) -> None:
    assert "No turn" in rendered(session(tmp_path, [header()]), Screen(100))


def test_hostile_text_reaches_the_terminal_as_plain_text(tmp_path: Path) -> None:
    text = rendered(session(tmp_path, nasty()), Screen(200))
    assert "alert(1)" in text
    for bad in ("\x1b", "\x07", "\u202e", "\u2066", "\ud800"):
        assert bad not in text


def test_perfetto_gets_named_lanes_complete_events_and_counters(tmp_path: Path) -> None:
    document = chrome_trace(session(tmp_path, one_turn()))
    events = document["traceEvents"]
    named = {e["tid"]: e["args"]["name"] for e in events if e["ph"] == "M" and e["name"] == "thread_name"}
    assert {"turns", "voice activity", "utterances", "requests 1", "loudspeaker sounding", "events"} <= set(
        named.values()
    )
    complete = [e for e in events if e["ph"] == "X"]
    assert all(e["dur"] >= 0 and isinstance(e["ts"], int) and e["tid"] in named for e in complete)
    transcribe = next(e for e in complete if e["name"] == "transcribe a/b")
    assert (transcribe["ts"], transcribe["dur"]) == (2_210_000, 290_000)
    assert {e["name"] for e in events if e["ph"] == "C"} == {"microphone level", "playback level"}
    assert {e["name"] for e in events if e["ph"] == "i"} >= {"speech.started", "first_played"}


def test_events_in_one_lane_of_perfetto_do_not_cross(tmp_path: Path) -> None:
    records = [*one_turn()[:-1], done(6.0, 2, {"last_voiced": 3.0}), done(6.5, 3, {"last_voiced": 3.5})]
    lanes: dict[int, list[tuple[int, int]]] = {}
    for e in chrome_trace(session(tmp_path, records))["traceEvents"]:
        if e["ph"] == "X":
            lanes.setdefault(e["tid"], []).append((e["ts"], e["ts"] + e["dur"]))
    for spans in lanes.values():
        for a in spans:
            for b in spans:
                apart = a[1] <= b[0] or b[1] <= a[0]
                nested = (a[0] <= b[0] and b[1] <= a[1]) or (b[0] <= a[0] and a[1] <= b[1])
                assert apart or nested


def test_hostile_text_stays_inside_the_data_of_the_page(tmp_path: Path) -> None:
    html = page(session(tmp_path, nasty()))
    assert html.count("<script") == 2
    assert html.count("</script>") == 2
    assert "alert(1)\\u003c" in html
    for bad in ("\x1b", "\u202e", "\u2066", "\ud800", "%%"):
        assert bad not in html
    html.encode()
    data_element = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert data_element is not None
    assert json.loads(data_element[1]) == data(session(tmp_path, nasty()))


def test_the_page_needs_nothing_from_elsewhere_and_lets_nothing_else_run(tmp_path: Path) -> None:
    html = page(session(tmp_path, one_turn()))
    assert not re.search(r"""(src|href)\s*=|url\(|@import|https?:(?!//host)""", html)
    assert "default-src 'none'" in html
    assert "unsafe" not in html
    assert "innerHTML" not in html


def test_long_transcripts_are_shortened_in_the_page(tmp_path: Path) -> None:
    records = [header(), event(1.0, "transcript", turn=1, text="word " * 10_000, start_s=0.0, end_s=1.0)]
    assert len(page(session(tmp_path, records))) < 80_000
