"""Time and memory: of nights, lookups, hunts and watches; on a GPU, on Ray."""
