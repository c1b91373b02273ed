"""From utterances to text."""
