"""A server on loopback with OpenRouter's shape: it checks every request against the published rules, answers from a
script, and misbehaves as it is told. Real sockets, on Trio: in this process (`open_server`), or a process of its own
(`python -m testbed.server`)."""

from testbed.server.script import Fault, Script
from testbed.server.serve import Recorded, Server, open_server

__all__ = ["Fault", "Recorded", "Script", "Server", "open_server"]
