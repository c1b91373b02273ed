"""`voiceloop models`: lists the configured servers' models for transcription, chat and speech."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from voiceloop.cli.options import ConfigOption, SetOption
from voiceloop.cli.running import run_async

if TYPE_CHECKING:
    from voiceloop.config.tables import Config
    from voiceloop.net.catalogue import Kind, Model


def models(  # noqa: PLR0913, PLR0917 - a command's options
    speech: Annotated[bool, typer.Option("--speech", help="List models that speak, with their voices.")] = False,
    transcription: Annotated[bool, typer.Option("--transcription", help="List models that transcribe speech.")] = False,
    chat: Annotated[bool, typer.Option("--chat", help="List models that answer in text.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Ask the server again, even if the saved list is less than a day old.")
    ] = False,
    config: ConfigOption = None,
    sets: SetOption = None,
) -> None:
    """List the models that the configured servers offer, with voices and prices."""
    from voiceloop.config.load import load

    chosen: list[Kind] = []
    if speech:
        chosen.append("speech")
    if transcription:
        chosen.append("transcription")
    if chat:
        chosen.append("chat")
    settings = load(config, sets or ())
    run_async(lambda: _models(settings, chosen or ["speech", "transcription"], json=json, fresh=fresh))


async def _models(config: Config, kinds: list[Kind], *, json: bool, fresh: bool) -> int:
    from voiceloop.net.client import open_clients
    from voiceloop.net.wanted import all_wanted

    # A part may use its own server; a kind that no part uses is listed from OpenRouter.
    servers = dict.fromkeys(kinds, (config.openrouter, "openrouter"))
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
