"""A window with a text field, for the system's Python, which has Tk. Prints its text as a JSON line after every change;
obeys commands on its standard input.

    --name NAME     the window's class
    --closes        close brackets and quotes when they are typed, as editors do; BackSpace inside a pair deletes both
    --late SECONDS  the delay before each paste is read
    --early         read the clipboard before that delay, too, as browsers do
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tkinter
from typing import Any

PAIRS = {"parenleft": "()", "bracketleft": "[]", "braceleft": "{}", "quotedbl": '""'}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", default="Field")
    parser.add_argument("--closes", action="store_true")
    parser.add_argument("--late", type=float, default=0)
    parser.add_argument("--early", action="store_true")
    options = parser.parse_args()
    root = tkinter.Tk(className=options.name)
    text = tkinter.Text(root, width=60, height=8)
    text.pack()
    if options.closes:
        close_pairs(text)
    if options.early:
        text.bind("<<Paste>>", lambda _: None if root.clipboard_get() else "break")
    if options.late:
        text.bind("<<Paste>>", lambda _: time.sleep(options.late), add=True)
    text.bind("<<Modified>>", lambda _: tell(text))
    root.createfilehandler(sys.stdin, tkinter.READABLE, lambda *_: obey(root, text))
    root.update()
    text.focus_force()
    text.bind("<FocusIn>", lambda _: say(focused=True))
    text.bind("<FocusOut>", lambda _: say(focused=False))
    root.update()
    tell(text)
    root.mainloop()


def say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def tell(text: tkinter.Text) -> None:
    say(text=text.get("1.0", "end-1c"), cursor=len(text.get("1.0", "insert")))
    text.edit_modified(arg=False)


def obey(root: tkinter.Tk, text: tkinter.Text) -> None:
    line = sys.stdin.readline()
    if not line:
        root.destroy()
        return
    what, _, rest = line.strip().partition(" ")
    if what == "focus":
        text.focus_force()
    elif what == "set":
        text.delete("1.0", "end")
        before, after = json.loads(rest)
        text.insert("1.0", before + after)
        text.mark_set("insert", f"1.0 + {len(before)} chars")
    elif what == "copy":
        root.clipboard_clear()
        root.clipboard_append(json.loads(rest))
    say(done=line.strip())


def close_pairs(text: tkinter.Text) -> None:
    def opened(event: tkinter.Event[Any]) -> str | None:
        pair = PAIRS[event.keysym]
        text.insert("insert", pair)
        text.mark_set("insert", "insert - 1 chars")
        return "break"

    def back(event: tkinter.Event[Any]) -> str | None:
        around = text.get("insert - 1 chars", "insert + 1 chars")
        if around in PAIRS.values() and not text.tag_ranges("sel"):
            text.delete("insert - 1 chars", "insert + 1 chars")
            return "break"
        return None

    for key in PAIRS:
        text.bind(f"<Key-{key}>", opened)
    text.bind("<BackSpace>", back)


main()
