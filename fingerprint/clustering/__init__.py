"""Unit vectors into neighbours and clusters.

In: (n, d) float32 unit rows. Out: each row's nearest others (`Neighbours`), and clusters of them (`Clusters`).

Read `knn.py` first, then `hdbscan_graph.py`, which needs `spanning_tree.py`. `faiss_index.py` is the one door to FAISS;
`knn_gpu.py` and `knn_shards.py` find candidates in its place, on a device or on many machines.
"""
