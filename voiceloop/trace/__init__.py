"""Traces: records a session (`voiceloop run --trace`), and shows where its time went (`voiceloop trace`)."""
