"""Dictation: joins transcripts into running text (`text.joining`) and writes it where the user wants
(`targets.target`)."""
