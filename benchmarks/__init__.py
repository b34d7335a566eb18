"""How good and how fast the product is, measured: README.md says how to run each benchmark."""
