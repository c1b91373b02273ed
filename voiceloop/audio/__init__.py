"""Samples and the devices they come from. The one importer of sounddevice lives here."""
