"""Standard output that nobody reads: the loop goes on, lines are dropped in bounds, and that is told."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
import trio

from voiceloop.cli.captions_text import Line, Screen
from voiceloop.cli.output import Output, open_output
from voiceloop.cli.render import JsonLines, print_error, print_line
from voiceloop.errors import OutputError
from voiceloop.handlers.user_output import own_output
from voiceloop.system.lane import BOUND


class Pipes:
    """Two pipes in place of standard output and standard error."""

    def __init__(self) -> None:
        (self.out_reader, out), (self.err_reader, err) = os.pipe(), os.pipe()
        self.out, self.err = (os.fdopen(fd, "w", encoding="utf-8") for fd in (out, err))

    def read_out(self, until: str) -> str:
        return _read(self.out_reader, until)

    def read_err(self, until: str) -> str:
        return _read(self.err_reader, until)


def _read(descriptor: int, until: str) -> str:
    data = b""
    while until.encode() not in data:
        piece = os.read(descriptor, 65_536)
        assert piece, data
        data += piece
    return data.decode()


@contextmanager
def printing_to_pipes(
    *, json: bool = False, shared: bool = False, full: bool = False
) -> Iterator[tuple[Pipes, Output]]:
    """Have what is printed written to pipes: to one if they are `shared`, standard output to a `full` disk.

    Not a fixture: pytest sets the streams itself before each test.
    """
    pipes = Pipes()
    if shared:
        os.dup2(pipes.out.fileno(), pipes.err.fileno())
    if full:
        with Path("/dev/full").open("wb") as file:
            os.dup2(file.fileno(), pipes.out.fileno())
    try:
        with redirect_stdout(pipes.out), redirect_stderr(pipes.err), open_output(json=json) as printing:
            assert printing is not None
            yield pipes, printing
    finally:
        for descriptor in (pipes.out_reader, pipes.err_reader):
            os.close(descriptor)
        for stream in (pipes.out, pipes.err):
            stream.close()


LONG = "x" * 9_999


def _fill() -> int:
    """Print until lines are dropped; gives how many were taken."""
    taken = 0
    while print_line(LONG):
        taken += 1
        assert taken < 10 * BOUND // len(LONG)
    return taken


def test_a_reader_who_stands_still_stops_nobody_and_is_told_what_is_missing() -> None:
    with printing_to_pipes() as (pipes, _):
        assert _fill() >= BOUND // len(LONG) - 1
        print_error("a message")  # the other stream goes on
        errors = pipes.read_err("a message\n")
        reader = threading.Thread(target=pipes.read_out, args=("the end",))
        reader.start()
        # What is missing is told once the reader has caught up, also if nothing more is printed.
        if "Not written" not in errors:
            assert "Not written, as nobody read the output for too long: 1 line.\n" in pipes.read_err("line.\n")
        assert print_line("the end")
        reader.join()


def test_with_json_the_gap_is_an_event_where_it_is() -> None:
    with printing_to_pipes(json=True) as (pipes, printing):
        publish = JsonLines()
        while not printing._out._dropped:
            publish("caption.live", text=LONG)
        text = pipes.read_out('"output.dropped"')
        text += "" if text.endswith("}\n") else pipes.read_out("}\n")
    events = [json.loads(line) for line in text.splitlines()]
    assert events[-1] == {"event": "output.dropped", "time": events[-1]["time"], "count": 1}
    assert {event["event"] for event in events[:-1]} == {"caption.live"}


def test_both_streams_on_one_terminal_keep_their_order() -> None:
    with printing_to_pipes(shared=True) as (pipes, _):
        for number in range(100):
            print_line(f"out {number}")
            print_error(f"err {number}")
        text = pipes.read_out("err 99\n")
    assert text == "".join(f"out {number}\nerr {number}\n" for number in range(100))


def test_captions_that_a_stopped_terminal_does_not_take_are_drawn_later(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []
    takes = False

    def printed(text: str, **_: object) -> bool:
        if takes:
            taken.append(text)
        return takes

    monkeypatch.setattr("voiceloop.cli.captions_text.print_line", printed)
    screen = Screen(io.StringIO(), terminal=True, colour=False, lines=0, width=40)
    screen.final(Line("", "one"))
    screen.live(Line("", "", "tw"))
    takes = True
    screen.live(Line("", "", "two"))
    assert taken == ["one\ntwo\n"]


async def test_at_the_end_all_is_written() -> None:
    with printing_to_pipes() as (pipes, printing):
        for number in range(1000):
            print_line(f"line {number}")
        with trio.fail_after(30):
            await printing.written()
        assert pipes.read_out("line 999\n").count("\n") == 1000


async def test_an_output_that_cannot_be_written_ends_the_work() -> None:
    with printing_to_pipes(full=True) as (_, printing):
        print_line("something")
        with pytest.raises(OutputError, match="no space left"), trio.fail_after(60):
            await printing.watch()
        assert not print_line("more")


def test_streams_that_are_no_files_are_written_at_once() -> None:
    text = io.StringIO()
    with redirect_stdout(text), open_output(json=False) as printing:
        assert printing is None
        print_line("a line")
    assert text.getvalue() == "a line\n"


def test_a_non_blocking_pipe_is_waited_for() -> None:
    with printing_to_pipes() as (pipes, _):
        os.set_blocking(pipes.out.fileno(), False)
        for _ in range(50):
            assert print_line(LONG)
        print_line("the end")
        assert pipes.read_out("the end\n").count("x") == 50 * len(LONG)


def test_the_lane_is_that_of_the_stream_only() -> None:
    with printing_to_pipes() as (pipes, printing):
        assert printing.lane_of(io.StringIO()) is None
        assert printing.lane_of(pipes.out) is not printing.lane_of(pipes.err)


def test_the_lane_of_standard_output_is_taken_by_what_stands_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else each line would be written in the loop as soon as a handler has functions of the user's."""
    with printing_to_pipes() as (pipes, printing):
        monkeypatch.setattr(sys, "stdout", pipes.out)
        lane = printing.lane_of(sys.stdout)
        with own_output():
            assert sys.stdout is not pipes.out
            assert printing.lane_of(sys.stdout) is lane is not None
