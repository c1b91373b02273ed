"""HTTP. The one importer of httpx lives here."""
