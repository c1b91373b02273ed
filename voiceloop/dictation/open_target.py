"""Opens the target that the config names. Imports only the kind that is wanted: importing all of them takes 0.5 s."""

from __future__ import annotations

import sys
from contextlib import AbstractAsyncContextManager

from voiceloop.dictation.targets.target import PLACE, Target, TargetOptions
from voiceloop.errors import TargetError, UsageError
from voiceloop.events import Publish


def open_target(to: str, options: TargetOptions, publish: Publish) -> AbstractAsyncContextManager[Target]:
    """Open the target that `to` names: `type`, `clipboard`, `stdout` or `file:PATH`.

    Raises `UsageError` when `to` names no target; on entering, `TargetError` when the target doesn't work here.
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
                f"'{to}' doesn't work on macOS",
                place=PLACE,
                remedy="Use --to stdout or --to file:PATH: both work everywhere",
            )
        from voiceloop.dictation.desktops import open_clipboard, open_typing

        return open_typing(options, publish) if to == "type" else open_clipboard(options)
    raise UsageError(
        f"'{to}' is not a target for text", place=PLACE, remedy="There are: type, clipboard, stdout, file:PATH"
    )
