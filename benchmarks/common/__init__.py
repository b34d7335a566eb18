"""What several benchmarks share: labelled and simulated traffic, scores, the machine they ran on, tables."""
