"""`voiceloop plugins`: lists the installed parts, and whether each can be loaded."""

from __future__ import annotations

from typing import Annotated

import typer


def plugins(
    json: Annotated[bool, typer.Option("--json", help="Print one JSON list.")] = False,
) -> None:
    """List the engines and handlers that the config can use, and whether each can be loaded."""
    from voiceloop import registry

    rows = [row for kind in registry.GROUPS for row in registry.survey(kind)]
    if json:
        from dataclasses import asdict
        from json import dumps

        listed = [asdict(row.entry) | {"loads": not row.why_not, "why_not": row.why_not or None} for row in rows]
        typer.echo(dumps(listed, indent=2))
        return
    wide = max((len(row.entry.name) for row in rows), default=0)
    for kind in registry.GROUPS:
        typer.echo(f"{kind}.use")
        for row in rows:
            if row.entry.kind == kind:
                state = f"no: {row.why_not}" if row.why_not else "yes"
                typer.echo(f"  {row.entry.name:<{wide}}  {row.entry.distribution:<12}  {state}")
