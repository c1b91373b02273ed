"""Reads what `voiceloop run --trace` left and shows where the time went. Pure: knows no device, task or network."""
