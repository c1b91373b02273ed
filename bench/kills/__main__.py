"""Ends the installed commands at random moments, and counts what was lost, told twice, or left over.

    dictate     SIGKILL while recorded sentences are heard and written to a file
    captions    SIGKILL while they are captioned into three files
    run         SIGTERM, SIGINT, SIGHUP and SIGQUIT, one or two in a row, also in the first 300 ms: a chat with
                services, a handler that is a program, and the engines of this machine on a private sound server

After each, `voiceloop transcribe --pending` recovers what is kept, and the next run starts in what the last one left.
The moments come from the seed. A row counts the runs and, over all of them:

    heard        sentences whose end was noticed: each must be written, or recovered later, once
    early        runs that were ended before the program's first line had run
    slowest      from the signal to the end, without what a busy machine took

    scripts/bench kills [--runs 100] [--only dictate,captions,run] [--seed 1] [--jobs 4]
"""

from __future__ import annotations

import argparse
import resource
import signal
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue

from bench.kills.place import Place
from bench.kills.plan import COMMANDS, Command, Moment, kills, signals
from bench.kills.trying import Result, Servers, attempt
from testbed.dictating import ASTERISK, Talk, talk
from testbed.serving import serving
from testbed.sound.cable import Cable, why_not

COLUMNS = (
    *("ended by", "runs", "early", "sentences heard", "written", "recovered", "perhaps written", "lost", "twice"),
    *("processes left", "sockets left", "slowest", "faults"),
)
SLOW_MS = 3_000
SIGNALS_PER_KILL = 2
"""There are twice as many signals to `run` as kills of each of the others."""


def moments(only: Sequence[Command], runs: int, seed: int, talk_s: float) -> dict[Command, list[Moment]]:
    """The moments of each command."""
    return {
        command: signals(runs * SIGNALS_PER_KILL, seed, talk_s)
        if command == "run"
        else kills(command, runs, seed, talk_s)
        for command in COMMANDS
        if command in only
    }


@contextmanager
def heeding_signals() -> Iterator[None]:
    """What a shell starts with `&` ignores some signals, and so does all that is started by it. No core is dumped."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    before = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGQUIT, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def attempts(plan: Sequence[Moment], folder: Path, talk: Talk, servers: Servers, jobs: int) -> Iterator[Result]:
    """Do the runs, `jobs` at a time, each job in a place of its own. Those with sound share a cable, if there can be
    one; else they are left out."""
    with ExitStack() as stack:
        changes: dict[str, str] = {}
        if any(moment.setup == "cable" for moment in plan):
            if why_not() is None:
                cable = stack.enter_context(Cable())
                changes = dict(cable.changes)
                stack.enter_context(_speaking(cable, talk.wav))
            else:
                plan = [moment for moment in plan if moment.setup != "cable"]
        free: SimpleQueue[Place] = SimpleQueue()
        for number in range(jobs):
            free.put(Place(folder / str(number), changes))

        def one(numbered: tuple[int, Moment]) -> Result:
            place = free.get()
            try:
                return attempt(place, talk, servers, numbered[1], numbered[0])
            except (TimeoutError, ValueError, OSError) as error:  # the other runs go on
                return Result(numbered[1], faults=[f"{type(error).__name__}: {error}"])
            finally:
                free.put(place)

        with ThreadPoolExecutor(jobs) as pool:
            yield from pool.map(one, enumerate(plan))


@contextmanager
def _speaking(cable: Cable, wav: Path) -> Iterator[None]:
    """Have the talk said into the microphone again and again."""
    over = threading.Event()

    def speak() -> None:
        while not over.is_set():
            cable.speak_file(wav).wait()

    thread = threading.Thread(target=speak, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def table(command: str, results: Sequence[Result]) -> str:
    """A row of the table."""
    sums = [sum(result.account.sums[place] for result in results) for place in range(3)]
    lost, twice = (sum(len(getattr(result.account, name)) for result in results) for name in ("lost", "twice"))
    left = [sum(len(getattr(result, name)) for result in results) for name in ("children", "sockets")]
    early = sum(result.early for result in results)
    heard = sum(result.heard for result in results)
    slowest = max((result.took_s for result in results if not result.early), default=0.0)
    faults = sum(bool(result.faults) for result in results)
    what = "`run`, by signals" if command == "run" else f"`{command}`, by SIGKILL"
    return _row([what, len(results), early, heard, *sums, lost, twice, *left, f"{slowest:.2f} s", faults])


def _row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def measure(only: Sequence[Command], runs: int, seed: int, jobs: int) -> list[Result]:
    """Do all runs, print the table, and give the results."""
    found = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        stack.enter_context(heeding_signals())
        said = talk(folder, count=4, gap_s=1.2)
        given = ("--recordings", str(said.recordings), "--transcribe-ms")
        fast, slow = (stack.enter_context(serving(*given, str(ms))).url for ms in (200, SLOW_MS))
        print(_row(COLUMNS))
        print(_row(["---"] * len(COLUMNS)))
        for command, plan in moments(only, runs, seed, said.seconds).items():
            results = list(attempts(plan, folder / command, said, Servers(fast, slow), jobs))
            print(table(command, results), flush=True)
            found += results
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench kills", description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=100, help="kills of each command; twice as many signals")
    parser.add_argument("--only", default=",".join(COMMANDS), help=f"of {','.join(COMMANDS)}")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time: they wait most of the time")
    options = parser.parse_args()
    if not ASTERISK.is_dir():
        raise SystemExit("needs Debian's asterisk-core-sounds-en-wav")
    only = [command for command in COMMANDS if command in options.only.split(",")]
    results = measure(only, options.runs, options.seed, options.jobs)
    if bad := [result for result in results if result.faults]:
        raise SystemExit("\n".join(f"{result.moment}: {'; '.join(result.faults)}" for result in bad))


if __name__ == "__main__":
    main()
