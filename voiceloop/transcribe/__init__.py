"""Transcription: from utterances to text."""
