"""`voiceloop ctl`: tells a running program to listen, stop, be quiet; for shortcuts of the desktop."""

from __future__ import annotations

import json as jsonlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from voiceloop.cli.render import print_line
from voiceloop.control.commands import COMMANDS
from voiceloop.control.socket_files import PLACE, living, socket_path
from voiceloop.errors import ControlError, UsageError
from voiceloop.text import clean_line

PATIENCE_S = 5.0

CommandArgument = Annotated[str, typer.Argument(metavar="|".join(COMMANDS), show_default=False)]
NameOption = Annotated[
    str | None, typer.Option(help="Which one, where several run: run, dictate, captions.", show_default=False)
]
FollowOption = Annotated[bool, typer.Option("--follow", help="With status: a line of JSON whenever the state changes.")]
JsonOption = Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")]


def ctl(
    command: CommandArgument, name: NameOption = None, follow: FollowOption = False, json: JsonOption = False
) -> None:
    """Control the program that runs.

    start: listen. stop: end what is being said, and listen no more. toggle: the one or the other. mute: close the
    microphone. unmute: open it again. cancel: throw away what was said and not yet delivered. status: tell what is on.
    """
    if command not in COMMANDS:
        raise UsageError(f"there is no '{command}'", place=PLACE, remedy=f"There are: {', '.join(COMMANDS)}.")
    if follow and command != "status":
        raise UsageError("--follow is for status", place=PLACE, remedy="Leave it out.")
    with _answers(name or _only(), {"do": command, "follow": follow}) as lines:
        for line in lines:
            answer = jsonlib.loads(line)
            if answer.get("ok") is False:
                raise ControlError(clean_line(str(answer["error"])), place=PLACE)
            print_line(line if follow or json else _words(answer, short=command != "status"))
            if not follow:
                return
    if not follow:
        raise ControlError("it gave no answer", place=PLACE, remedy="Try again, or start it again.")


def _only() -> str:
    """The one that runs."""
    names = living()
    if not names:
        raise ControlError(
            "no voiceloop runs that could be controlled", place=PLACE, remedy="Start one: voiceloop dictate"
        )
    if len(names) > 1:
        raise UsageError(f"several run: {', '.join(names)}", place=PLACE, remedy=f"Say which: --name {names[0]}")
    return names[0]


@contextmanager
def _answers(name: str, request: dict[str, object]) -> Iterator[Iterator[str]]:
    """Ask; the lines of the answer."""
    path = socket_path(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(str(path))
            sock.sendall(jsonlib.dumps(request).encode() + b"\n")
            if request["follow"]:
                sock.settimeout(None)
            with sock.makefile(encoding="utf-8") as file:
                yield (line.rstrip("\n") for line in file)
        except OSError as error:
            gone = isinstance(error, (FileNotFoundError, ConnectionRefusedError))
            what = f"no 'voiceloop {name}' runs" if gone else f"{path} doesn't answer: {error.strerror or error}"
            raise ControlError(what, place=PLACE, remedy="Start it, or start it again.") from error


def _words(answer: dict[str, Any], *, short: bool) -> str:
    if short:
        return str(answer["state"])
    lines = {
        "state": _state(answer),
        "waiting": f"{answer['pending']} not delivered: voiceloop transcribe --pending" if answer["pending"] else "",
        **answer["parts"],
        "limits": ", ".join(f"{key} = {value:g}" for key, value in answer["limits"].items() if value is not None),
        "so far": _cost(answer["usage"], answer["wasted"]),
        "process": f"{answer['pid']} ({answer['name']}), up {answer['up_s']:.0f} s",
    }
    return "\n".join(f"{name:<11} {clean_line(str(text))}" for name, text in lines.items() if text)


def _state(answer: dict[str, Any]) -> str:
    what = [answer["state"]]
    what += ["the microphone is gone"] if answer["microphone_lost"] else []
    what += ["you speak"] if answer["speaking"] else []
    what += [f"{answer['working']} under way"] if answer["working"] else []
    return ", ".join(what)


def _cost(usage: dict[str, Any] | None, wasted: dict[str, Any] | None) -> str:
    if usage is None:
        return ""
    cost = f", {usage['cost_usd']:.6f} USD" if usage["cost_usd"] is not None else ""
    ahead = (
        f"; {wasted['requests']} more for nothing ({wasted['audio_s']:.0f} s)" if wasted and wasted["requests"] else ""
    )
    return f"{usage['requests']} requests{cost}{ahead}"
