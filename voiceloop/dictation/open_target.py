"""Opens the target that the config names. Imports each kind only when it is asked for: all of them take 0.5 s."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager

from voiceloop.dictation.targets.target import PLACE, Target, TargetOptions
from voiceloop.errors import TargetError, UsageError
from voiceloop.events import Publish


def open_target(to: str, options: TargetOptions, publish: Publish) -> AbstractAsyncContextManager[Target]:
    """The target that `to` names: `type`, `clipboard`, `stdout` or `file:PATH`.

    Raises `UsageError` when it names none, and on entering `TargetError` when it can't be had here.
    """
    kind, _, rest = to.partition(":")
    if kind == "file" and rest:
        from voiceloop.dictation.targets.file_target import open_file

        return open_file(rest)
    if to == "stdout":
        from voiceloop.dictation.targets.file_target import open_stdout

        return open_stdout()
    if to in ("type", "clipboard"):
        if sys.platform == "darwin":
            raise TargetError(
                f"'{to}' is not there on macOS", place=PLACE, remedy="--to stdout or file:PATH work everywhere"
            )
        from voiceloop.dictation.desktops import open_clipboard, open_typing

        return open_typing(options, publish) if to == "type" else open_clipboard(options)
    raise UsageError(
        f"'{to}' is no place for text", place=PLACE, remedy="There are: type, clipboard, stdout, file:PATH"
    )
