"""Finds the templated prompt families of model-extraction campaigns in LLM API traffic."""

__version__ = "0.1.0"
