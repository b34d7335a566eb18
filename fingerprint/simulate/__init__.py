"""Traffic with ground truth, of our own wording: honest use, honest mass templates, and extraction campaigns.

`simulate` yields Arrow tables, `write` makes files; the same configuration always gives the same rows.
"""

from .config import PRESETS, SimulationConfig, preset
from .evasion import EVASIONS, MEANING
from .output import simulate, write
from .traffic import SIMULATED_SCHEMA, TRUTH_SCHEMA

__all__ = [
    "EVASIONS",
    "MEANING",
    "PRESETS",
    "SIMULATED_SCHEMA",
    "TRUTH_SCHEMA",
    "SimulationConfig",
    "preset",
    "simulate",
    "write",
]
