"""`command`: hands what was heard to an external program and speaks what it prints, line by line.

The text goes to the program's standard input, with a newline, and nothing else about the turn does; no shell is
involved, and its environment is the daemon's, to which nothing is added.
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
from voiceloop.text import clean_line
from voiceloop.types import Transcript

if TYPE_CHECKING:
    from voiceloop.plugins import Reply, Services

PLACE = "handler.command"
LONGEST_LINE_BYTES = 1 << 16
"""A line longer than this is spoken in parts."""
LONGEST_COMPLAINT = 300
TERMINATE_S = 0.3
"""How long a cancelled program may take to end itself before it is killed: the daemon itself ends within 1 s."""
LINGER_S = 0.5
"""How long its output is still read after the program ended: something that it started may hold the pipe for ever."""


class CommandOptions(Table):
    """The keys of `[handler]` with `use = "command"`."""

    command: Annotated[str, Field(min_length=1)] | Annotated[tuple[str, ...], Field(min_length=1)]
    """The program and its arguments, as a list, or as one string with a shell's quoting (no shell is run)."""
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    """How long the program may be silent before it is ended."""
    turns: Literal["exclusive", "replace"] = "exclusive"
    """`exclusive`: what you say meanwhile waits for the program. `replace`: it kills the program."""
    cwd: Path | None = None
    """The folder that it runs in; none is the daemon's."""


@dataclass(slots=True)
class Lines:
    """Lines out of pieces of bytes; holds at most one line and a piece."""

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
class Complaint:
    """The last line of standard error that says something, and whether all of it was read."""

    last: str = ""
    complete: trio.Event = field(default_factory=trio.Event)


class CommandHandler:
    """Text on a program's standard input; each line of its standard output is spoken as it comes."""

    Options = CommandOptions
    preemptive = False

    def __init__(self, options: CommandOptions) -> None:
        self._options = options
        self._cwd = options.cwd.expanduser() if options.cwd is not None else None
        self.turns = options.turns
        command = options.command
        self._argv = shlex.split(command) if isinstance(command, str) else list(command)

    @classmethod
    @asynccontextmanager
    async def open(cls, options: BaseModel, services: Services) -> AsyncIterator[Self]:
        """Look for the program and its folder. Raises HandlerError when one is not there."""
        assert isinstance(options, CommandOptions)
        try:
            self = cls(options)
        except ValueError as error:
            raise HandlerError(
                f"can't be read: {error}", place=PLACE, remedy="Close its quotes, or use a list"
            ) from None
        self._check()
        yield self

    @property
    def description(self) -> str:
        return f"command: {clean_line(shlex.join(self._argv))}"

    async def warm(self) -> None:
        await trio.lowlevel.checkpoint()

    async def handle(self, transcript: Transcript, reply: Reply) -> None:
        """Run the program once. Raises HandlerError when it can't be started, fails, or is silent for too long."""
        async with self._program() as process, private_nursery() as nursery:
            complaint = Complaint()
            nursery.start_soon(_write, process, transcript.text)
            nursery.start_soon(_read_complaint, process, complaint)
            with trio.CancelScope() as reading:
                nursery.start_soon(_stop_reading, process, reading)
                await self._speak(process, reply)
            with self._patience():
                status = await process.wait()
            with trio.move_on_after(LINGER_S):
                await complaint.complete.wait()
            self._judge(status, complaint.last)

    def _check(self) -> None:
        if not self._argv:
            raise HandlerError("names no program", place=PLACE, remedy="Give a program and its arguments")
        cwd = self._cwd
        if cwd is not None and not cwd.is_dir():
            raise HandlerError(f"there is no folder '{cwd}'", place="handler.cwd", remedy="Make it, or name another")
        program = self._argv[0]
        beside = cwd / program if cwd is not None and os.sep in program else program
        if shutil.which(beside) is None:
            raise HandlerError(
                f"there is no program '{program}' that can be run",
                place=PLACE,
                remedy="Install it, give its full path, or make it executable (chmod +x)",
            )

    @asynccontextmanager
    async def _program(self) -> AsyncIterator[trio.Process]:
        """The program in a process group of its own, which is ended with the turn."""
        self._check()
        try:
            process = await trio.lowlevel.open_process(
                self._argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                cwd=self._cwd,
                process_group=0,
            )
        except OSError as error:
            why = f"'{self._argv[0]}' can't be started: {error.strerror}"
            raise HandlerError(why, place=PLACE, remedy="Check that it is a program for this machine") from error
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
            with self._patience():
                data = await process.stdout.receive_some()
            ended = not data
            for line in lines.feed(data) + (lines.finish() if ended else []):
                # An empty line after each: the splitter then needs no more to know that it is complete.
                await reply.say(f"{line}\n\n")

    def _patience(self) -> AbstractContextManager[object]:
        return _patience(self._argv[0], self._options.timeout_s)

    def _judge(self, status: int, complaint: str) -> None:
        if status == 0:
            return
        ended = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        said = f": {complaint}" if complaint else ""
        raise HandlerError(f"'{self._argv[0]}' {ended}{said}", place=PLACE, remedy="Run it by hand to see why")


@contextmanager
def _patience(program: str, timeout_s: float) -> Iterator[None]:
    try:
        with trio.fail_after(timeout_s):
            yield
    except trio.TooSlowError:
        why = f"'{program}' was silent for {timeout_s:g} s and was ended"
        raise HandlerError(why, place=PLACE, remedy="Let it print something, or raise handler.timeout_s") from None


async def _write(process: trio.Process, text: str) -> None:
    assert process.stdin is not None
    with suppress(trio.BrokenResourceError):  # it needn't read
        await process.stdin.send_all(text.encode() + b"\n")
    await process.stdin.aclose()


async def _read_complaint(process: trio.Process, complaint: Complaint) -> None:
    assert process.stderr is not None
    lines = Lines()
    ended = False
    while not ended:
        data = await process.stderr.receive_some()
        ended = not data
        for line in lines.feed(data) + (lines.finish() if ended else []):
            complaint.last = clean_line(line)[:LONGEST_COMPLAINT] or complaint.last
    complaint.complete.set()


async def _stop_reading(process: trio.Process, reading: trio.CancelScope) -> None:
    await process.wait()
    await trio.sleep(LINGER_S)
    reading.cancel("the program ended")


async def _end(process: trio.Process) -> None:
    """Terminate the group, then kill it. A program that ended by itself leaves its children alone."""
    if process.returncode is not None:
        return
    for signal_number, wait_s in ((signal.SIGTERM, TERMINATE_S), (signal.SIGKILL, 1)):
        with suppress(ProcessLookupError, PermissionError):  # PermissionError: macOS, of a group of zombies
            os.killpg(process.pid, signal_number)
        with trio.move_on_after(wait_s):
            await process.wait()
            return
