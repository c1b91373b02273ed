"""`voiceloop service`: runs a command in the background, as a systemd user service."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.render import print_error, print_line
from voiceloop.errors import ServiceManagerError, UsageError
from voiceloop.text import clean_line

if TYPE_CHECKING:
    from voiceloop.cli.service_plan import Plan
    from voiceloop.service.systemd import State
    from voiceloop.service.unit import Use

START_S = 10.0
"""How long to watch a service that was started."""
_LINES = 5
_COMMAND = "ExecStart="

app = typer.Typer(
    name="service",
    help="Run a command in the background, started with your session (systemd).",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
WordsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[run|dictate|captions] [OPTIONS]...",
        help="The command, run if left out, and its options ('voiceloop dictate --help').",
        show_default=False,
    ),
]
UseArgument = Annotated[
    str | None, typer.Argument(metavar="[run|dictate|captions]", help="The command.", show_default=False)
]
ForceOption = Annotated[bool, typer.Option("--force", help="Even if the unit was edited: replace or remove it.")]
PrintOption = Annotated[bool, typer.Option("--print", help="Print the systemd unit, and change nothing.")]


# No short options: the options of the command pass through here.
@app.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
def install(
    context: typer.Context, words: WordsArgument = None, force: ForceOption = False, print_: PrintOption = False
) -> None:
    """Install and start a service; again with other options, to change it.

    The options are those of the command. Relative paths in them start in the current folder. An API key in this shell's
    environment that the command needs is stored for the service, in a file that only you can read.
    """
    from voiceloop.cli.service_plan import places, plan
    from voiceloop.service import installing, systemd, unit

    use, options = _use_and_options(words or [])
    if os.environ.get("SUDO_USER"):
        raise UsageError("under sudo this would be a service of root", place="service", remedy="Leave sudo out.")
    told = frozenset[str]() if print_ else systemd.environment()
    planned = plan(context, use, options, told=told)
    if print_:
        print_line(unit.unit(planned.service).decode(), end="")
        return
    where = places()
    advice, start = _session(use, told)
    installing.install(planned.service, where, planned.variables, start=start, force=force)
    if planned.variables:
        print_error(f"Stored in {where.keys}, which only you can read: {', '.join(planned.variables)}")
    for name in planned.other:
        print_error(f"This shell has another {name} than {where.keys}: the service uses that in the file.")
    for line in (f"Installed: {where.unit(use)}", *advice):
        print_error(line)
    if start:
        _report_start(planned)


def _session(use: Use, told: frozenset[str]) -> tuple[list[str], bool]:
    """Advice about the desktop session, and whether the service can be started now."""
    from voiceloop.service import systemd
    from voiceloop.service.session import Session
    from voiceloop.service.unit import GRAPHICAL, GRAPHICAL_TARGET, unit_name

    if use not in GRAPHICAL:
        return [], True
    session = Session.of(os.environ, told, announced=systemd.state_of(GRAPHICAL_TARGET).runs)
    return session.advice(unit_name(use)), session.known or use == "captions"


def _report_start(planned: Plan) -> None:
    """Say how the start went. Raises ServiceManagerError if the program failed."""
    from voiceloop.service.starting import Outcome, wait_for
    from voiceloop.service.unit import unit_name

    use = planned.service.use
    name = unit_name(use)
    outcome, state = wait_for(name, planned.control, within_s=START_S)
    if outcome is Outcome.FAILED:
        for line in _last_lines(name, state):
            print_error(f"  {line}")
        what = f"it is installed, but ended with exit code {state.exit_code}"
        raise ServiceManagerError(what, place=f"service {use}", remedy=f"More: journalctl --user -u {name}")
    print_error(f"voiceloop {use}: {outcome.value}. Its messages: journalctl --user -f -u {name}")


@app.command()
def remove(use: UseArgument = None, force: ForceOption = False) -> None:
    """Stop a service and take it away. The file with API keys stays."""
    from voiceloop.cli.service_plan import places
    from voiceloop.service import installing

    where = places()
    installed = where.installed()
    chosen = _checked_use(use) if use is not None else None
    if chosen is None and len(installed) > 1:
        raise UsageError(f"there are several: {', '.join(installed)}", place="service remove", remedy="Say which.")
    chosen = chosen or next(iter(installed), None)
    if chosen not in installed:
        print_error(f"There is no service '{chosen}'." if chosen else "No service is installed.")
        if not installed and installing.remove_entry(where):  # written for a shortcut
            print_error(f"Removed: {where.entry}")
        return
    installing.remove(chosen, where, force=force)
    print_error(f"Removed: {where.unit(chosen)}")
    if where.keys.exists():
        print_error(f"{where.keys} stays, with the keys in it.")


@app.command()
def status(use: UseArgument = None) -> None:
    """Show what is installed and whether it runs; exit code 69 if one of them doesn't."""
    from voiceloop.cli.service_plan import places

    where = places()
    chosen = [_checked_use(use)] if use is not None else where.installed()
    if not chosen:
        print_line("No service is installed.")
        raise typer.Exit(69)
    installed = where.installed()
    running = True
    for name in chosen:
        if name in installed:
            running = _print_status(name) and running
        else:
            running = False
            print_line(f"{name}: not installed")
    if not running:
        raise typer.Exit(69)


def _print_status(use: Use) -> bool:
    """Print the state of an installed service; whether it runs."""
    from voiceloop.cli.service_plan import places
    from voiceloop.service import systemd
    from voiceloop.service.marks import Found, found_at
    from voiceloop.service.unit import GRAPHICAL, unit_name

    where, name = places(), unit_name(use)
    state = systemd.state_of(name)
    edited = " (edited)" if found_at(where.unit(use)) is Found.EDITED else ""
    event = "the desktop" if use in GRAPHICAL else "your login"
    starts = f"starts with {event}" if state.enabled else "is not started by anything (disabled)"
    print_line(f"{use}: {_words(state)}; {starts}")
    print_line(f"  command   {_command(where.unit(use))}")
    print_line(f"  unit      {where.unit(use)}{edited}")
    if where.keys.exists():
        print_line(f"  keys      {where.keys}")
    print_line(f"  messages  journalctl --user -u {name}")
    if not state.runs:
        for line in _last_lines(name, state):
            print_line(f"    {line}")
    return state.runs


def _words(state: State) -> str:
    since = f" since {state.since}" if state.since else ""
    again = f", started again {state.restarts} times" if state.restarts else ""
    if state.runs:
        return f"runs{since} (process {state.process}{again})"
    if state.failed:
        return f"failed with exit code {state.exit_code}{since}{again}"
    return f"{state.active or 'unknown'}{since}"


def _command(unit: Path) -> str:
    """The command line in a unit file."""
    try:
        lines = unit.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "unknown"
    return clean_line(next((line for line in lines if line.startswith(_COMMAND)), "").removeprefix(_COMMAND))


def _last_lines(name: str, state: State) -> list[str]:
    from voiceloop.service.systemd import last_lines

    return [clean_line(line) for line in last_lines(name, state.process, _LINES)]


def _use_and_options(words: Sequence[str]) -> tuple[Use, list[str]]:
    """The command and its options. Without a name at the beginning it is `run`."""
    if not words or words[0].startswith("-"):
        return "run", list(words)
    return _checked_use(words[0]), list(words[1:])


def _checked_use(name: str) -> Use:
    """Raises UsageError for a command that is no service."""
    from voiceloop.service.unit import USES

    for use in USES:
        if use == name:
            return use
    raise UsageError(f"there is no service '{name}'", place="service", remedy=f"There are: {', '.join(USES)}.")
