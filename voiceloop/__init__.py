"""voiceloop: a daemon between a person's voice and a program."""

__version__ = "0.1.0"
