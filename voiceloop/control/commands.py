"""What the control socket understands. Imports nothing, so that `voiceloop ctl` starts at once."""

COMMANDS = ("start", "stop", "toggle", "mute", "unmute", "cancel", "status")
