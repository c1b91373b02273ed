"""`python -m voiceloop` and the `voiceloop` command."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    # Else pydantic reads the metadata of every installed distribution for plug-ins of its own: 50 ms of the start.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

    from voiceloop.cli import main as run

    run()


if __name__ == "__main__":
    main()
