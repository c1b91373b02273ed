"""The entry point of `python -m voiceloop` and of the `voiceloop` command."""

from __future__ import annotations

import sys

if __name__ == "__main__" and __spec__ is not None and not sys.flags.safe_path:
    # First of all: `python -m` puts the working directory on the import path. A file that lies there, such as a
    # `signal.py`, would be run in the place of any module that is imported from here on.
    sys.path.pop(0)

import os
import signal


def main() -> None:
    """Run the command line."""
    # Until a command handles these signals itself, nothing is open that would have to be closed: end at once.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for name in ("SIGHUP", "SIGQUIT"):  # the terminal is closed; Ctrl-\
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:  # ignored, as by nohup: it stays so
            signal.signal(number, lambda *_: os._exit(0))
    from voiceloop.audio.quiet import own_standard_error
    from voiceloop.cli import surroundings

    surroundings.open_streams()
    own_standard_error()
    from voiceloop.system.private_files import keep_private

    keep_private()
    surroundings.prepare()
    # Otherwise pydantic searches every installed distribution for pydantic plug-ins: 50 ms of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from voiceloop.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
