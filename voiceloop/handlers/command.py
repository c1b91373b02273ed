"""`command`: passes what the user said to an external program and speaks what it prints, line by line.

The program gets the text, followed by a newline, on its standard input, and nothing else about the turn. No shell is
involved. The program's environment is voiceloop's own, with nothing added.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Self

import trio
from pydantic import BaseModel, Field

from voiceloop.config.tables import Table
from voiceloop.errors import HandlerError
from voiceloop.nursery import private_nursery
from voiceloop.system.paths import expanded
from voiceloop.system.private_files import inherited_umask
from voiceloop.text import clean_line
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services

PLACE = "handler.command"
LONGEST_LINE_BYTES = 1 << 16
"""A line longer than this is spoken in parts."""
LONGEST_ERROR = 300
"""Characters of a line of standard error that are shown."""
TERMINATE_S = 0.3
"""How long a cancelled program may take to end after SIGTERM before it is killed: voiceloop itself ends within 1 s."""
LINGER_S = 0.5
"""How long output is still read after the program has ended: its child processes may hold the pipe open for ever."""


class CommandOptions(Table):
    """Options of `[handler] use = "command"`."""

    command: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments, as a list or as one string with shell quoting. No shell is run."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """How long the program may print nothing before it is ended."""
    turns: Literal["exclusive", "replace"] = "exclusive"
    """What happens when you speak while the program runs. `exclusive`: your words wait until it ends. `replace`: the
    program is ended."""
    cwd: Path | None = None
    """The folder that the program runs in; by default voiceloop's own working directory."""


@dataclass(slots=True)
class Lines:
    """Splits bytes that arrive in pieces into lines; holds at most one line and one piece."""

    rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes | bytearray) -> list[str]:
        self.rest += data
        *lines, rest = self.rest.split(b"\n")
        if len(rest) >= LONGEST_LINE_BYTES:
            lines, rest = [*lines, rest], bytearray()
        self.rest = rest
        return [line.decode(errors="replace") for line in lines]

    def finish(self) -> list[str]:
        rest, self.rest = self.rest, bytearray()
        return [rest.decode(errors="replace")] if rest else []


@dataclass(slots=True)
class _ErrorOutput:
    """The last non-empty line of the program's standard error, and whether all of it has been read."""

    last_line: str = ""
    complete: trio.Event = field(default_factory=trio.Event)


class CommandHandler:
    """The handler for `use = "command"`: each line of the program's standard output is spoken as it arrives."""

    Options = CommandOptions
    preemptive = False

    def __init__(self, options: CommandOptions) -> None:
        self._options = options
        self._cwd = expanded(options.cwd) if options.cwd is not None else None
        self.turns = options.turns
        command = options.command
        self._argv = shlex.split(command) if isinstance(command, str) else list(command)

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Check that the program and its folder exist. Raises HandlerError when one does not."""
        assert isinstance(options, CommandOptions)
        try:
            handler = cls(options)
        except ValueError as error:
            raise HandlerError(
                f"can't be split into arguments: {error}", place=PLACE, remedy="Close its quotes, or use a list"
            ) from None
        handler._check()
        yield handler

    @property
    def description(self) -> str:
        return f"command: {clean_line(shlex.join(self._argv))}"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Run the program once. Raises HandlerError if it can't start, fails, or prints nothing for `timeout_s`."""
        async with self._program() as process, private_nursery() as nursery:
            error_output = _ErrorOutput()
            nursery.start_soon(_write_input, process, transcript.text, name="command input")
            nursery.start_soon(_read_errors, process, error_output, name="command errors")
            with trio.CancelScope() as reading:
                nursery.start_soon(_stop_reading, process, reading, name="command end")
                await self._speak(process, reply)
            with self._time_limit():
                status = await process.wait()
            with trio.move_on_after(LINGER_S):
                await error_output.complete.wait()
            self._check_status(status, error_output.last_line)

    def _check(self) -> None:
        """Raise HandlerError if the program can't be run or its folder is missing."""
        if not self._argv:
            raise HandlerError("names no program", place=PLACE, remedy="Give a program and its arguments")
        cwd = self._cwd
        if cwd is not None and not os.path.isdir(cwd):  # noqa: PTH112 - no error for a name that is too long
            raise HandlerError(f"there is no folder '{cwd}'", place="handler.cwd", remedy="Create it, or name another")
        program = self._argv[0]
        path = cwd / program if cwd is not None and os.sep in program else program
        if shutil.which(path) is None:
            raise HandlerError(
                f"there is no program '{program}' that can be run",
                place=PLACE,
                remedy="Install it, give its full path, or make it executable (chmod +x)",
            )

    @asynccontextmanager
    async def _program(self) -> AsyncIterator[trio.Process]:
        """Start the program in its own process group; end the group with the turn."""
        self._check()
        try:
            process = await trio.lowlevel.open_process(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._cwd,
                process_group=0,
                umask=inherited_umask(),
            )
        except OSError as error:
            why = f"'{self._argv[0]}' can't be started: {error.strerror}"
            raise HandlerError(why, place=PLACE, remedy="Check that it was built for this machine") from error
        try:
            yield process
        finally:
            with trio.move_on_after(TERMINATE_S + 1, shield=True):
                await _end(process)
                for stream in (process.stdin, process.stdout, process.stderr):
                    if stream is not None:
                        await stream.aclose()

    async def _speak(self, process: trio.Process, reply: Reply) -> None:
        assert process.stdout is not None
        lines = Lines()
        ended = False
        while not ended:
            with self._time_limit():
                data = await process.stdout.receive_some()
            ended = not data
            for line in lines.feed(data) + (lines.finish() if ended else []):
                # The empty line tells the splitter that the line is complete, so that it is spoken at once.
                await reply.say(f"{line}\n\n")

    def _time_limit(self) -> AbstractContextManager[object]:
        return _time_limit(self._argv[0], self._options.timeout_s)

    def _check_status(self, status: int, last_error: str) -> None:
        """Raise HandlerError unless the exit status is 0."""
        if status == 0:
            return
        ended = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        reason = f": {last_error}" if last_error else ""
        raise HandlerError(f"'{self._argv[0]}' {ended}{reason}", place=PLACE, remedy="Run it by hand to see why")


@contextmanager
def _time_limit(program: str, timeout_s: float) -> Iterator[None]:
    """Raise HandlerError if the body takes longer than `timeout_s`."""
    try:
        with trio.fail_after(timeout_s):
            yield
    except trio.TooSlowError:
        why = f"'{program}' printed nothing for {timeout_s:g} s and was ended"
        raise HandlerError(
            why, place=PLACE, remedy="Make it print something sooner, or raise handler.timeout_s"
        ) from None


async def _write_input(process: trio.Process, text: str) -> None:
    assert process.stdin is not None
    with suppress(trio.BrokenResourceError):  # the program need not read its input
        await process.stdin.send_all(text.encode() + b"\n")
    await process.stdin.aclose()


async def _read_errors(process: trio.Process, output: _ErrorOutput) -> None:
    assert process.stderr is not None
    lines = Lines()
    ended = False
    while not ended:
        data = await process.stderr.receive_some()
        ended = not data
        for line in lines.feed(data) + (lines.finish() if ended else []):
            output.last_line = clean_line(line)[:LONGEST_ERROR] or output.last_line
    output.complete.set()


async def _stop_reading(process: trio.Process, reading: trio.CancelScope) -> None:
    """Cancel `reading` LINGER_S after the program has ended."""
    await process.wait()
    await trio.sleep(LINGER_S)
    reading.cancel("the program ended")


async def _end(process: trio.Process) -> None:
    """Send SIGTERM to the process group, then SIGKILL. After a program that has already ended, its children live on."""
    if process.returncode is not None:
        return
    for signal_number, wait_s in ((signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, 1)):
        with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, for a group of zombies
            os.killpg(process.pid, signal_number)
        with trio.move_on_after(wait_s):
            await process.wait()
            return
