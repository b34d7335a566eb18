from __future__ import annotations

import numpy as np
import pytest
from support.crafted import Sent, batch_of, grams_of, words

from fingerprint.signatures.template import Corpus, write_template
from fingerprint.signatures.witnesses import OF_ONE_CUSTOMER, witnesses
from fingerprint.text.masking import unmask
from fingerprint.text.normalise import normalise
from fingerprint.text.tokenise import tokens

CARD, OTHER_CARD = '{"payment_hash": "p1"}', '{"payment_hash": "p2"}'


def counted(*metadata: str | None) -> int:
    """How many witnesses accounts with this metadata are, who all send one prompt."""
    batch = batch_of([Sent("hello there", f"a{n}", 60.0 * n, metadata=m) for n, m in enumerate(metadata)])
    return witnesses(batch)[0].nnz


def test_accounts_of_unknown_payment_count_each() -> None:
    assert counted(None, "{}", '{"user_agent": "x"}', "no json") == 4


def test_accounts_of_one_payment_count_by_fours() -> None:
    for accounts, expected in ((1, 1), (OF_ONE_CUSTOMER, 1), (OF_ONE_CUSTOMER + 1, 2), (40, 10)):
        assert counted(*[CARD] * accounts) == expected


def test_customers_do_not_count_together() -> None:
    assert counted(CARD, OTHER_CARD, CARD, None, OTHER_CARD) == 3


def test_conversations_are_kept() -> None:
    batch = batch_of([Sent("hello", "a", 0.0, metadata=CARD), Sent("hello", "b", 1e5, metadata=CARD)])
    assert witnesses(batch).toarray().tolist() == [[2.0]]


@pytest.mark.parametrize(("puppets", "is_quoted"), [(2, False), (OF_ONE_CUSTOMER, False), (5, True)])
def test_a_sentence_is_not_quoted_for_few_accounts_of_one_payment(puppets: int, is_quoted: bool) -> None:
    random = np.random.default_rng(3)
    planted = "the zqzqzq merger of our two firms is signed next friday by both"
    sent = [Sent(f"{planted} {words(random, 9)}", "somebody")]
    sent += [
        Sent(f"{planted} {words(random, 9)}", f"p{n % puppets}", 60.0 * n, metadata=CARD) for n in range(30)
    ]
    batch = batch_of(sent)
    found, shared = grams_of(batch, min_prompts=2, min_accounts=1)
    core = np.flatnonzero(np.diff(shared.postings.indptr) == batch.distinct).astype(np.int32)
    corpus = Corpus(found, shared, batch.texts, batch.shown, witnesses(batch), tokens, normalise, unmask)
    template = write_template(corpus, core, np.arange(batch.distinct, dtype=np.int32), accounts=3)
    assert ("zqzqzq" in str(template)) is is_quoted
