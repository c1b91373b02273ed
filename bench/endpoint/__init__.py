"""When a turn ends, in file time."""
