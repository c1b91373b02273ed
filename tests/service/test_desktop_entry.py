"""The desktop entry, as the desktops' own library (GLib) reads it: portals take no id whose entry it can't read."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from voiceloop.service.desktop_entry import FILE_NAME, entry

READ = """
import json, sys
from gi.repository import Gio, GLib
info = Gio.DesktopAppInfo.new_from_filename(sys.argv[1])
words = GLib.shell_parse_argv(info.get_commandline().replace("%%", "%"))[1] if info else []
print(json.dumps([info and info.get_id(), info and info.get_name(), info and info.should_show(), words]))
"""


def read(path: Path) -> list[object]:
    python = shutil.which("python3", path="/usr/bin")
    if python is None or subprocess.run([python, "-c", "from gi.repository import Gio"], check=False).returncode:
        pytest.skip("GLib can't be asked: Debian's python3-gi is not installed")
    done = subprocess.run([python, "-c", READ, str(path)], capture_output=True, check=True, text=True)
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("folder", ["plain", 'a b "c" $HOME `x` \\" \\$ é'])
def test_glib_reads_the_entry_and_the_command_as_they_were_meant(folder: str, tmp_path: Path) -> None:
    program = tmp_path / folder / "voiceloop"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    path = tmp_path / FILE_NAME
    path.write_bytes(entry(program))
    assert read(path) == [FILE_NAME, "voiceloop", True, [str(program), "ctl", "toggle"]]
