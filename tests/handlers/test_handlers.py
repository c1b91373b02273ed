"""Handlers `echo`, `command` and `python`: their replies, their errors, and how they are cancelled."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from voiceloop.errors import ConfigError, EngineError, HandlerError
from voiceloop.handlers.command import CommandHandler, CommandOptions, Lines
from voiceloop.handlers.echo import EchoHandler, EchoOptions
from voiceloop.handlers.python import PythonHandler, PythonOptions, wants_history
from voiceloop.speak.splitter import Splitter
from voiceloop.types import Message, Transcript, Utterance

SERVICES = cast(Any, None)
"""These handlers use no services."""
HERE = __name__


class RecordedReply:
    """A reply that records its text, as it arrives and cut into chunks to speak."""

    def __init__(self, history: Sequence[Message] = ()) -> None:
        self.history = history
        self.deltas: list[str] = []
        self.spoken: list[str] = []
        self.news = trio.Event()
        self._splitter = Splitter()

    async def say(self, delta: str) -> None:
        await trio.lowlevel.checkpoint()
        self.deltas.append(delta)
        self.spoken += self._splitter.feed(delta)
        self.news.set()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the handlers under test don't use {name}")


def make_transcript(text: str) -> Transcript:
    return Transcript(text, Utterance(b"", 0, 0))


async def run(
    command: str | tuple[str, ...], text: str = "hi", reply: RecordedReply | None = None, **options: Any
) -> RecordedReply:
    reply = reply or RecordedReply()
    async with CommandHandler.open(CommandOptions(command=command, **options), SERVICES) as handler:
        await handler.handle(make_transcript(text), cast(Any, reply))
    return reply


def script(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


async def call(function: str, reply: RecordedReply | None = None, **options: Any) -> RecordedReply:
    reply = reply or RecordedReply()
    async with PythonHandler.open(PythonOptions(function=f"{HERE}:{function}", **options), SERVICES) as handler:
        await handler.handle(make_transcript("hi"), cast(Any, reply))
    return reply


def _is_zombie(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "\nState:\tZ" in status.read_text()


async def has_ended(pid: int) -> bool:
    """Whether a process ends within a minute."""
    with trio.move_on_after(60):
        while True:
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return True
            if _is_zombie(pid):
                return True
            await trio.sleep(0.01)
    return False


async def test_echo_repeats_the_transcript() -> None:
    reply = RecordedReply()
    async with EchoHandler.open(EchoOptions(prefix="You said"), SERVICES) as handler:
        await handler.handle(make_transcript("hello"), cast(Any, reply))
    assert reply.deltas == ["You said hello"]


async def test_a_program_gets_the_text_and_its_lines_are_spoken() -> None:
    reply = await run("sh -c 'read line; echo \"You said $line\"; echo and more'", "good morning")
    assert reply.spoken == ["You said good morning", "and more"]


async def test_each_line_is_spoken_while_the_program_goes_on() -> None:
    reply = RecordedReply()
    code = "import sys,time; print('first', flush=True); time.sleep(600)"
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await run(script(code), reply=reply)

        nursery.start_soon(work)
        with trio.fail_after(60):
            await reply.news.wait()
        assert reply.spoken == ["first"]
        nursery.cancel_scope.cancel()


async def test_text_is_data_to_the_program_and_never_to_a_shell() -> None:
    reply = await run(("cat",), "$(touch x); `id` & rm")
    assert reply.deltas == ["$(touch x); `id` & rm\n\n"]


async def test_a_program_need_not_read_its_input() -> None:
    assert (await run("echo done", "x" * 200_000)).spoken == ["done"]


async def test_a_last_line_without_a_newline_is_spoken() -> None:
    assert (await run("printf 'no newline'")).deltas == ["no newline\n\n"]


async def test_cancelling_a_turn_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    child = "import os,time; print(os.getpid(), os.getppid(), flush=True); time.sleep(600)"
    reply = RecordedReply()
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await run(f"sh -c '{sys.executable} -c {shlex.quote(shlex.quote(child))[1:-1]}; true'", reply=reply)

        nursery.start_soon(work)
        with trio.fail_after(60):
            await reply.news.wait()
        nursery.cancel_scope.cancel()
    for pid in map(int, reply.deltas[0].split()):
        assert await has_ended(pid)


async def test_a_program_that_ignores_terminate_is_killed() -> None:
    code = (
        "import os,signal,time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), flush=True); time.sleep(600)"
    )
    reply = RecordedReply()
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await run(script(code), reply=reply)

        nursery.start_soon(work)
        with trio.fail_after(60):
            await reply.news.wait()
        nursery.cancel_scope.cancel()
    assert await has_ended(int(reply.deltas[0]))


async def test_the_error_of_a_failing_program_quotes_its_last_line_of_stderr() -> None:
    code = "import sys; print('noise', file=sys.stderr); print('no such \\x1b[31mcity', file=sys.stderr); sys.exit(3)"
    with pytest.raises(HandlerError, match=r"ended with status 3: no such city. Run it by hand"):
        await run(script(code))


async def test_the_output_of_a_failing_program_is_spoken() -> None:
    reply = RecordedReply()
    with pytest.raises(HandlerError):
        await run(script("print('half'); raise SystemExit(1)"), reply=reply)
    assert reply.spoken == ["half"]


async def test_the_error_of_a_killed_program_names_the_signal() -> None:
    with pytest.raises(HandlerError, match="killed by SIGKILL"):
        await run(script(f"import os; os.kill(os.getpid(), {int(signal.SIGKILL)})"))


async def test_a_silent_program_is_ended_after_its_timeout() -> None:
    with pytest.raises(HandlerError, match=r"printed nothing for 0.3 s.*timeout_s"):
        await run("sleep 600", timeout_s=0.3)


async def test_a_process_left_in_the_background_does_not_delay_the_turn() -> None:
    with trio.fail_after(60):
        reply = await run("sh -c 'sleep 600 & echo started $!'")
    os.kill(int(reply.deltas[0].split()[1]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("command", "complaint"),
    [
        ("no-such-program-at-all", "there is no program 'no-such-program-at-all'"),
        ("echo 'unclosed", "quote"),
        ("  ", "names no program"),
    ],
)
async def test_an_unusable_command_is_an_error_at_start(command: str, complaint: str) -> None:
    with pytest.raises(HandlerError, match=complaint):
        await run(command)


async def test_a_missing_folder_is_an_error_at_start(tmp_path: Path) -> None:
    with pytest.raises(HandlerError, match="there is no folder"):
        await run("pwd", cwd=tmp_path / "none")
    assert (await run("pwd", cwd=tmp_path)).deltas == [f"{tmp_path}\n\n"]


def test_a_line_without_end_is_spoken_in_parts() -> None:
    lines = Lines()
    assert [len(line) for line in lines.feed(b"x" * 70_000)] == [70_000]
    assert lines.finish() == []


def plain(text: str) -> str:
    return f"{text} from {threading.current_thread() is threading.main_thread()}"


def nothing(text: str) -> None:
    pass


def remembers(text: str, history: Sequence[Message]) -> str:
    return " ".join(message.text for message in history) + text


def has_an_option(text: str, volume: float = 0.5) -> str:
    return f"{text} {volume}"


def generates(text: str) -> Iterator[str]:
    yield text
    yield " there"


async def waits(text: str) -> str:
    await trio.lowlevel.checkpoint()
    return text


async def streams(text: str) -> AsyncIterator[str]:
    for delta in (text, " again"):
        await trio.lowlevel.checkpoint()
        yield delta


class Callable:
    async def __call__(self, text: str) -> str:
        await trio.lowlevel.checkpoint()
        return f"object {text}"


an_object = Callable()
not_a_function = 3


def breaks(text: str) -> str:
    raise KeyError("lost\x1b[1m")


def exits(text: str) -> str:
    sys.exit("I end it all")


def interrupts(text: str) -> Iterator[str]:
    yield "first"
    raise KeyboardInterrupt


async def exits_later(text: str) -> str:
    await trio.lowlevel.checkpoint()
    raise asyncio.CancelledError


async def exits_in_a_nursery(text: str) -> str:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(exits_later, text)
        nursery.start_soon(trio.sleep_forever)
    return text


async def breaks_late(text: str) -> AsyncIterator[str]:
    yield "first"
    await trio.lowlevel.checkpoint()
    raise ValueError("later")


def gives_a_number(text: str) -> int:
    return 3


def takes_three(text: str, history: object, third: object) -> None:
    pass


closed: list[str] = []


async def forever(text: str) -> AsyncIterator[str]:
    try:
        while True:
            yield "on and "
            await trio.lowlevel.checkpoint()
    finally:
        closed.append("forever")


@pytest.mark.parametrize(
    ("function", "deltas"),
    [
        ("plain", ["hi from False"]),
        ("nothing", []),
        ("remembers", ["earlierhi"]),
        ("has_an_option", ["hi 0.5"]),
        ("generates", ["hi", " there"]),
        ("waits", ["hi"]),
        ("streams", ["hi", " again"]),
        ("an_object", ["object hi"]),
    ],
)
async def test_a_function_of_any_kind_answers(function: str, deltas: list[str]) -> None:
    assert (await call(function, RecordedReply([Message("user", "earlier")]))).deltas == deltas


async def test_the_error_of_a_function_names_its_line() -> None:
    with pytest.raises(HandlerError, match=r"breaks' failed: KeyError: 'lost.*test_handlers.py:\d+"):
        await call("breaks")


@pytest.mark.parametrize("function", ["exits", "exits_later", "interrupts", "exits_in_a_nursery"])
async def test_what_no_function_should_raise_is_an_error_like_any_other(function: str) -> None:
    with pytest.raises(HandlerError, match=rf"{function}' failed: .*test_handlers.py:\d+"):
        await call(function)


async def test_text_before_a_late_failure_is_spoken() -> None:
    reply = RecordedReply()
    with pytest.raises(HandlerError, match="ValueError: later"):
        await call("breaks_late", reply)
    assert reply.deltas == ["first"]


async def test_a_function_that_returns_no_text_is_an_error() -> None:
    with pytest.raises(HandlerError, match=r"returned int, not text. Return or yield strings"):
        await call("gives_a_number")


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ("takes_three", r"test_handlers.py can't be called with the text: .*third"),
        ("plian", "Did you mean 'plain'"),
        ("not_a_function", "is not a function"),
    ],
)
async def test_an_unusable_function_is_an_error_at_start(function: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        await call(function)


async def test_a_module_that_fails_to_import_is_an_error_at_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_module_of_test.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(EngineError, match=r"ZeroDivisionError.*broken_module_of_test.py:1"):
        async with PythonHandler.open(PythonOptions(function="broken_module_of_test:x"), SERVICES):
            pass


async def test_a_synchronous_function_cannot_be_preemptive() -> None:
    with pytest.raises(ConfigError, match="is synchronous"):
        await call("plain", preemptive=True)
    async with PythonHandler.open(PythonOptions(function=f"{HERE}:waits", preemptive=True), SERVICES) as handler:
        assert handler.preemptive


async def test_a_cancelled_generator_is_closed() -> None:
    reply = RecordedReply()
    async with trio.open_nursery() as nursery:

        async def work() -> None:
            await call("forever", reply)

        nursery.start_soon(work)
        with trio.fail_after(60):
            await reply.news.wait()
        nursery.cancel_scope.cancel()
    assert closed == ["forever"]


async def test_a_cancelled_synchronous_function_does_not_delay_the_turn() -> None:
    release.clear()
    with trio.move_on_after(0.2) as turn:
        await call("blocks")
    assert turn.cancelled_caught
    release.set()


release = threading.Event()


def blocks(text: str) -> None:
    release.wait(60)


def test_history_is_given_to_functions_that_ask_for_it() -> None:
    def starred(*texts: str) -> None: ...
    def optional(text: str, history: object = None) -> None: ...

    assert wants_history(remembers, "x")
    assert wants_history(optional, "x")
    assert not wants_history(starred, "x")
    assert not wants_history(print, "x")
