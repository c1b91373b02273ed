"""Where dictated text goes: windows, the clipboard, files."""
