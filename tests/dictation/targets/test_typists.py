"""Choosing the program that types, and calling it. The programs are scripts that log their arguments and input."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from testbed.recorder import Recorder
from voiceloop.dictation.desktops import candidates, open_typing
from voiceloop.dictation.targets.desktop import NoClipboard, paste_chord
from voiceloop.dictation.targets.target import Focus, TargetOptions
from voiceloop.dictation.targets.typing import Desktop, TypingTarget
from voiceloop.dictation.targets.typists import Failover, Wtype, Xdotool, Ydotool, choose
from voiceloop.dictation.wayland.sway import UnknownDesktopState, focused
from voiceloop.errors import TargetError


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


class NoPortal:
    """The portal's keys on a desktop without a portal."""

    name = "portal"
    american = False

    def types(self, char: str) -> bool:
        raise AssertionError("it types nothing")

    async def probe(self) -> None:
        raise TargetError("there is no desktop portal", place="portal")

    async def type(self, text: str) -> None:
        raise AssertionError("it types nothing")

    async def press(self, chord: str, times: int = 1) -> None:
        raise AssertionError("it types nothing")


def install(folder: Path, name: str, *, status: int = 0, says: str = "") -> Path:
    """Write a script that logs its arguments and its standard input, and exits with `status`; gives the log."""
    log = folder / f"{name}.log"
    program = folder / name
    script = f"""#!/bin/sh
echo "$@" >> {log}
while read -r line || [ -n "$line" ]; do echo "stdin: $line" >> {log}; done
echo '{says}' >&2
exit {status}
"""
    program.write_text(script)
    program.chmod(0o755)
    return log


async def test_the_first_program_that_works_is_chosen_and_the_others_say_why_not(programs: Path) -> None:
    install(programs, "wtype", status=1, says="Compositor does not support the virtual keyboard protocol")
    install(programs, "ydotool")
    choice = await choose(candidates("auto", NoPortal(), wayland=True))
    assert choice.keys.name == "ydotool"
    assert choice.refused == [
        "wtype: Compositor does not support the virtual keyboard protocol",
        "portal: there is no desktop portal",
    ]


async def test_when_no_program_works_the_error_has_the_reason_of_each(programs: Path) -> None:
    install(programs, "ydotool", status=2, says="failed to connect socket")
    with pytest.raises(
        TargetError, match=r"wtype: is not installed. sudo apt install wtype; portal: there.*; ydotool: failed"
    ):
        await choose(candidates("auto", NoPortal(), wayland=True))


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("DISPLAY", ". Without typing: --to clipboard, and you paste the text yourself"),
        ("WAYLAND_DISPLAY", ". Use --to stdout or --to file:PATH: both work everywhere"),
    ],
)
async def test_where_nothing_can_type_the_clipboard_is_proposed_only_if_there_is_one(
    programs: Path, monkeypatch: pytest.MonkeyPatch, name: str, remedy: str
) -> None:
    """There is none on Wayland without the data-control protocol: here, without any compositor."""
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "DBUS_SESSION_BUS_ADDRESS", "XDG_CURRENT_DESKTOP"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(programs))
    monkeypatch.setenv(name, "nothing-99")
    with pytest.raises(TargetError, match="nothing can type here") as raised:
        async with open_typing(TargetOptions(), Recorder()):
            raise AssertionError("something can type")
    assert str(raised.value).endswith(remedy)


@pytest.mark.parametrize(
    ("way", "wayland", "lends", "names"),
    [
        ("auto", False, False, ["xdotool"]),
        ("auto", True, False, ["wtype", "portal", "ydotool"]),
        ("auto", True, True, ["portal", "wtype", "ydotool"]),
        ("xdotool", True, True, ["xdotool"]),
        ("portal", True, False, ["portal"]),
    ],
)
def test_the_programs_to_try_depend_on_the_desktop(way: str, wayland: bool, lends: bool, names: list[str]) -> None:
    assert [keys.name for keys in candidates(way, NoPortal(), wayland=wayland, lends=lends)] == names


async def test_when_a_program_fails_the_next_one_types_from_then_on(programs: Path) -> None:
    notices: list[object] = []

    def publish(name: str, /, **fields: object) -> None:
        notices.append(fields["text"])

    install(programs, "wtype")
    log = install(programs, "ydotool")
    keys = Failover(candidates("auto", NoPortal(), wayland=True), publish)
    await keys.probe()
    assert keys.name == "wtype"
    install(programs, "wtype", status=1, says="the compositor is gone")
    with pytest.raises(TargetError, match="wtype: the compositor is gone"):
        await keys.type("one")
    await keys.type("two")
    assert "stdin: one" not in log.read_text()
    assert "stdin: two" in log.read_text()
    [failed, american] = notices
    assert failed == "wtype failed: ydotool types from now on."
    assert "ydotool presses the keys of an American keyboard" in str(american)
    notices.clear()
    keys = Failover(candidates("ydotool", NoPortal(), wayland=True), publish)
    await keys.probe()
    assert notices == [american]


async def test_without_a_clipboard_typable_text_is_typed_and_other_text_is_refused(programs: Path) -> None:
    log = install(programs, "ydotool")
    desktop = Desktop(Ydotool(), UnknownDesktopState(), NoClipboard("the compositor has none"))
    target = TypingTarget(desktop, TargetOptions(), lambda *_, **__: None)
    await target.insert("plain", focus=None)
    assert "stdin: plain" in log.read_text()
    for refused in (target.insert("漢", focus=None), target.set_aside("漢")):
        with pytest.raises(TargetError, match="the compositor has none"):
            await refused


async def test_text_is_never_passed_as_an_argument(programs: Path) -> None:
    for keys in (Xdotool(), Wtype(), Ydotool()):
        log = install(programs, keys.name)
        await keys.type("--secret")
        lines = log.read_text().splitlines()
        assert "--secret" not in lines[0]
        assert lines[1] == "stdin: --secret"


async def test_the_typing_program_runs_in_a_utf_8_locale_whatever_our_own_is(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    log = programs / "log"
    program = programs / "wtype"
    program.write_text(f"#!/bin/sh\necho $LC_ALL > {log}\n")
    program.chmod(0o755)
    await Wtype().type("Füße 漢")
    assert log.read_text() == "C.UTF-8\n"


async def test_ctrl_c_in_our_terminal_does_not_reach_the_typing_program(programs: Path) -> None:
    log = programs / "log"
    program = programs / "xdotool"
    script = f"import os\nopen({str(log)!r}, 'w').write(str(os.getsid(0) == os.getpid()))\n"
    program.write_text(f"#!{sys.executable}\n{script}")
    program.chmod(0o755)
    await Xdotool().press("ctrl+v")
    assert log.read_text() == "True"


async def test_chords_are_translated_to_the_arguments_of_each_program(programs: Path) -> None:
    logs = {keys: install(programs, keys.name) for keys in (Xdotool(), Wtype(), Ydotool())}
    for keys in logs:
        await keys.press("ctrl+shift+v")
    arguments = [log.read_text().splitlines()[0] for log in logs.values()]
    assert arguments == [
        "key --delay 2 ctrl+shift+v",
        "-M ctrl -M shift -k v -m ctrl -m shift -k Shift_L",
        "key -d 2 29:1 42:1 47:1 47:0 42:0 29:0",
    ]
    with pytest.raises(TargetError, match="no key 'f25'"):
        await Ydotool().press("f25")


@pytest.mark.parametrize(
    ("focus", "chord"),
    [
        (None, "ctrl+v"),
        (Focus("1", "Notes"), "ctrl+v"),
        (Focus("1", "kitty", terminal=True), "ctrl+shift+v"),
        (Focus("1", "XTerm", terminal=True), "shift+Insert"),
        (Focus("1", "MyEditor"), "ctrl+y"),
    ],
)
def test_the_paste_chord_depends_on_the_application(focus: Focus | None, chord: str) -> None:
    assert paste_chord(focus, "ctrl+v", {"myeditor": "ctrl+y"}) == chord


def test_the_focused_window_is_found_among_tiled_and_floating_ones() -> None:
    window = {"id": 7, "pid": 3, "focused": True, "app_id": "foot", "name": "a title nobody reads"}
    of_x = {"id": 8, "pid": 4, "focused": True, "app_id": None, "window_properties": {"class": "XTerm"}}
    assert focused({"nodes": [{"nodes": [], "floating_nodes": [window]}]}, ()) == Focus("7", "foot", terminal=True)
    assert focused({"nodes": [of_x]}, ()) == Focus("8", "XTerm", terminal=True)
    assert focused({"nodes": [{"id": 2, "focused": True}]}, ()) == Focus("")
