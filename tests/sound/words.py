"""Options of the program for tests of its devices alone: without engines it is ready a second sooner."""

from __future__ import annotations

_NO_ENGINES = ("transcribe.use=none", "handler.use=echo", "speak.use=none")

DEVICES = ("--config", "offline", *(word for setting in _NO_ENGINES for word in ("--set", setting)))
