"""`voiceloop check`: tests the configuration, devices and services, and reports what works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import ConfigOption, InputOption, OutputOption, SetOption, with_devices
from voiceloop.cli.running import run_async

if TYPE_CHECKING:
    from voiceloop.cli.checks import Finding
    from voiceloop.config.tables import Config

OnlineOption = Annotated[
    bool,
    typer.Option("--online", help="Also send one short sentence through each service; paid services charge for it."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print each result as a line of JSON.")]


def check(  # noqa: PLR0913, PLR0917 - the command's options
    config: ConfigOption = None,
    sets: SetOption = None,
    microphone: InputOption = None,
    loudspeaker: OutputOption = None,
    online: OnlineOption = False,
    json: JsonOption = False,
) -> None:
    """Test the configuration, the devices, the API key and the engines, and report what works and what doesn't."""
    from voiceloop.config.load import load_with_origins

    loaded = load_with_origins(config, with_devices(sets, microphone=microphone, loudspeaker=loudspeaker))
    where = str(loaded.file) if loaded.file else "the built-in defaults"
    run_async(lambda: _check(loaded.config, where, online=online, json=json))


async def _check(config: Config, where: str, *, online: bool, json: bool) -> int:
    from voiceloop.cli.checks import Report
    from voiceloop.cli.checks import check as run_checks
    from voiceloop.cli.render import Text

    show = _show_json if json else _show
    report = Report(show, _meter if sys.stderr.isatty() else lambda _: None)
    report.add("config", where)
    await run_checks(config, report, Text("error"), online=online)
    return report.exit_code


def _show(finding: Finding) -> None:
    from voiceloop.cli.render import print_line
    from voiceloop.text import clean

    mark = "no" if finding.exit_code else "ok"
    print_line(f"{mark}  {finding.what:<17} {clean(finding.said)}")


def _show_json(finding: Finding) -> None:
    import json

    from voiceloop.cli.render import print_line

    print_line(json.dumps({"what": finding.what, "ok": not finding.exit_code, "said": finding.said}))


def _meter(level_db: float) -> None:
    """Draw the microphone level as a bar from -60 to 0 dB, over the previous one."""
    filled = max(0, min(30, round((level_db + 60) / 2)))
    sys.stderr.write(f"\r    say something  [{'#' * filled}{' ' * (30 - filled)}] {level_db:6.1f} dB ")
    sys.stderr.flush()
