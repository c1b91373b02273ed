"""The desktop entry, which makes voiceloop an application that the desktop knows, with an id. Pure.

Desktop portals give global shortcuts only to callers with an id. They find the id of a caller in the name of its
systemd unit (`app-ID@….service`, https://systemd.io/DESKTOP_ENVIRONMENTS/), or the caller registers it
(`org.freedesktop.host.portal.Registry`). In both cases a file ID.desktop must exist, and its program too.
Format: https://specifications.freedesktop.org/desktop-entry-spec/latest/
"""

from __future__ import annotations

from pathlib import Path

from voiceloop.service.marks import marked

APP_ID = "io.github.voiceloop.Voiceloop"
FILE_NAME = f"{APP_ID}.desktop"
_ESCAPED = str.maketrans({char: f"\\{char}" for char in '"`$\\'})


def entry(program: Path) -> bytes:
    """The file. Started from a menu, it starts or stops listening."""
    return marked(
        f"""\
[Desktop Entry]
Type=Application
Name=voiceloop
Comment=Start or stop listening
Exec={quoted(str(program))} ctl toggle
Icon=audio-input-microphone
Categories=AudioVideo;Audio;
Terminal=false
""",
        "It goes with the last service: voiceloop service remove",
    )


def quoted(word: str) -> str:
    """A word of the key `Exec`. A quoted word is unescaped twice: as a value of the file, then as a word."""
    return '"' + word.translate(_ESCAPED).replace("\\", "\\\\").replace("%", "%%") + '"'
