"""Random conversations in virtual time, and what must hold in every one of them."""
