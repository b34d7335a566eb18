"""The HTTP service and the console under load."""
