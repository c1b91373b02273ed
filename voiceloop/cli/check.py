"""`voiceloop check`: tries the devices, engines and services that a command would use."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from voiceloop.cli.options import (
    CloudOption,
    ConfigOption,
    InputOption,
    OutputOption,
    SetOption,
    place_of,
    with_devices,
)
from voiceloop.cli.render import at_terminal
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

if TYPE_CHECKING:
    from voiceloop.cli.check_plan import Plan
    from voiceloop.cli.checks import Trials
    from voiceloop.cli.report import Finding, Report
    from voiceloop.config.commands import CommandLoaded

CommandArgument = Annotated[
    Literal["run", "dictate", "captions"],
    typer.Argument(help="The command whose devices, engines and services are tried."),
]
OnlineOption = Annotated[
    bool,
    typer.Option("--online", help="Also send one short sentence through each service; paid services charge for it."),
]
SpeakOption = Annotated[
    bool | None,
    typer.Option(
        "--speak/--no-speak",
        help="Also hear one sentence of yours, print it and say it back. Free of charge, unless with --online.",
        show_default="on a terminal",
    ),
]
EchoOption = Annotated[
    bool | None,
    typer.Option(
        "--echo/--no-echo",
        help="Also play a soft noise of a second, and say how its echo is heard, how much is removed, and whether you "
        "can interrupt a reply here.",
        show_default="as --speak",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print each result as a line of JSON.")]


def check(  # noqa: PLR0913, PLR0917 - the command's options
    command: CommandArgument = "run",
    config: ConfigOption = None,
    sets: SetOption = None,
    cloud: CloudOption = None,
    microphone: InputOption = None,
    loudspeaker: OutputOption = None,
    online: OnlineOption = False,
    speak: SpeakOption = None,
    echo: EchoOption = None,
    json: JsonOption = False,
) -> None:
    """Try what run, dictate or captions would use, and report what works and what doesn't."""
    from voiceloop.cli.check_plan import plan_of
    from voiceloop.cli.checks import Trials
    from voiceloop.config.commands import load_command, named_input

    if command == "run" and cloud is not None:
        remedy = "Say, for example: voiceloop check dictate --local"
        raise UsageError("--cloud and --local are for dictate and captions", place="check", remedy=remedy)
    loaded = load_command(
        command, config, with_devices(sets, microphone=microphone, loudspeaker=loudspeaker), flag=place_of(cloud)
    )
    plan = plan_of(command, loaded.config, named_input(loaded.loaded)[0])
    voice = speak if speak is not None else not json and at_terminal(sys.stdin, sys.stderr)
    # Nobody is startled by a sound: it needs a terminal, or the option.
    sound = None if echo is None and voice else bool(echo)
    run_async(lambda: _check(loaded, plan, _report(json=json), Trials(online=online, voice=voice, sound=sound)))


async def _check(loaded: CommandLoaded, plan: Plan, report: Report, trials: Trials) -> int:
    from voiceloop.cli.checks import check as run_checks
    from voiceloop.cli.engines import where_words_go
    from voiceloop.cli.render import Text
    from voiceloop.cli.suggesting import found_here, has_no_model
    from voiceloop.config.load import short

    file = loaded.loaded.file
    report.add("config", short(file) if file else "the built-in defaults")
    report.add("engines", where_words_go(loaded))
    if has_no_model(loaded):
        for line in await found_here():
            report.add("found here", line)
    await run_checks(plan, report, Text("error"), trials)
    return report.exit_code


def _report(*, json: bool) -> Report:
    from voiceloop.cli.render import print_error, print_line
    from voiceloop.cli.report import Report

    meter = _meter if at_terminal(sys.stderr) else lambda _: None
    # With --json standard output is for the results.
    return Report(_show_json if json else _show, meter, print_error if json else print_line)


def _show(finding: Finding) -> None:
    from voiceloop.cli.render import print_line
    from voiceloop.text import clean

    mark = "no" if finding.exit_code else "ok" if finding.tried else "--"
    print_line(f"{mark}  {finding.what:<18} {clean(finding.said)}")


def _show_json(finding: Finding) -> None:
    import json

    from voiceloop.cli.render import print_line

    line = {"what": finding.what, "ok": not finding.exit_code, "tried": finding.tried, "said": finding.said}
    print_line(json.dumps(line))


def _meter(level_db: float | None) -> None:
    """Draw the level as a bar from -60 to 0 dB, over the previous one; None removes it."""
    if level_db is None:
        sys.stderr.write("\r\x1b[K")
    else:
        filled = max(0, min(30, round((level_db + 60) / 2)))
        sys.stderr.write(f"\r    level  [{'#' * filled}{' ' * (30 - filled)}] {level_db:6.1f} dB ")
    sys.stderr.flush()
