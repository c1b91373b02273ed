"""The text of dictation: spoken marks and commands, and the joining of utterances into running text."""
