"""A server on loopback with OpenRouter's shape: it checks every request against the published rules, answers from a
script, and misbehaves as it is told. Real sockets, on trio; in-process (`open_server`) or `python -m tests.server`."""

from tests.server.script import Fault, Script
from tests.server.serve import Recorded, Server, open_server

__all__ = ["Fault", "Recorded", "Script", "Server", "open_server"]
