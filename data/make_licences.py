"""Makes `fingerprint/text/licences.npy`: the n-grams of open-source licences, which are public text.

    npm pack spdx-license-list@6.12.0 && tar xzf spdx-license-list-6.12.0.tgz
    python data/make_licences.py package

The npm package spdx-license-list (CC0-1.0) has the texts of the SPDX licence list; those that the Open Source Initiative
approved are read. To be made again when the normaliser, the tokeniser or the n-grams change.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa

from fingerprint.text.ngrams import shingle
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

OUT = Path(__file__).parent.parent / "fingerprint" / "text" / "licences.npy"


def main(package: Path) -> None:
    """Write the sorted distinct hashes of the licences in an unpacked npm package."""
    listed = json.loads((package / "spdx.json").read_text())
    names = sorted(name for name, facts in listed.items() if facts["osiApproved"])
    texts = [json.loads((package / "licenses" / f"{n}.json").read_text())["licenseText"] for n in names]
    words = tokens(normalise(pa.array(texts, pa.large_string())))
    np.save(OUT, np.unique(shingle(words.hashes, words.section, words.row_offsets).hashes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
