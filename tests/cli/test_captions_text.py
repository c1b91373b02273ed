"""Captions on the command line: redrawn in place on a terminal, only final lines in a pipe."""

from __future__ import annotations

import io
import re

import pytest

from voiceloop.cli.captions_text import Captions, Line, Screen, rows, start_row
from voiceloop.text import columns

ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


class Terminal(io.StringIO):
    """A fake terminal that records its output and works out the rows on its screen."""

    def isatty(self) -> bool:
        return True

    def screen_rows(self) -> list[str]:
        """The rows on the screen after all cursor movements."""
        shown: list[str] = []
        row = 0
        for part in re.split(r"(\x1b\[\d+A\r\x1b\[J)", self.getvalue()):
            if up := re.fullmatch(r"\x1b\[(\d+)A\r\x1b\[J", part):
                row -= int(up[1])
                assert row >= 0
                del shown[row:]
                continue
            for line in part.splitlines():
                shown.append(ESCAPE.sub("", line))
                row += 1
        return shown


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "10")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    return Terminal()


def live(show: Captions, sure: str, unsure: str = "", source: str = "") -> None:
    show("caption.live", source=source, sure=sure, unsure=unsure)


def final(show: Captions, text: str, source: str = "", **more: object) -> None:
    show("caption.final", source=source, text=text, start_s=0, end_s=1, **more)


def test_live_words_are_replaced_by_final_ones_in_place(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    live(show, "please hold", "your")
    live(show, "please hold your call", "is important to all of us")
    assert terminal.screen_rows() == ["please hold your call is", "important to all of us"]
    final(show, "Please hold: your call is important.")
    live(show, "")
    live(show, "", "next")
    assert terminal.screen_rows() == ["Please hold: your call is", "important.", "next"]


def test_the_option_lines_limits_the_rows_on_the_screen(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=2, width=0))
    for text in ("one", "two", "three"):
        final(show, text)
        live(show, "")
    live(show, "four")
    assert terminal.screen_rows() == ["three", "four"]


def test_no_color_is_respected(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    live(show, "sure", "unsure", source="mic")
    assert "\x1b[2m" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    show = Captions(Screen.of(plain, lines=0, width=0))
    live(show, "sure", "unsure", source="mic")
    assert "\x1b" not in plain.getvalue()


def test_in_a_pipe_only_final_lines_are_written() -> None:
    out = io.StringIO()
    show = Captions(Screen.of(out, lines=0, width=0))
    live(show, "one")
    final(show, "one two", source="speaker")
    live(show, "")
    assert out.getvalue() == "speaker: one two\n"


@pytest.mark.parametrize(
    ("source", "row"), [("", "Person 2: one two"), ("speaker", "speaker, Person 2: one two"), ("mic", "")]
)
def test_who_speaks_stands_before_the_words(terminal: Terminal, source: str, row: str) -> None:
    out = io.StringIO()
    for stream in (terminal, out):
        show = Captions(Screen.of(stream, lines=0, width=0))
        final(show, "one two", source=source, speaker="Person 2")
        live(show, "", source=source)
    row = row or "mic, Person 2: one two"
    assert terminal.screen_rows() == [row]
    assert out.getvalue() == f"{row}\n"


def second(show: Captions, number: int, text: str) -> None:
    show("caption.translated", number=number, text=text)


def test_a_second_line_comes_below_its_words_though_others_have_followed(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    final(show, "Hello.", number=1)
    live(show, "how", "are")
    assert terminal.screen_rows() == ["Hello.", "how are"]
    final(show, "How are you?", number=2)
    live(show, "fine")
    second(show, 1, "Bonjour.")
    assert terminal.screen_rows() == ["Hello.", "  Bonjour.", "How are you?", "fine"]
    assert "\x1b[2m  Bonjour.\x1b[0m" in terminal.getvalue()
    second(show, 2, "")
    live(show, "")
    assert terminal.screen_rows() == ["Hello.", "  Bonjour.", "How are you?"]


def test_a_long_second_line_is_wrapped_as_the_words_are(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=20))
    final(show, "one", number=1)
    second(show, 1, "quelque chose de très long \x1b[2J" + "x" * 30)
    assert terminal.screen_rows() == ["one", "  quelque chose de", "  très long", f"  {'x' * 18}", f"  {'x' * 12}"]


def test_second_lines_on_a_screen_of_few_lines(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=3, width=0))
    for number, text in enumerate(["one", "two"], 1):
        final(show, text, number=number)
        live(show, "")
    second(show, 2, "deux")
    second(show, 1, "un")
    assert terminal.screen_rows() == ["  un", "two", "  deux"]


def test_a_message_while_second_lines_are_awaited_leaves_the_words_on_the_screen(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    final(show, "one", number=1)
    live(show, "")
    show("notice", text="Something.")
    second(show, 1, "un")
    assert terminal.screen_rows() == ["one", "  un"]


def test_in_a_pipe_a_second_line_is_indented_below() -> None:
    out = io.StringIO()
    show = Captions(Screen.of(out, lines=0, width=0))
    final(show, "one", source="mic", number=1)
    second(show, 1, "un")
    second(show, 2, "")
    assert out.getvalue() == "mic: one\n  un\n"


def test_a_name_that_is_wider_than_a_row_is_written_once() -> None:
    line = Line("speaker", "one two", speaker="Person 2")
    drawn = [ESCAPE.sub("", row) for row in rows(line, 10, colour=True)]
    assert "".join(drawn).replace(" ", "") == "speaker,Person2:onetwo"


def test_escape_sequences_in_captions_do_not_reach_the_terminal(terminal: Terminal) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    nasty = "a\x1b]0;title\x07 \x1b[2J\u202eb\r\nc <script>"
    live(show, nasty, nasty)
    final(show, nasty)
    live(show, "")
    assert terminal.screen_rows() == ["a b c <script>"]
    assert set(re.findall(r"\x1b[^A-Za-z]*[A-Za-z]", terminal.getvalue())) <= {
        "\x1b[2m",
        "\x1b[0m",
        "\x1b[1A",
        "\x1b[2A",
        "\x1b[J",
    }


@pytest.mark.parametrize("width", [10, 21, 40])
def test_rows_are_no_wider_than_the_terminal(width: int) -> None:
    line = Line("speaker", "字幕の幅 is twice as wide and " + "endless" * 20, "字" * 30)
    assert all(columns(ESCAPE.sub("", row)) <= width for row in rows(line, width, colour=True))


def test_a_notice_is_printed_above_the_live_words(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    live(show, "still talking")
    show("notice", text="Something happened.")
    assert capsys.readouterr().err == "Something happened.\n"
    assert terminal.screen_rows() == ["still talking"]


def test_when_the_terminal_gets_narrower_old_rows_are_erased_completely(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    show = Captions(Screen.of(terminal, lines=0, width=0))
    live(show, "as wide as it can be", "字幕")
    monkeypatch.setenv("COLUMNS", "12")  # the terminal wraps the row into three
    live(show, "next")
    assert terminal.getvalue().count("\x1b[3A\r\x1b[J") == 1
    live(show, "after that")
    assert terminal.getvalue().count("\x1b[1A\r\x1b[J") == 1


OUTPUT = 'the computer\'s output ("Built-in Audio Analog Stereo")'
LOCAL = {"text": "Speech is transcribed by Moonshine on this machine.", "who": "Moonshine on this machine"}
SERVED = {"text": "Speech goes to openrouter.ai (openai/whisper), as --cloud says.", "who": "openrouter.ai"}


@pytest.mark.parametrize(
    ("engines", "width", "row"),
    [
        (
            LOCAL,
            200,
            f"Speech is transcribed by Moonshine on this machine. Listening to {OUTPUT}. Ctrl-C ends it.",
        ),
        (LOCAL, 110, f"Moonshine on this machine hears {OUTPUT}. Ctrl-C ends it."),
        (LOCAL, 60, "This machine hears the computer's output. Ctrl-C ends it."),
        (SERVED, 60, "openrouter.ai hears the computer's output. Ctrl-C ends it."),
        (SERVED, 30, "openrouter.ai hears the comput…"[:29] + "…"),
    ],
)
def test_one_row_says_where_words_go_what_is_heard_and_how_to_end(
    engines: dict[str, object], width: int, row: str
) -> None:
    made = start_row(engines, {"heard": OUTPUT, "state": "listening"}, width)
    assert made == row
    assert columns(made) <= width


@pytest.mark.parametrize("width", [30, 60, 100, 200])
@pytest.mark.parametrize("state", ["listening", "idle"])
def test_the_row_says_at_every_width_that_the_words_go_to_be_translated(width: int, state: str) -> None:
    text = "Speech is transcribed by Moonshine on this machine; words go to a.example (a/b)."
    made = start_row({**LOCAL, "text": text, "translates": "a.example"}, {"heard": OUTPUT, "state": state}, width)
    assert columns(made) <= width
    assert "ords go to a.example" in made


@pytest.mark.parametrize("width", [30, 60, 100, 200])
def test_the_row_of_a_program_that_starts_idle_says_so(width: int) -> None:
    made = start_row(LOCAL, {"heard": OUTPUT, "state": "idle"}, width)
    assert columns(made) <= width
    assert "will hear" in made or "Not listening" in made


def test_what_is_offered_comes_after_the_last_line(terminal: Terminal, capsys: pytest.CaptureFixture[str]) -> None:
    """Not before the first caption."""
    show = Captions(Screen.of(terminal, lines=0, width=0), at_end=lambda: print("An offer."))
    show("ready", state="listening", heard="nothing")
    assert "offer" not in capsys.readouterr().out
    show("captions.stopped", heard_s=1.0, posted_s=2.0, kept=0, files=["a.srt"])
    assert capsys.readouterr() == (
        "An offer.\n",
        "Stopped. 1.0 s of speech, 2.0 s of audio transcribed, live words included. Written: a.srt.\n",
    )
