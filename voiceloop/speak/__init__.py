"""Speech synthesis: turns the text of a reply into audio samples."""
