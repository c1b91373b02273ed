"""The control socket, over which `voiceloop ctl` starts, stops, mutes and queries a running program."""
