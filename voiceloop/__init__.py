"""voiceloop: a daemon between a person's voice and a program."""

import os

__version__ = "0.1.0"

# ONNX Runtime, which most engines of this machine use, reports its use to its maker unless this is set before it is
# loaded: "nothing is sent" would not be true. Set here, so that no engine, plug-in or child process can be too early.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
