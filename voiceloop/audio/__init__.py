"""Audio: samples, WAV files and sound devices. Only this package imports sounddevice."""
