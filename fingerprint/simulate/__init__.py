"""Traffic with ground truth, of our own wording: honest use, honest mass templates, and extraction campaigns.

`simulate` yields Arrow tables, `write` makes files; the same configuration always gives the same rows.
"""

from fingerprint.simulate.config import PRESETS, Config, SimulationConfig, preset
from fingerprint.simulate.evasion import EVASIONS, MEANING
from fingerprint.simulate.lifelike.config import ChatsConfig, LifelikeConfig
from fingerprint.simulate.output import simulate, write
from fingerprint.simulate.traffic import SIMULATED_SCHEMA, TRUTH_SCHEMA

__all__ = [
    "EVASIONS",
    "MEANING",
    "PRESETS",
    "SIMULATED_SCHEMA",
    "TRUTH_SCHEMA",
    "ChatsConfig",
    "Config",
    "LifelikeConfig",
    "SimulationConfig",
    "preset",
    "simulate",
    "write",
]
