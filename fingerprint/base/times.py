"""Lengths of time, in seconds."""

HOUR_SECONDS = 3_600
DAY_SECONDS = 24 * HOUR_SECONDS
