"""A window with a text field, made with GTK, which runs on Wayland. Like `tk_field.py`, for the system's Python.

--name NAME     the application's name
--late SECONDS  the delay before each paste is read
--early         read the clipboard before that delay, too, as browsers do
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import gi  # type: ignore[import-not-found]
from gi.repository import GLib  # type: ignore[import-not-found]

parser = argparse.ArgumentParser()
parser.add_argument("--name", default="field")
parser.add_argument("--late", type=float, default=0)
parser.add_argument("--early", action="store_true")
options = parser.parse_args()
GLib.set_prgname(options.name)  # before GTK is loaded: it takes the application's name from there
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, Gtk  # noqa: E402


def main() -> None:
    window = Gtk.Window(title="whatever")
    view = Gtk.TextView()
    window.add(view)
    view.get_buffer().connect("changed", tell)
    if options.early:
        view.connect("paste-clipboard", lambda _: Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).wait_for_text())
    if options.late:
        view.connect("paste-clipboard", lambda _: time.sleep(options.late))
    view.connect("focus-in-event", lambda *_: say(focused=True))
    view.connect("focus-out-event", lambda *_: say(focused=False))
    window.show_all()
    GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, lambda *_: obey(window, view))
    tell(view.get_buffer())
    Gtk.main()


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def tell(buffer: Any) -> None:
    start, end = buffer.get_bounds()
    cursor = buffer.get_iter_at_mark(buffer.get_insert()).get_offset()
    say(text=buffer.get_text(start, end, include_hidden_chars=True), cursor=cursor)


def obey(window: Any, view: Any) -> bool:
    line = sys.stdin.readline()
    if not line:
        Gtk.main_quit()
        return False
    what, _, rest = line.strip().partition(" ")
    if what == "focus":
        window.present()
    elif what == "set":
        before, after = json.loads(rest)
        buffer = view.get_buffer()
        buffer.set_text(before + after)
        buffer.place_cursor(buffer.get_iter_at_offset(len(before)))
    elif what == "copy":
        Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD).set_text(json.loads(rest), -1)
    say(done=line.strip())
    return True


main()
