"""The control socket: start, stop, mute and status of a running program."""
