"""A loopback server with OpenRouter's API: checks every request against the published rules, answers from a script, and
makes the faults that the script asks for. Real sockets, on Trio, in the test's process (`open_server`) or as a process
(`python -m testbed.server`)."""

from testbed.server.script import Fault, Script, SocketFault, StreamFault
from testbed.server.serve import open_server
from testbed.server.state import Recorded, Server

__all__ = ["Fault", "Recorded", "Script", "Server", "SocketFault", "StreamFault", "open_server"]
