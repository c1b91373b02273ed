"""The desktop portal: typing on GNOME and KDE."""
