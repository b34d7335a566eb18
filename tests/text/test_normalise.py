import random
import re
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fingerprint.base.strings import strings
from fingerprint.domain.schemas import SYSTEM_END, TURN_END
from fingerprint.text import masking
from fingerprint.text.characters import CLASS, CODES, DROP, LETTER, SPACE, matching, showing
from fingerprint.text.masking import MASKS, unmask
from fingerprint.text.normalise import (
    _GROWTH,
    MAX_MARKS,
    _fold,
    compose,
    display,
    normalise,
    normalise_with_values,
)
from fingerprint.text.tokenise import tokens

SENTENCE = "You are an expert data analyst. Write the report, quickly; don't explain it"
MASK = re.compile(f"[{''.join(MASKS)}]")

pieces = st.sampled_from(
    [
        *"0123456789abcdefxzpm .-:/@_+,='\"%ÉΗιסо한가์ก漢🅐🅰ᴛﷺ½‘ʼ\t\u200d\u0301\u0345\u09c7\u09be\ue001",
        *[
            "http://",
            "www.",
            "2024-01-02",
            "12:30",
            "12345",
            "deadbeef",
            "a@b.co",
            "1,234",
            SYSTEM_END,
            TURN_END,
        ],
        *["5bb42340-942c-1899-1f9c-c696f13493a4", "aB3dE5fG7hI9jK1lM3nO5p", "10.0.0.1"],
    ]
)
anything = st.one_of(st.text(max_size=60), st.lists(pieces, max_size=25).map("".join))


def one(text: str) -> str:
    return normalise(pa.array([text]))[0].as_py()


def read(text: str) -> str:
    return unmask(one(text))


def words(text: str) -> list[str]:
    """The tokens of a text, which need not be normalised yet."""
    normal = normalise(pa.array([text]))
    found, raw = tokens(normal), normal[0].as_py().encode()
    return [raw[a:z].decode() for a, z in zip(found.starts, found.ends, strict=True)]


def targets(entries: np.ndarray) -> dict[int, str]:
    """What each code of a column of the character table folds to."""
    codes = np.flatnonzero(entries).tolist()
    spans = [(entries[c] >> 3, entries[c] & 7) for c in codes]
    return {
        c: "".join(map(chr, matching().targets[a : a + n])) for c, (a, n) in zip(codes, spans, strict=True)
    }


def hashes(text: str) -> list[int]:
    return tokens(normalise(pa.array([text]))).hashes.tolist()


def test_case_white_space_and_punctuation_do_not_matter() -> None:
    assert one("  Hello\n\tWORLD\u00a0 \u2028x ") == "hello world x"
    assert hashes("HELLO,  world!!") == hashes("hello world") == hashes("“Hello” — World…")
    assert one("Straße İstanbul") == "strasse istanbul"
    assert hashes("ΣΊΣΥΦΟΣ") == hashes("σίσυφος")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("pаypаl, Р​аУраl", "paypal, paypal"),
        ("Ηеllο", "hello"),
        ("𝐇𝐞𝐥𝐥𝐨 ｆｕｌｌ ⓦⓘⓓⓔ", "hello full wide"),
        ("ᴛʜɪs 🅷🅴🅻🅿 🅐🅑", "this help ab"),
        ("h̷e̴l̵l̶o̸ naïve café", "hello naive cafe"),
        ("heסlo wဝrld", "heolo world"),
        ("ӏаmр", "lamp"),
        ("don’t ‐ “say”", 'don\'t - "say"'),
        ("٣ ३ ３", "3 3 3"),
    ],
)
def test_look_alikes_read_as_latin(written: str, meant: str) -> None:
    assert one(written) == meant


def test_whole_words_of_other_scripts_stay_words() -> None:
    assert one("שלום ישראל") == "שלום ישראל"
    assert one("السلام") == "السلام"
    assert one("ဝယ်") == "ဝယ်"
    assert hashes("Привет, МИР") == hashes("привет мир")
    assert one("mirror") == "mirror"
    assert one("l1|I0Oo rn m 5S") == "l1|i0oo rn m 5s"


def test_every_mapped_look_alike_reads_as_its_letters() -> None:
    table = matching()
    mapped = {c: t for c, t in targets(table.folds).items() if table.rules[c] == 0} | targets(table.beside)
    assert len(mapped) > 2000
    got = normalise(pa.array([f"qu{chr(c)}z" for c in mapped])).to_pylist()
    assert got == [f"qu{t}z" for t in mapped.values()]


def test_ascii_maps_to_itself_but_for_case() -> None:
    printable = " ".join(map(chr, range(33, 127)))
    assert one(printable) == printable.lower()
    assert not matching().folds[:128].any()


def test_folds_never_outgrow_their_room() -> None:
    table = matching()
    for code, target in [*targets(table.folds).items(), *targets(table.beside).items()]:
        assert len(target.encode()) <= _GROWTH * len(chr(code).encode())


def test_every_character_is_settled_by_one_pass() -> None:
    codes = [c for c in range(CODES) if not 0xD800 <= c <= 0xDFFF]
    for before, after in (("", ""), ("a", "b"), ("Η", "ס"), ("か", "ー"), ("ে", "া")):
        once = normalise(pa.array([before + chr(c) + after for c in codes]))
        assert normalise(once).equals(once)


def test_invisible_characters_vanish() -> None:
    hidden = "".join(
        chr(c) for c in (0xAD, 0x200B, 0x202E, 0x2066, 0xFE0F, 0xE0041, 0xE0101, 0xE001, 0xF0000, 0x3164)
    )
    hidden += "\u1160\u115f\uffa0\u034f\u180e\ufeff\x00\x07\x1f\x7f\x85"[:-1]
    assert one("igno" + hidden + "re") == "ignore"
    assert display(pa.array(["Igno" + hidden + "re"]))[0].as_py() == "Ignore"


def test_marks_are_kept_where_they_are_text_and_never_stuffed() -> None:
    assert one("สวัสดี น้ำ") == "สวัสดี น้ํา"
    assert one("हिन्दी") == "हिन्दी"
    assert one("がガ ｶﾞ") == "がガ ガ"
    assert one("ก" + "\u0e35" * 500) == "ก" + "\u0e35" * MAX_MARKS
    assert len(display(pa.array(["z" + "\u0301" * 500]))[0].as_py()) <= 1 + MAX_MARKS


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("request-id: fcc8ac9652c6bb4f", "request-id: ⟨hex⟩"),
        ("f758391c 02d33cb e897a6911 #566830", "⟨hex⟩ ⟨hex⟩ ⟨hex⟩ #⟨number⟩"),
        ("5BB42340-942c-1899 x", "⟨hex⟩-942c-1899 x"),
        ("{5BB42340-942c-1899-1f9c-c696f13493a4}", "{⟨uuid⟩}"),
        ("2026-03-03T21:33:26Z 2026-03-03 21:33:26.123+02:00", "⟨timestamp⟩ ⟨timestamp⟩"),
        ("on 2026-03-03, 3/14/2026 or 14.03.2026", "on ⟨date⟩, ⟨date⟩ or ⟨date⟩"),
        ("at 9:05 pm or 21:05:59", "at ⟨time⟩ or ⟨time⟩"),
        ("see HTTPS://www.Example.com/a/b?c=d#e, now", "see ⟨url⟩www.example.com now"),
        ("(http://localhost:8080/x) http://", "(⟨url⟩localhost:8080) http://"),
        ("http://a.co/x是 http://a/ж", "⟨url⟩a.co 是 ⟨url⟩a ж"),
        ("Mail Jo.Doe+x@mail.example.com.", "mail ⟨email⟩."),
        ("1,234,567.89 3.14159 12345 user48213", "⟨number⟩ ⟨number⟩ ⟨number⟩ user⟨number⟩"),
        ("192.168.1.1 0xDEADBEEF", "⟨ip⟩ ⟨hex⟩"),
        ("key aB3dE5fG7hI9jK1lM3nO5p/xyz==", "key ⟨blob⟩"),
        ("编号123456789号", "编号⟨number⟩号"),
        (
            "deadbeef facade 42 1984 v1.2.3 gpt4 face2 utf8 a@b 16:9",
            "deadbeef facade 42 1984 v1.2.3 gpt4 face2 utf8 a@b 16:9",
        ),
        ("a/b/c snake_case_2 site-packages python3.11", "a/b/c snake_case_2 site-packages python3.11"),
    ],
)
def test_volatile_tokens_are_masked_and_words_are_not(text: str, masked: str) -> None:
    assert read(text) == masked


def test_masks_cannot_be_forged_and_stay_one_token() -> None:
    assert one(f"a{masking.UUID}b") == "ab"
    assert words("id 12345 67890") == ["id", masking.NUMBER, masking.NUMBER]
    assert unmask(masking.HEX + "x") == "⟨hex⟩x"


def test_compose_puts_system_prompts_first() -> None:
    system = pa.chunked_array([["You are X", None], [""]])
    assert compose(system, pa.array(["a", "b", "c"])).to_pylist() == [f"You are X{SYSTEM_END}a", "b", "c"]
    text = f" You are X {SYSTEM_END} one \n{TURN_END}two words"
    assert one(text) == f"you are x{SYSTEM_END}one{TURN_END}two words"
    found = tokens(normalise(pa.array([text, "no system", f"{SYSTEM_END}x"])))
    assert found.section.tolist() == [0, 0, 0, 1, 2, 2, 1, 1, 1]
    assert found.row_offsets.tolist() == [0, 6, 8, 9]


def test_display_keeps_letters_and_tokens() -> None:
    shown = display(pa.array(["  Pаypal​ №5\n at ２０２６-01-02 café ", None]))
    assert shown.to_pylist() == ["Pаypal No5 at 2026-01-02 café", ""]


def test_tokens_of_scripts_with_and_without_spaces() -> None:
    assert words("Don't use snake_case or __init__, 42!") == [
        "don't",
        "use",
        "snake_case",
        "or",
        "init",
        "42",
    ]
    assert words("我爱你2次 ok") == ["我", "爱", "你", "2", "次", "ok"]
    assert words("かなカナ") == list("かなカナ")
    assert words("สวัสดี") == ["ส", "วั", "ส", "ดี"]
    assert words("한국어 हिन्दी") == ["한국어", "हिन्दी"]
    assert words("🧠🧠 👩‍💻") == ["🧠", "🧠", "👩", "💻"]
    assert words("?!  …") == ["?", "!", ".", ".", "."]
    assert words(" \n ") == []


def test_token_columns_have_the_stated_types() -> None:
    found = tokens(normalise(pa.array(["a b", "", "c"])))
    assert [c.dtype for c in (found.row_offsets, found.hashes, found.starts, found.ends, found.section)] == [
        np.int64,
        np.uint64,
        np.int32,
        np.int32,
        np.uint8,
    ]
    assert found.row_offsets.tolist() == [0, 2, 2, 3]
    assert len(set(found.hashes.tolist())) == 3


def test_arrays_may_be_sliced_chunked_typed_otherwise_or_empty() -> None:
    texts = ["Ünder", None, "b 12345", "", "ж", "漢"]
    whole = normalise(pa.array(texts, pa.large_string()))
    assert normalise(pa.array(texts)).equals(whole)
    assert normalise(pa.array(texts).slice(2, 3)).equals(whole.slice(2, 3))
    assert normalise(pa.chunked_array([texts[:1], [], texts[1:]])).equals(whole)
    assert normalise(pa.array(texts).dictionary_encode()).equals(whole)
    assert normalise(pa.chunked_array([], pa.string())).to_pylist() == []
    assert normalise(pa.array([None, None])).to_pylist() == ["", ""]
    sliced, rest = tokens(whole.slice(2)), tokens(pa.array(whole.slice(2).to_pylist()))
    assert all(
        np.array_equal(getattr(sliced, c), getattr(rest, c)) for c in ("row_offsets", "hashes", "starts")
    )
    assert len(tokens(pa.array([], pa.string())).hashes) == 0


@pytest.mark.alone
def test_long_and_hostile_texts_take_linear_time() -> None:
    rows = ["я" * 10**6, "z" * 30 + "12345", "1.", "a@", "ab1/", "\u0301", "?", "http://", "1,234,", "סо"]
    texts = pa.array([row * (2_000_000 // len(row.encode())) for row in rows])
    normalise(texts.slice(0, 1))
    started = time.process_time()
    tokens(normalise(texts))
    assert time.process_time() - started < 5


def test_importing_the_package_stays_light() -> None:
    code = "import fingerprint, sys; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(deadline=None, max_examples=300)
@given(anything)
def test_normalising_twice_changes_nothing(text: str) -> None:
    # a mask is taken out of any input, so another sign without a meaning stands for it here
    normal = MASK.sub("§", one(text))
    assert one(normal) == normal


@settings(deadline=None, max_examples=300)
@given(anything)
def test_any_text_comes_out_clean(text: str) -> None:
    normal = one(text)
    kinds = matching().kinds[[ord(c) for c in MASK.sub("", normal)]] & CLASS
    assert not (kinds == DROP).any()
    assert set(np.array(list(MASK.sub("", normal)))[kinds == SPACE]) <= {" "}
    assert "  " not in normal
    assert normal == normal.strip(" ")
    found = words(text)
    assert all(found)
    assert bool(found) == bool(normal.strip(f" {SYSTEM_END}{TURN_END}"))
    shown = display(pa.array([text]))
    assert display(shown).equals(shown)
    assert not (showing().kinds[[ord(c) for c in shown[0].as_py()]] & CLASS == DROP).any()


@settings(deadline=None, max_examples=200)
@given(st.randoms(use_true_random=False))
def test_evasions_leave_the_tokens_of_english_alone(chance: random.Random) -> None:
    table = matching()
    alike: dict[str, list[str]] = {}
    for code, target in targets(table.folds).items():
        if len(target) == 1 and table.rules[code] == 0 and table.kinds[code] & CLASS == LETTER:
            alike.setdefault(target, []).append(chr(code))
    out = []
    for c in SENTENCE:
        c = c.upper() if chance.random() < 0.3 else c
        c = chance.choice(alike[c.lower()]) if c.lower() in alike and chance.random() < 0.3 else c
        c = chance.choice(["  ", "\n", "\t", "\u00a0", "\u2003 "]) if c == " " else c
        out.append(
            c + (chance.choice("\u200b\u200d\u00ad\ufeff\u2060\u034f\u0335") if chance.random() < 0.2 else "")
        )
    assert hashes("".join(out)) == hashes(SENTENCE)


joining = st.text(
    "ae1 -\u0301\u0327é½…ﬁ㎏㏂①Ａｅ𝖾각각\u0915\u093c\u09c7\u09be\uff9e\uff76ａ²😀\u2126\u00a0⑴", max_size=24
)


@given(texts=st.lists(st.one_of(joining, st.text(max_size=30)), min_size=1, max_size=5))
def test_what_is_normalised_by_a_table_is_what_the_library_normalises(texts: list[str]) -> None:
    table = showing()
    harder = table._replace(simple=np.zeros_like(table.simple))
    column = pa.array(texts, pa.large_string())
    assert strings(*_fold(column, table)) == strings(*_fold(column, harder))


def test_what_masks_stand_for_is_told_apart() -> None:
    texts = ["plain", "no 12345 here", "no 12346 here", "NO 12345  here", "12345 67890", "67890 12345", ""]
    texts += ["http://a.example/x", "http://a.example/y", "https://a.example/x", "a@b.example", "c@b.example"]
    normalised, values = normalise_with_values(pa.array(texts))
    assert normalised.equals(normalise(pa.array(texts)))
    assert values[0] == values[6] == 0
    assert values[1] == values[3]
    assert len(set(values.tolist())) == len(texts) - 2
    # a text's hash depends on nothing beside it
    assert [normalise_with_values(pa.array([t]))[1][0] for t in texts] == values.tolist()
