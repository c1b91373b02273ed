"""`python -m voiceloop` and the `voiceloop` command."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Run the command line."""
    # Until a command listens for them itself: nothing has been opened yet that would need an orderly end.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started us: what is said goes nowhere
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115 - for good
    # Else pydantic reads the metadata of every installed distribution for plug-ins of its own: 50 ms of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from voiceloop.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
