"""The program's microphone, alone in a process of its own: writes what it hears to a file, and stalls when it is told.

    python -m bench.stalls.hearing FILE DEVICE

Lines on its standard input: `hold MS` keeps the GIL for so long, so that neither a callback nor the loop runs
meanwhile; `ledger` prints a line of JSON (see `Account`). It ends with its input.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import trio

from testbed.recorder import Recorder
from voiceloop.capture.microphone import Microphone
from voiceloop.capture.sources import open_microphone
from voiceloop.config.tables import Audio
from voiceloop.types import Frame


@dataclass(frozen=True, slots=True)
class Account:
    """The program's own account of the microphone so far, in samples; `reopened`: how often the device was lost."""

    received: int
    dropped: int
    lost: int
    reopened: int


@dataclass
class Hearing:
    """The running process. `file` grows with what it hears: int16, mono, at 16 kHz."""

    process: subprocess.Popen[str]
    file: Path

    def hold(self, stall_ms: int) -> None:
        self._write(f"hold {stall_ms}")

    def account(self) -> Account:
        self._write("ledger")
        assert self.process.stdout is not None
        return Account(**json.loads(self.process.stdout.readline()))

    def _write(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)


@contextmanager
def hearing(file: Path, device: str, env: dict[str, str]) -> Iterator[Hearing]:
    """The process, once the microphone is open."""
    words = [sys.executable, "-m", "bench.stalls.hearing", str(file), device]
    process = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        run = Hearing(process, file)
        run.account()
        yield run
    finally:
        process.kill()
        process.communicate()


async def _hear(file: IO[bytes], device: str) -> None:
    events = Recorder()
    async with open_microphone(Audio(input=device), events) as microphone, trio.open_nursery() as nursery:
        nursery.start_soon(_write_frames, microphone, file)
        async for line in trio.wrap_file(sys.stdin):
            match line.split():
                case ["hold", stall_ms]:
                    ctypes.PyDLL(None).usleep(int(stall_ms) * 1000)  # PyDLL keeps the GIL
                case ["ledger"]:
                    reopened = events.names.count("device.lost")
                    account = Account(microphone.received, microphone.dropped, microphone.lost, reopened)
                    print(json.dumps(asdict(account)), flush=True)
        nursery.cancel_scope.cancel()


async def _write_frames(microphone: Microphone, file: IO[bytes]) -> None:
    async for item in microphone.frames:
        if isinstance(item, Frame):
            file.write(item.pcm)


def main() -> None:
    path, device = sys.argv[1:]
    # Unbuffered, because it is read while it grows.
    with Path(path).open("wb", buffering=0) as file:
        trio.run(_hear, file, device)


if __name__ == "__main__":
    main()
