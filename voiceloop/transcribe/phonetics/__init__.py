"""How words sound: pronunciations, their distances, and terms found by them. Pure."""
