"""Subtitles: words are cut into cues, and the files are valid after every cue."""

from __future__ import annotations

import json
from io import StringIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from tests.captions.speech import said
from voiceloop.captions.cues import LINE_COLUMNS, LINES, LONGEST_S, SHORTEST_S, Cue, CueCutter
from voiceloop.captions.files import open_files
from voiceloop.captions.formats import VTT_HEAD
from voiceloop.captions.formats import srt as as_srt
from voiceloop.captions.formats import vtt as as_vtt
from voiceloop.captions.showing import Final, Live
from voiceloop.captions.words import Spoken, spoken, text_of
from voiceloop.errors import OutputError
from voiceloop.text import columns
from voiceloop.types import Transcript, Utterance


def read_srt(text: str) -> list[Any]:
    found: list[Any] = list(srt.parse(text))  # type: ignore[no-untyped-call]
    return found


words = st.lists(
    st.builds(
        lambda text, mark: f"{text}{mark}",
        st.text("abcdefghijklmnopqrstuvwxyz字幕", min_size=1, max_size=60),
        st.sampled_from(["", "", "", ",", ".", "?"]),
    ),
    min_size=1,
    max_size=60,
)


@given(words, st.integers(1, 60))
def test_cues_keep_every_word_and_the_guidelines(texts: list[str], cut: int) -> None:
    cutter, truth = CueCutter(), said(texts)
    cues = [cue for part in (truth[:cut], truth[cut:]) if part for cue in cutter.cut(part)]
    assert "".join("".join(cue.lines) for cue in cues).replace(" ", "") == "".join(texts)
    for cue in cues:
        assert len(cue.lines) <= LINES
        assert all(columns(line) <= LINE_COLUMNS for line in cue.lines)
        assert 0 < cue.end_s - cue.start_s <= LONGEST_S
    for before, after in pairwise(cues):
        assert before.end_s <= after.start_s


word_rows = st.lists(
    # The length of a word, the silence after it, and whether it is the last of the words that become final together.
    st.tuples(st.floats(0.1, 12), st.one_of(st.just(0.0), st.floats(0, 3)), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(word_rows, st.booleans())
def test_cues_begin_with_their_words_and_never_overlap(rows: list[tuple[float, float, bool]], known: bool) -> None:
    cutter, at_s = CueCutter(), 0.0
    cues: list[Cue] = []
    begun: list[float] = []
    final: list[Spoken] = []
    for number, (long_s, quiet_s, last) in enumerate(rows):
        final.append(Spoken(f"w{number}", at_s, at_s + long_s))
        begun.append(at_s)
        at_s += long_s + quiet_s
        if last or number + 1 == len(rows):
            cues += cutter.cut(final, next_s=at_s) if known else cutter.cut(final)
            final = []
    assert " ".join(cue.text for cue in cues).split() == [f"w{number}" for number in range(len(rows))]
    for cue in cues:
        late_s = cue.start_s - begun[int(cue.text.split()[0][1:])]
        assert 0 <= late_s <= (1e-6 if known else SHORTEST_S)
        assert 0 < cue.end_s - cue.start_s <= LONGEST_S + 1e-6
    for before, after in pairwise(cues):
        assert before.end_s <= after.start_s


def test_short_words_that_are_final_one_by_one_are_not_shown_later_and_later() -> None:
    cutter = CueCutter()
    cues = [cue for at in range(75) for cue in cutter.cut([Spoken(f"{at}.", at * 0.8, at * 0.8 + 0.25)])]
    assert max(cue.start_s - at * 0.8 for at, cue in enumerate(cues)) == pytest.approx(0.2)


def test_in_a_file_a_cue_ends_when_the_next_words_begin(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_files({"jsonl": path}, unexpected) as files:
        files.final(final("yes", 1.0), Live("", since_s=1.6))
        files.final(final("no", 1.7), Live(""))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["start_s"], row["end_s"]) for row in rows] == [(1.0, 1.6), (1.7, 2.7)]


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    (cue,) = CueCutter().cut([Spoken("Yes.", 5.0, 5.2)])
    assert cue.end_s - cue.start_s == 1.0


def test_two_lines_are_about_equally_long() -> None:
    (cue,) = CueCutter().cut(
        said(["please", "hold", "the", "line", "while", "we", "try", "to", "put", "you", "through", "to", "it"])
    )
    assert abs(columns(cue.lines[0]) - columns(cue.lines[1])) <= 10


def test_with_the_name_of_the_source_no_line_is_too_long() -> None:
    cues = CueCutter("speaker").cut(said(["extension"] * 30))
    rows = "".join(as_srt(cue, 1) for cue in cues).splitlines()
    assert max(map(columns, rows)) <= LINE_COLUMNS


def test_a_pause_ends_a_cue() -> None:
    first, second = CueCutter().cut([*said(["one", "two"]), *said(["three"], 3.0)])
    assert (first.text, second.text) == ("one two", "three")


NASTY = "ls\n\x1b]0;x\x07\u202eevil <script>alert(1)</script> {\\an8} --> & <b>"


def nasty_cues(source: str = "") -> list[Cue]:
    return CueCutter(source).cut(spoken(Transcript(NASTY, Utterance(bytes(64_000), 0, 0))))


def test_no_tag_and_no_control_character_reaches_a_subtitle_file() -> None:
    cues = nasty_cues("mic")
    as_one = "".join(as_srt(cue, at + 1) for at, cue in enumerate(cues))
    (first, *_) = read_srt(as_one)
    assert first.content.startswith("[mic] ls evil ‹script›")
    assert not any(char in as_one for char in "<{\x1b\u202e\x07")
    assert as_one.count("-->") == len(cues)
    page = VTT_HEAD + "".join(as_vtt(cue, at + 1) for at, cue in enumerate(cues))
    assert "<script" not in page
    assert page.count("-->") == len(cues)
    parsed = webvtt.from_buffer(StringIO(page))
    assert len(parsed) == len(cues)


def final(text: str, start_s: float, source: str = "") -> Final:
    return Final(source, tuple(said(text.split(), start_s)))


def unexpected(error: OutputError) -> None:
    raise error


@pytest.mark.parametrize(
    ("ending", "raised"), [(None, OutputError), (KeyboardInterrupt(), OutputError), (ValueError(), ValueError)]
)
def test_a_file_that_cannot_be_written_is_reported_and_the_other_file_goes_on(
    tmp_path: Path, ending: BaseException | None, raised: type[BaseException]
) -> None:
    reported: list[OutputError] = []
    paths = {"srt": Path("/dev/full"), "jsonl": tmp_path / "a.jsonl"}

    def write() -> None:
        with open_files(paths, reported.append) as files:
            files.final(final("one", 10.0), Live(""))
            files.final(final("two", 20.0), Live(""))
            if ending is not None:
                raise ending

    with pytest.raises(raised):
        write()
    assert len(paths["jsonl"].read_text().splitlines()) == 2
    assert [str(error) for error in reported] == ["/dev/full: can't be written: No space left on device"]


def test_files_contain_each_cue_as_soon_as_it_is_final(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt", "jsonl")}
    with open_files(paths, unexpected) as files:
        for number in range(1, 4):
            files.final(final(f"sentence number {number}", 10.0 * number), Live(""))
            assert len(read_srt(paths["srt"].read_text())) == number
            assert len(webvtt.read(str(paths["vtt"]))) == number
            assert len([json.loads(line) for line in paths["jsonl"].read_text().splitlines()]) == number
    assert paths["srt"].stat().st_mode & 0o777 == 0o600
    parsed = read_srt(paths["srt"].read_text())
    assert [cue.start.total_seconds() for cue in parsed] == [10.0, 20.0, 30.0]


def test_cues_of_two_sources_are_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    with open_files({"jsonl": path}, unexpected) as files:
        files.live(Live("mic", since_s=1.0))
        files.final(final("they said", 2.0, "speaker"), Live("speaker"))
        assert path.read_text() == ""  # the microphone's words began earlier and are not final yet
        files.final(final("I said", 1.0, "mic"), Live("mic"))
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(row["source"], row["text"]) for row in rows] == [("mic", "I said"), ("speaker", "they said")]


def test_nothing_is_overwritten_and_the_files_of_a_session_have_one_number(tmp_path: Path) -> None:
    paths = {kind: tmp_path / f"a.{kind}" for kind in ("srt", "vtt")}
    paths["vtt"].write_text("mine")
    for number, file in enumerate(("a-2", "a-3")):
        with open_files(paths, unexpected) as files:
            files.final(final(f"session {number}", 1.0), Live(""))
            assert files.paths == (tmp_path / f"{file}.srt", tmp_path / f"{file}.vtt")
    assert paths["vtt"].read_text() == "mine"
    assert not paths["srt"].exists()
    assert "session 0" in (tmp_path / "a-2.srt").read_text()
    assert "session 1" in (tmp_path / "a-3.srt").read_text()


def test_two_sessions_at_the_same_time_write_two_files(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.srt"
    with open_files({"srt": path}, unexpected) as first, open_files({"srt": path}, unexpected) as second:
        assert (first.paths, second.paths) == ((path,), (tmp_path / "new" / "a-2.srt",))


def test_another_programs_file_is_written_on_to(tmp_path: Path) -> None:
    """As /dev/stdout is, where the shell has opened the file by `>>`."""
    path = tmp_path / "log"
    path.write_text("before\n")
    with path.open("ab") as given:
        other = {"jsonl": Path(f"/dev/fd/{given.fileno()}")}
        for _ in range(2):
            with open_files(other, unexpected) as files:
                files.final(final("hello", 1.0), Live(""))
    before, *lines = path.read_text().splitlines()
    assert (before, [json.loads(line)["text"] for line in lines]) == ("before", ["hello", "hello"])


def test_the_text_of_a_cue_is_what_was_said() -> None:
    truth = said(["one", "two", "three"])
    assert text_of(truth) == CueCutter().cut(truth)[0].text


def test_what_is_left_of_a_cue_that_is_cut_after_a_clause_fits_with_the_next_word_or_stands_alone() -> None:
    texts = ["One", "two", "three,", "New", "x" * 42, "y" * 42, "end."]
    words = [Spoken(text, at / 2, at / 2 + 0.4) for at, text in enumerate(texts)]
    cues = CueCutter().cut(words)
    assert " ".join(cue.text for cue in cues) == " ".join(texts)
    assert all(len(cue.lines) <= 2 and max(map(columns, cue.lines)) <= 42 for cue in cues)
