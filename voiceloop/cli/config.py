"""`voiceloop config`: what is in effect and where it came from, its schema, its file."""

from __future__ import annotations

from typing import Annotated

import typer

from voiceloop.cli.options import ConfigOption, SetOption

app = typer.Typer(
    name="config", help="Show, check and begin a configuration.", no_args_is_help=True, pretty_exceptions_enable=False
)

JsonOption = Annotated[bool, typer.Option("--json", help="As one JSON object: file, values, origins.")]


@app.command()
def show(config: ConfigOption = None, sets: SetOption = None, json: JsonOption = False) -> None:
    """Print everything that is in effect, and where each value came from."""
    from voiceloop.config import show as view
    from voiceloop.config.load import DEFAULTS, load_with_origins

    loaded = load_with_origins(config, sets or ())
    values = view.effective(loaded.config)
    origins = view.origins(values, loaded.merged, DEFAULTS)
    if json:
        from json import dumps

        file = str(loaded.file) if loaded.file else None
        typer.echo(dumps({"file": file, "values": values, "origins": origins}, ensure_ascii=False, indent=2))
    else:
        typer.echo(view.as_toml(values, origins), nl=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config file, with the options of every installed part."""
    from json import dumps

    from voiceloop.config.schema import schema as make

    typer.echo(dumps(make(lambda text: typer.echo(text, err=True)), ensure_ascii=False, indent=2))


@app.command()
def path(config: ConfigOption = None) -> None:
    """Print which config file is used, or where yours would be."""
    import os

    from voiceloop.config.load import find_file, user_file

    found = find_file(config, os.environ)
    typer.echo(found or user_file())
    if found is None:
        typer.echo("There is no config file yet. 'voiceloop config init' writes one to begin with.", err=True)


@app.command()
def init(
    preset: Annotated[str, typer.Argument(help="The preset to begin from: offline, assistant.")] = "offline",
) -> None:
    """Write a commented config file to begin with. Never overwrites one."""
    import tomllib

    from voiceloop.config.load import preset_path, user_file
    from voiceloop.config.show import starter
    from voiceloop.errors import UsageError

    text = preset_path(preset).read_text(encoding="utf-8")
    target = user_file()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8") as file:
            file.write(starter(text, tomllib.loads(text)))
    except FileExistsError:
        raise UsageError(f"there is already {target}", remedy="Edit it, or move it away first.") from None
    except OSError as error:
        raise UsageError(f"{target} can't be written: {error.strerror}", remedy="Mend its permissions.") from error
    typer.echo(target)
