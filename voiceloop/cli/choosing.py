"""The one question of `dictate` and `captions`: transcribe on this machine, or by OpenRouter? The answer is kept.

Asked only on a terminal, if there is a key and nothing decides it yet (`voiceloop/config/choice.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from voiceloop.cli.render import at_terminal, columns_of, print_error
from voiceloop.config import commands
from voiceloop.config.choice import Command, Place, as_file
from voiceloop.config.load import short
from voiceloop.errors import UsageError
from voiceloop.text import wrapped

if TYPE_CHECKING:
    from voiceloop.captions.price import RunningCost
    from voiceloop.config.tables import Config
    from voiceloop.net.catalogue import Model

PRICE_S = 2.0
"""How long the question waits for the server's list of prices."""
_MOST_WASTE = 0.9
_ANSWERS: dict[str, Place] = {"": "local", "1": "local", "local": "local", "2": "cloud", "cloud": "cloud"}


def load_asking(
    command: Command, source: str | None, sets: Sequence[str], *, flag: Place | None, quiet: bool
) -> commands.CommandLoaded:
    """As `load_command`; asks first where to transcribe, if that is open. `quiet`: never ask."""
    found = commands.load_command(command, source, sets, flag=flag)
    if quiet or not found.asks or not _on_terminal():
        return found
    answer = _ask(commands.load_command(command, source, sets, flag="cloud").config)
    if answer is None:
        return found
    try:
        path = keep(command, answer)
    except UsageError as error:
        print_error(f"For this run only: {error}")
        return commands.load_command(command, source, sets, flag=answer)
    other = "cloud" if answer == "local" else "local"
    print_error(f"Kept in {short(path)}. To change it: voiceloop config choose {command} {other}")
    return commands.load_command(command, source, sets)


def keep(command: Command, place: Place | None) -> Path:
    """Keep a choice, or forget it; gives the file. What is damaged in the file is dropped.

    Raises UsageError if the file can't be written.
    """
    from voiceloop.journal.atomic_write import write_atomically

    path = commands.choices_file()
    choices = commands.valid_choices()
    choices.pop(command, None)
    if place is not None:
        choices[command] = place
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path.resolve(), as_file(choices).encode(), synced=False)
    except (OSError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
        why = (getattr(error, "strerror", "") or str(error)).lower()
        remedy = "Fix its folder's permissions, or free some space"
        raise UsageError(f"the choice can't be kept: {why}", place=str(path), remedy=remedy) from error
    return path


def _on_terminal() -> bool:
    return at_terminal(sys.stdin, sys.stderr)


def _ask(cloud: Config) -> Place | None:
    """Ask on the terminal; None at its end (Ctrl-D). `cloud` is the configuration with OpenRouter."""
    width = columns_of(sys.stderr)
    for line in question(cloud, _listed(cloud)):
        for row in wrapped(line, width) if width else [line]:
            print_error(row)
    return answered(_read_line)


def question(cloud: Config, listed: tuple[Model, ...]) -> list[str]:
    """The lines of the question. `listed` is the server's list of models; empty if it is not known."""
    from voiceloop.config.address import host_of

    cost = running_cost(cloud)
    assert cost.wanted is not None
    usd = cost.hourly_usd(listed)
    price = "its price is not known" if usd is None else f"about {_range(*usd)} USD for an hour of speech"
    return [
        "Where is speech to be transcribed? Other people's voices may be in it.",
        "  1  on this machine, by Moonshine: English; nothing is sent, no cost",
        f"  2  at {host_of(cost.wanted.settings.base_url)}, by {cost.wanted.models[0]}: many languages; {price}",
    ]


def answered(read: Callable[[], str | None]) -> Place | None:
    """The first valid answer; None if the input ends before. `read` gives the next line, None at the end."""
    while (line := read()) is not None:
        if (place := _ANSWERS.get(line.strip().lower())) is not None:
            return place
    return None


def _read_line() -> str | None:
    sys.stderr.write("1 or 2 [1] ")
    sys.stderr.flush()
    line = sys.stdin.readline()
    if not line.endswith("\n"):  # the end of the input leaves the cursor behind the prompt
        sys.stderr.write("\n")
    return line or None


def running_cost(config: Config) -> RunningCost:
    """The estimated cost of a configuration of `dictate` or `captions`."""
    from voiceloop.captions.options import CaptionsOptions
    from voiceloop.captions.price import RunningCost

    options = config.handler.options
    if isinstance(options, CaptionsOptions):
        return RunningCost.of(config, posted_per_second=options.posted_per_second, guesses=options.guesses)
    # Speech is also posted in pauses, in vain if it goes on: at most `max_waste` of what is posted.
    waste = min(config.preemptive.max_waste, _MOST_WASTE) if config.preemptive.enabled else 0.0
    return RunningCost.of(config, posted_per_second=1 / (1 - waste), guesses=True)


def _range(low: float, high: float) -> str:
    """`0.11 to 0.22`, or `0.11` if both are shown alike."""
    shown = [f"{usd:.2f}" for usd in (low, high)]
    return " to ".join(dict.fromkeys(shown))


def _listed(cloud: Config) -> tuple[Model, ...]:
    """The server's list of transcription models; empty if it doesn't answer in time."""
    import trio

    from voiceloop.errors import VoiceloopError
    from voiceloop.net.client import open_clients

    wanted = running_cost(cloud).wanted
    assert wanted is not None

    async def fetch() -> tuple[Model, ...]:
        with trio.move_on_after(PRICE_S), suppress(VoiceloopError):
            async with open_clients() as clients:
                return await clients.models(wanted.settings, wanted.kind, table=wanted.table)
        return ()

    return trio.run(fetch)
