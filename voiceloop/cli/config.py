"""`voiceloop config`: prints the settings in effect, their schema and the file's path, and creates a config file."""

from __future__ import annotations

from typing import Annotated

import typer

from voiceloop.cli.options import ConfigOption, SetOption

app = typer.Typer(
    name="config", help="Show, check or create the configuration.", no_args_is_help=True, pretty_exceptions_enable=False
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object: file, values, origins.")]


@app.command()
def show(config: ConfigOption = None, sets: SetOption = None, json: JsonOption = False) -> None:
    """Print every setting in effect, and where its value came from."""
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
    """Print the path of the config file that is used; without one, the path where yours would be."""
    import os

    from voiceloop.config.load import find_file, user_file

    found = find_file(config, os.environ)
    typer.echo(found or user_file())
    if found is None:
        typer.echo("There is no config file yet. 'voiceloop config init' creates one.", err=True)


@app.command()
def init(
    preset: Annotated[str, typer.Argument(help="The preset to copy, for example offline or assistant.")] = "offline",
) -> None:
    """Create your config file from a preset, with comments. Never overwrites a file."""
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
        raise UsageError(f"{target} can't be written: {error.strerror}", remedy="Fix its permissions.") from error
    typer.echo(target)
