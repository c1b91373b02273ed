"""`voiceloop ctl`: controls a running voiceloop over its control socket; meant for desktop shortcuts.

Imports no trio and no numpy, so that a shortcut acts at once.
"""

from __future__ import annotations

import json as jsonlib
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from voiceloop.cli.render import print_line
from voiceloop.control.commands import COMMANDS
from voiceloop.control.peer import is_own_peer
from voiceloop.control.socket_files import PLACE, check_folder, living, socket_path
from voiceloop.echo.words import reply_echo
from voiceloop.errors import ControlError, UsageError
from voiceloop.text import clean_line

PATIENCE_S = 5.0
"""How long to wait for the running program to answer."""
_LONGEST_LINE = 1_000_000
"""Characters of an answer. What is longer, or is no answer, comes from something else than voiceloop."""
_NAME = re.compile(r"[A-Za-z0-9_-]+")
"""As `control.name`."""

CommandArgument = Annotated[str, typer.Argument(metavar="|".join(COMMANDS), show_default=False)]
NameOption = Annotated[
    str | None,
    typer.Option(help="Which program to control when several run: run, dictate, captions.", show_default=False),
]
FollowOption = Annotated[
    bool, typer.Option("--follow", help="With status: print a line of JSON each time the state changes.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the answer as one JSON object.")]


def ctl(
    command: CommandArgument, name: NameOption = None, follow: FollowOption = False, json: JsonOption = False
) -> None:
    """Control a running voiceloop.

    start: start listening. stop: finish the current utterance, then stop listening. toggle: start or stop. mute: close
    the microphone. unmute: open it again. cancel: discard what was said but not yet delivered. status: show the state
    and what is in use.
    """
    if command not in COMMANDS:
        raise UsageError(f"there is no command '{command}'", place=PLACE, remedy=f"There are: {', '.join(COMMANDS)}.")
    if follow and command != "status":
        raise UsageError(
            "--follow works only with status", place=PLACE, remedy="Leave it out, or: voiceloop ctl status --follow"
        )
    with _request(name or _running_name(), {"do": command, "follow": follow}) as lines:
        for line in lines:
            answer = _answer(line)
            if answer.get("ok") is False:
                raise ControlError(clean_line(str(answer.get("error"))), place=PLACE)
            # As ASCII, with every other character escaped: what comes over the socket never reaches the terminal as is.
            print_line(jsonlib.dumps(answer) if follow or json else _shown(answer, short=command != "status"))
            if not follow:
                return
    if not follow:
        raise ControlError(
            "the running voiceloop closed the connection without an answer",
            place=PLACE,
            remedy="Try again; if that fails, restart it.",
        )


def _running_name() -> str:
    """The name of the one program that runs. Raises ControlError when none does, UsageError when several do."""
    names = living()
    if not names:
        raise ControlError("no running voiceloop can be controlled", place=PLACE, remedy="Start one: voiceloop dictate")
    if len(names) > 1:
        raise UsageError(
            f"several programs run: {', '.join(names)}", place=PLACE, remedy=f"Say which: --name {names[0]}"
        )
    return names[0]


@contextmanager
def _request(name: str, request: dict[str, object]) -> Iterator[Iterator[str]]:
    """Send a request to the program `name`; gives the lines of its answer. Raises ControlError."""
    if not _NAME.fullmatch(name):
        raise UsageError("--name: letters, digits, - and _ make a name", place=PLACE, remedy="As in: --name dictate")
    check_folder()
    path = socket_path(name)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(PATIENCE_S)
        try:
            sock.connect(str(path))
            if not is_own_peer(sock):
                raise ControlError(f"{path} is served by another user's program", place=PLACE, remedy="Don't trust it.")
            sock.sendall(jsonlib.dumps(request).encode() + b"\n")
            if request["follow"]:
                sock.settimeout(None)
            with sock.makefile(encoding="utf-8", errors="replace") as file:
                yield iter(lambda: file.readline(_LONGEST_LINE), "")
        except OSError as error:
            not_running = isinstance(error, (FileNotFoundError, ConnectionRefusedError))
            what = f"no 'voiceloop {name}' runs" if not_running else f"{path} doesn't answer: {error.strerror or error}"
            remedy = "Start it." if not_running else "Restart it."
            raise ControlError(what, place=PLACE, remedy=remedy) from error


def _answer(line: str) -> dict[str, Any]:
    """A line as an answer. Raises ControlError if it is none."""
    try:
        answer = jsonlib.loads(line)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _no_answer()
    return answer


def _no_answer() -> ControlError:
    what = "what answers is not voiceloop, or another version of it"
    return ControlError(what, place=PLACE, remedy="Restart the running program.")


def _shown(answer: dict[str, Any], *, short: bool) -> str:
    """`_as_text`. Raises ControlError for an answer of another shape."""
    try:
        return _as_text(answer, short=short)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        raise _no_answer() from None


def _as_text(answer: dict[str, Any], *, short: bool) -> str:
    """The answer for people: the state alone if `short`, else a line for each thing that is in use."""
    if short:
        return clean_line(str(answer["state"]))
    lines = {
        "state": _state(answer),
        "waiting": f"{answer['pending']} not delivered: voiceloop transcribe --pending" if answer["pending"] else "",
        **answer["parts"],
        "notify": answer.get("notify", ""),
        "limits": ", ".join(f"{key} = {value:g}" for key, value in answer["limits"].items() if value is not None),
        "last turn": _times(answer.get("last_turn")),
        "own echo": _echo(answer.get("echo")),
        "so far": _cost(answer["usage"], answer["wasted"]),
        "process": f"{answer['pid']} ({answer['name']}), up {answer['up_s']:.0f} s",
    }
    return "\n".join(f"{clean_line(str(name)):<11} {clean_line(str(text))}" for name, text in lines.items() if text)


def _state(answer: dict[str, Any]) -> str:
    parts = [answer["state"]]
    parts += ["the microphone is disconnected"] if answer["microphone_lost"] else []
    parts += ["you are speaking"] if answer["speaking"] else []
    parts += [f"{answer['working']} in progress"] if answer["working"] else []
    return ", ".join(parts)


def _times(turn: dict[str, float] | None) -> str:
    """How long after the end of speech the words and the reply of the last turn came."""
    named = {"words_s": "to the words", "reply_s": "to the reply"}
    times = [f"{turn[key]:.2f} s {what}" for key, what in named.items() if key in turn] if turn else []
    return ", ".join(times)


def _echo(echo: dict[str, Any] | None) -> str:
    """How the microphone is paired with what is played, and what is known of the last reply's echo."""
    if not echo or echo["aligned_s"] is None:
        return ""
    moved = f", moved {echo['shifts']} x" if echo["shifts"] else ""
    paired = f"paired for {echo['aligned_s']:.0f} s{moved}"
    if echo["last_reply"] is not None:
        return f"{reply_echo(echo['last_reply'])}; {paired}"
    return f"{echo['delay_ms']:.0f} ms late; {paired}" if echo["delay_ms"] is not None else paired


def _cost(usage: dict[str, Any] | None, wasted: dict[str, Any] | None) -> str:
    if usage is None:
        return ""
    cost = f", {usage['cost_usd']:.6f} USD" if usage["cost_usd"] is not None else ""
    discarded = ""
    if wasted and wasted["requests"]:
        discarded = f"; preemptive requests discarded: {wasted['requests']} ({wasted['audio_s']:.0f} s of audio)"
    return f"{usage['requests']} requests{cost}{discarded}"
