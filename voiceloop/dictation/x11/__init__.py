"""X11 desktops: the focused window, the user's input, and the clipboard (selections)."""
