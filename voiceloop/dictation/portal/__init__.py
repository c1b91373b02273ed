"""The desktop portal: typing and the clipboard on GNOME and KDE."""
