"""What knows nothing of prompts: array types, hashing, statistics, sparse matrices, files, threads, kernels.

In and out: NumPy arrays, Arrow columns, paths. Nothing here imports another folder of this package, and nothing raises
its errors: failures are OSError and ValueError.

Read `types.py` first, the names of arrays; then `hashing.py` and `strings.py`, which the kernels stand on.
"""
