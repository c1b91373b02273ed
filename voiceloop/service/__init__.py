"""Commands that run in the background, as systemd user services."""
