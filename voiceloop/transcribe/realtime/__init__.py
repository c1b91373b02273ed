"""The transcriber for servers that hear speech while it is spoken, over a WebSocket (OpenAI's realtime API)."""
