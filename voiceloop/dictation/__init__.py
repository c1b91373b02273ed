"""Dictation: joins what was said into text (`joining`) and puts it where the user wants it (`target`)."""
