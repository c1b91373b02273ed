"""Measures what readers of the captions' page cost the program: processor and memory, and how late the last one reads.

The server of the page runs here, its readers in another process on loopback. Words change five times a second, a line
is final every three seconds. Every second run has readers that take nothing beside the others.

    scripts/bench captions-page [--readers 1,50,200] [--seconds 20]

`late`: from a line's end to its arrival at the last of the readers that take it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from voiceloop.captions.showing import Final, Live
from voiceloop.captions.web import Limits, Page, open_page
from voiceloop.captions.words import Spoken

STALLED = 20
"""How many readers take nothing, in every second run."""
LINE_EVERY, LIVE_S = 15, 0.2
TEXT = "this is a line of some twelve words as they are usually said"
READERS = """
import selectors, socket, sys, time
port, readers, stalled = map(int, sys.argv[1:])
selector, asleep, late = selectors.DefaultSelector(), [], 0.0
for number in range(readers + stalled):
    stream = socket.create_connection(("127.0.0.1", port))
    stream.sendall(f"GET /events HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\n\\r\\n".encode())
    if number < readers:
        selector.register(stream, selectors.EVENT_READ)
    else:
        asleep.append(stream)
print("connected", flush=True)
while selector.get_map():
    for key, _ in selector.select():
        data = key.fileobj.recv(65536)
        for part in data.split(b"said at ")[1:]:
            late = max(late, time.time() - float(part[:14]))
        if not data:
            selector.unregister(key.fileobj)
print(late)
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse the command line and measure."""
    parser = argparse.ArgumentParser(prog="scripts/bench captions-page", description=__doc__.partition("\n")[0])
    parser.add_argument("--readers", default="1,50,200", help="how many, for each run")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each run speaks")
    options = parser.parse_args(arguments)
    print("readers  that take nothing  processor, % of a core  memory, MB more  late, ms")
    for readers in map(int, options.readers.split(",")):
        for stalled in (0, STALLED):
            trio.run(_measure, readers, stalled, options.seconds)


async def _measure(readers: int, stalled: int, seconds: float) -> None:
    async with open_page(0, limits=Limits(readers=readers + stalled)) as page:
        before = _memory_mb()
        command = [sys.executable, "-c", READERS, str(page.address.port), str(readers), str(stalled)]
        clients = await trio.to_thread.run_sync(_started, command)
        used, began = time.process_time(), time.monotonic()
        await _speak(page, seconds)
        share = (time.process_time() - used) / (time.monotonic() - began)
        more = _memory_mb() - before
    late = float((await trio.to_thread.run_sync(clients.communicate))[0])
    print(f"{readers:7}  {stalled:17}  {100 * share:22.1f}  {more:15.1f}  {1000 * late:8.0f}")


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    """The readers, once all are connected."""
    clients = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert clients.stdout is not None
    clients.stdout.readline()
    return clients


async def _speak(page: Page, seconds: float) -> None:
    for number in range(round(seconds / LIVE_S)):
        page.live(Live("mic", TEXT, f"and these words change {number}"))
        if number % LINE_EVERY == 0:
            # A fixed width, which the readers cut out.
            words = [*TEXT.split(), "said", "at", f"{time.time():014.3f}"]
            page.final(Final("mic", tuple(Spoken(word, 0.0, 0.3) for word in words)), Live("mic"))
        await trio.sleep(LIVE_S)


def _memory_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
