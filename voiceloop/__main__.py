"""`python -m voiceloop` and the `voiceloop` command."""

from __future__ import annotations


def main() -> None:
    """Run the command line."""
    from voiceloop.cli import main as run

    run()


if __name__ == "__main__":
    main()
