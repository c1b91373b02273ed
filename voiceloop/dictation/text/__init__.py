"""What was dictated as text: spoken marks and commands, and how utterances join."""
