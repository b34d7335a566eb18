"""Unit vectors into neighbours and clusters.

In: (n, d) float32 unit rows. Out: each row's nearest others (`Neighbours`), and clusters of them (`Clusters`).

Read `knn.py` first, then `hdbscan_graph.py`, which needs `spanning_tree.py`. Candidates are found by `all_pairs.py`, of many
points by `inverted_lists.py` or by `faiss_index.py`, the one door to FAISS; `knn_gpu.py` and `knn_shards.py` find them in the
place of these, on a device or on many machines. A lookup's few queries are searched in `byte_lists.py`.
"""
