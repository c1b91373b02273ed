"""The commands of the control socket. Imports nothing, so that `voiceloop ctl` starts at once."""

COMMANDS = ("start", "stop", "toggle", "mute", "unmute", "cancel", "status")
