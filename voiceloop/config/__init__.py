"""The configuration: tables of settings, layers of files and options, checks, and a JSON Schema."""
