"""Other tools on the same traffic."""
