# %% [markdown]
# # Families, drawn
#
# Four pictures of what a night found: the prompts of a day and the families among them, all families, and of one
# family who sent it when, and why it was flagged.
#
# This is a notebook as Python, in the "percent" format, so nothing of its output is stored. VS Code opens it as it is,
# and Jupyter with jupytext. Or run it as a script, which needs matplotlib beside what the program installs:
#
#     python examples/families.py
#
# For traffic of your own, change `TRAFFIC` and `HOME`.

# %%
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from matplotlib.colors import LogNorm
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from fingerprint import Home, nightly
from fingerprint.casework.queries import PageQueries
from fingerprint.domain.expected_precision import expected_precision, precision_words
from fingerprint.domain.word_pairs import made_name
from fingerprint.embedding.embedder import Embedder
from fingerprint.store.store import Store
from fingerprint.traffic.reader import read_traffic

TRAFFIC = Path("data/sample.jsonl.gz")
HOME = Home(Path("notebook-home"))
DRAWN = 1_000  # prompts of the day that are drawn; t-SNE takes long for many
SEED = 1


def laid_out(vectors: np.ndarray) -> np.ndarray:
    """Lay vectors (n, d) out in a plane, (n, 2), so that what is alike is near (t-SNE)."""
    least = min(len(vectors) - 1, 30)
    tsne = TSNE(init="pca", perplexity=min(30, least / 3), max_iter=500, random_state=SEED)
    with threadpool_limits(1):  # its threads wait for one another longer than they work
        return tsne.fit_transform(PCA(least, random_state=SEED).fit_transform(vectors))


# %% [markdown]
# ## A night
#
# `assignments` says for each request of which family it is. A night that was worked already is only read.

# %%
HOME.path.mkdir(mode=0o700, exist_ok=True)
ASSIGNED = HOME.path / "assignments.parquet"
if not ASSIGNED.exists():
    nightly([TRAFFIC], HOME, assignments=ASSIGNED)
with Store.open(HOME.path, read_only=True) as store:
    signatures = [signature for signature in store.signatures() if signature.variant_of is None]
flagged = {signature.family_id for signature in signatures if signature.flagged}
print(f"{len(signatures)} families, {len(flagged)} of them flagged")

# %% [markdown]
# ## The prompts of a day
#
# Every prompt's beginning is a vector (its embedding), and t-SNE lays near what means alike. As there may be many,
# the squares are counts: the darker, the more prompts. Prompts of flagged families are the orange dots: a campaign is a
# heap, or a few, for what fills its template differs.

# %%
traffic = pa.Table.from_batches(read_traffic([TRAFFIC], rejects=None)).select(["request_id", "prompt"])
traffic = traffic.append_column("family", pq.read_table(ASSIGNED, columns=["family_id"])["family_id"])
chosen = np.sort(np.random.default_rng(SEED).permutation(len(traffic))[:DRAWN])
prompts = traffic.take(chosen)
beginnings = pc.utf8_slice_codeunits(prompts["prompt"].combine_chunks(), 0, 500)
vectors = Embedder.load().encode(beginnings)
place = laid_out(vectors)
of_campaign = pc.is_in(
    prompts["family"], value_set=pa.array(sorted(flagged), prompts["family"].type)
).to_numpy()

figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
*_, squares = axes.hist2d(*place.T, bins=60, norm=LogNorm(), cmap="Blues")
axes.scatter(*place[of_campaign].T, s=6, color="tab:orange", label="of a flagged family")
figure.colorbar(squares, label="prompts")
axes.set(title=f"{len(prompts):,} of {len(traffic):,} prompts of {TRAFFIC.name}", xticks=[], yticks=[])
axes.legend()
plt.show()

# %% [markdown]
# ## All families
#
# A family is drawn where the mean of its template's sentences lies, as large as its requests, and named where it is
# flagged. Places say what templates mean, not who sends them: families of one campaign may lie apart.

# %%
means = np.array([signature.prototypes.mean(axis=0) for signature in signatures])
where = laid_out(means)
precision = [expected_precision(signature.score) for signature in signatures]
size = [10 + signature.spread.requests for signature in signatures]

figure, axes = plt.subplots(figsize=(8, 7), layout="constrained")
dots = axes.scatter(*where.T, s=size, c=precision, cmap="coolwarm", vmin=0, vmax=1, alpha=0.8)
for (x, y), signature in zip(where, signatures, strict=True):
    if signature.flagged:
        axes.annotate(made_name(signature.family_id), (x, y), fontsize=8, ha="center")
figure.colorbar(dots, label="expected precision: how surely it is a campaign's")
axes.set(title=f"{len(signatures)} families", xticks=[], yticks=[])
axes.margins(0.1)
plt.show()

# %% [markdown]
# ## One family: who sent it when
#
# Each row is an account, each column an hour. Accounts that one operator runs begin together and stop together.

# %%
family = max(signatures, key=lambda signature: (signature.score, signature.family_id))
name = f"{made_name(family.family_id)} ({family.family_id})"
with Store.open(HOME.path, read_only=True) as store:
    heat = PageQueries(store.database).heat([family.family_id])

figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
cells = axes.imshow(np.where(heat.requests > 0, heat.requests, np.nan), aspect="auto", cmap="viridis_r")
figure.colorbar(cells, label="requests")
axes.set_xticks(
    range(len(heat.starts))[::4], [f"{start:%d %b, %H:%M}" for start in heat.starts[::4]], fontsize=8
)
axes.set_yticks(range(len(heat.accounts)), heat.accounts, fontsize=6)
axes.set_title(f"{name}: {len(heat.accounts)} of {heat.of} accounts, by hour")
plt.show()

# %% [markdown]
# ## One family: why
#
# A score is a sum of log-odds. What lies right of the line speaks for a campaign, what lies left of it speaks against one.

# %%
reasons = sorted(family.reasons, key=lambda reason: reason.contribution)
shown = [reason for reason in reasons if abs(reason.contribution) >= 0.05]

figure, axes = plt.subplots(figsize=(11, 0.5 + 0.45 * len(shown)), layout="constrained")
axes.barh(
    [reason.words.partition(":")[0].partition(";")[0] for reason in shown],
    [reason.contribution for reason in shown],
    color=["tab:orange" if reason.contribution > 0 else "tab:blue" for reason in shown],
)
axes.axvline(0, color="black", linewidth=0.8)
axes.set(title=f"{name}: {precision_words(expected_precision(family.score))}", xlabel="log-odds")
plt.show()
