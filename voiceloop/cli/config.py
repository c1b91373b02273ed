"""`voiceloop config`: prints the settings in effect, their schema and the file's path, and creates a config file."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from voiceloop.cli.options import ConfigOption, SetOption

app = typer.Typer(
    name="config", help="Show, check or create the configuration.", no_args_is_help=True, pretty_exceptions_enable=False
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object: file, values, origins.")]


CommandArgument = Annotated[
    Literal["run", "dictate", "captions"], typer.Argument(help="The command whose settings to print.")
]


@app.command()
def show(
    command: CommandArgument = "run", config: ConfigOption = None, sets: SetOption = None, json: JsonOption = False
) -> None:
    """Print every setting in effect for a command, and where its value came from."""
    from voiceloop.cli.engines import where_words_go
    from voiceloop.config import show as view
    from voiceloop.config.commands import load_command, valid_choices
    from voiceloop.config.load import DEFAULTS

    found = load_command(command, config, sets or ())
    loaded = found.loaded
    values = view.effective(loaded.config)
    origins = view.origins(values, loaded.merged, DEFAULTS)
    choices = valid_choices()
    if json:
        from json import dumps

        file = str(loaded.file) if loaded.file else None
        shown = {"file": file, "values": values, "origins": origins, "choices": choices}
        typer.echo(dumps(shown, indent=2))
        return
    typer.echo(f"# voiceloop {command}: {where_words_go(found)}")
    for name, place in choices.items():
        other = "cloud" if place == "local" else "local"
        typer.echo(f"# Chosen for {name}: {place}. To change it: voiceloop config choose {name} {other}")
    typer.echo()
    typer.echo(view.as_toml(values, origins), nl=False)


@app.command()
def choose(
    command: Annotated[Literal["dictate", "captions"], typer.Argument(help="The command to choose for.")],
    place: Annotated[
        Literal["local", "cloud", "ask"],
        typer.Argument(
            help="Where it transcribes if no config file names an engine: on this machine or by OpenRouter. ask: "
            "forget the choice."
        ),
    ],
) -> None:
    """Choose where dictate or captions transcribe: on this machine, or by OpenRouter."""
    from voiceloop.cli.choosing import keep
    from voiceloop.cli.engines import where_words_go
    from voiceloop.config.commands import load_command

    typer.echo(keep(command, None if place == "ask" else place))
    typer.echo(f"voiceloop {command}: {where_words_go(load_command(command))}", err=True)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a config file, with the options of every installed part."""
    from json import dumps

    from voiceloop.config.schema import schema as make

    typer.echo(dumps(make(lambda text: typer.echo(text, err=True)), indent=2))


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
    preset: Annotated[
        str | None,
        typer.Argument(
            help="A preset to copy, for example assistant. Without one every setting is commented out.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Create your config file, with comments. Never overwrites a file."""
    import tomllib

    from voiceloop.config.load import preset_path, user_file
    from voiceloop.config.show import engines, starter
    from voiceloop.errors import UsageError

    names = [preset] if preset is not None else ["offline", "assistant"]
    texts = [preset_path(name).read_text(encoding="utf-8") for name in names]
    text = texts[0] if preset is not None else engines(texts)
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
