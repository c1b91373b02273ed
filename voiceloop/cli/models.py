"""`voiceloop models`: lists the configured servers' models, and keeps those on this machine's disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli import models_disk
from voiceloop.cli.options import ConfigOption, SetOption
from voiceloop.cli.running import run_async
from voiceloop.errors import UsageError

if TYPE_CHECKING:
    from voiceloop.config.tables import Config, Endpoint
    from voiceloop.net.catalogue import Kind, Model


app = typer.Typer(
    name="models",
    help="List the servers' models, and fetch, list and remove those on this machine.",
    pretty_exceptions_enable=False,
)
app.command()(models_disk.get)
app.command()(models_disk.remove)

SpeechOption = Annotated[bool, typer.Option("--speech", help="List models that speak, with their voices.")]
TranscriptionOption = Annotated[bool, typer.Option("--transcription", help="List models that transcribe speech.")]
ChatOption = Annotated[bool, typer.Option("--chat", help="List models that answer in text.")]
ListJsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON list.")]
FreshOption = Annotated[
    bool, typer.Option("--fresh", help="Ask the server again, even if the saved list is less than a day old.")
]
LocalOption = Annotated[bool, typer.Option("--local", help="List the models on this machine instead.")]


@app.callback(invoke_without_command=True)
def models(  # noqa: PLR0913, PLR0917 - a command's options
    context: typer.Context,
    speech: SpeechOption = False,
    transcription: TranscriptionOption = False,
    chat: ChatOption = False,
    json: ListJsonOption = False,
    fresh: FreshOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """List the models that the configured servers offer, with voices and prices; or, with a command, keep those on
    this machine."""
    given = speech or transcription or chat or json or fresh or config is not None or bool(sets)
    command = context.invoked_subcommand
    if command is None:
        kinds = _kinds(speech=speech, transcription=transcription, chat=chat)
        _list_servers(kinds, config, sets or [], json=json, fresh=fresh)
    elif given:
        remedy = f"Put them after it: voiceloop models {command} …"
        raise UsageError(f"options before '{command}' would not count", place="models", remedy=remedy)


@app.command(name="list")
def list_(  # noqa: PLR0913, PLR0917 - a command's options
    local: LocalOption = False,
    speech: SpeechOption = False,
    transcription: TranscriptionOption = False,
    chat: ChatOption = False,
    json: ListJsonOption = False,
    fresh: FreshOption = False,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """List the servers' models, as 'voiceloop models' does; or those on this machine."""
    if not local:
        kinds = _kinds(speech=speech, transcription=transcription, chat=chat)
        _list_servers(kinds, config, sets or [], json=json, fresh=fresh)
        return
    if speech or transcription or chat or fresh or config is not None or sets:
        raise UsageError("of the options only --json goes with --local", place="models list", remedy="Leave them out")
    models_disk.list_local(json=json)


def _kinds(*, speech: bool, transcription: bool, chat: bool) -> list[Kind]:
    chosen: dict[Kind, bool] = {"speech": speech, "transcription": transcription, "chat": chat}
    return [kind for kind, wanted in chosen.items() if wanted] or ["speech", "transcription"]


def _list_servers(kinds: list[Kind], config: str | None, sets: list[str], *, json: bool, fresh: bool) -> None:
    from voiceloop.config.layers import parse_sets
    from voiceloop.config.load import load
    from voiceloop.config.unused import check_used

    check_used("models", parse_sets(sets)[0])
    settings = load(config, sets)
    run_async(lambda: _models(settings, kinds, json=json, fresh=fresh))


async def _models(config: Config, kinds: list[Kind], *, json: bool, fresh: bool) -> int:
    from voiceloop.net.client import open_clients
    from voiceloop.net.wanted import all_wanted

    # A part may use its own server; a kind that no part uses is listed from OpenRouter.
    servers: dict[Kind, tuple[Endpoint, str]] = dict.fromkeys(kinds, (config.openrouter, "openrouter"))
    servers |= {w.kind: (w.settings, w.table) for w in all_wanted(config) if w.kind in servers}
    found: dict[Kind, tuple[Model, ...]] = {}
    async with open_clients() as clients:
        for kind, (settings, table) in servers.items():
            found[kind] = await clients.models(settings, kind, fresh=fresh, table=table)
    if json:
        from dataclasses import asdict
        from json import dumps

        rows = [{"kind": kind, **asdict(m), "prices": dict(m.prices)} for kind, ms in found.items() for m in ms]
        typer.echo(dumps(rows, indent=2))
        return 0
    for kind, listed in found.items():
        _table(kind, listed)
    return 0


def _table(kind: Kind, listed: tuple[Model, ...]) -> None:
    from shutil import get_terminal_size
    from textwrap import fill

    columns = get_terminal_size().columns
    wide = max((len(model.id) for model in listed), default=0)
    typer.echo(f"{kind}: {len(listed)}")
    for model in listed:
        typer.echo(f"  {model.id:<{wide}}  {prices(model, kind)}".rstrip())
        if model.voices:
            voices = f"voices: {', '.join(model.voices)}"
            typer.echo(fill(voices, max(columns, 40), initial_indent="    ", subsequent_indent="    "))


def prices(model: Model, kind: Kind) -> str:
    """The model's prices as text: per million for tokens and characters, per unit for everything else."""
    units = {"prompt": "characters" if kind == "speech" else "tokens in", "completion": "tokens out"}
    parts = [
        f"{price * 1e6:.4g} / 1M {units[name]}" if name in units else f"{price:.4g} / {name}"
        for name, price in model.prices
    ]
    return ", ".join(parts)
