"""The configuration: its tables, its layers, its schema."""
