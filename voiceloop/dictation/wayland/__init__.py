"""Wayland desktops: the keyboard layout, the clipboard, and the focus in sway."""
