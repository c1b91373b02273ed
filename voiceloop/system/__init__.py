"""What the interpreter and the system are asked for: the user's own modules, and files for their owner alone."""
