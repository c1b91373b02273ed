"""The journal: keeps each utterance on disk until it is delivered."""
