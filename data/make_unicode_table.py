"""Makes fingerprint/unicode_table.txt: what each character is and what it folds to.

Sources (Unicode 15.0.0): the Debian package `unicode-data` 15.0.0-1, and `confusables.txt` (UTS #39) as it stands in
the Debian source package `icu` 72.1 under icu/source/data/unidata/. To make the table again:

    apt-get install unicode-data && apt-get source --download-only icu
    tar xzf icu_72.1.orig.tar.gz icu/source/data/unidata/confusables.txt icu/LICENSE
    python data/make_unicode_table.py --ucd /usr/share/unicode --icu icu
"""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

CODES = 0x110000
ASCII_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
CLASSES = ("letter", "mark", "single", "space", "drop", "strip")  # all others: "symbol"
SEPARATORS = (0x1D, 0x1E)  # the package gives these a class itself
SPACES = (
    *range(0x09, 0x0E),
    0x20,
    0x85,
    0xA0,
    0x1680,
    *range(0x2000, 0x200B),
    0x2028,
    0x2029,
    0x202F,
    0x205F,
    0x3000,
)
IDEOGRAPHIC = frozenset("Han Hiragana Katakana Bopomofo Yi Nushu Tangut Khitan_Small_Script".split())  # noqa: SIM905
UNSPACED = IDEOGRAPHIC | frozenset(
    [
        "Thai",
        "Lao",
        "Khmer",
        "Myanmar",
        "Javanese",
        "Balinese",
        "Tai_Le",
        "New_Tai_Lue",
        "Tai_Tham",
        "Tai_Viet",
    ]
)
# whole words of these scripts are folded; letters of any other only inside a word that has Latin letters
ALIKE = frozenset("Latin Common Inherited Greek Coptic Cyrillic Armenian Cherokee Lisu".split())  # noqa: SIM905
NEVER = IDEOGRAPHIC | {"Hangul"}
PALOCHKA = (0x04C0, 0x04CF)  # drawn as a bar, though UTS #39 sends the small one to i
KEPT_MARKS = (0x3099, 0x309A)  # Japanese voicing marks tell letters apart, though their script is Inherited
QUOTES = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u02bc\u02b9\u02bb\u02bd\u02c8\u0060\u00b4\u2035\ua78c",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u301d\u301e\u301f\u2036",
}


def ranges(path: Path, wanted: str | None = None) -> Iterator[tuple[int, int, str]]:
    """Yield first and last code and the value of each line of a UCD property file; of `wanted` values only."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = [f.strip() for f in line.split("#")[0].split(";")]
        if len(fields) < 2 or (wanted is not None and fields[1] != wanted):
            continue
        first, _, last = fields[0].partition("..")
        yield int(first, 16), int(last or first, 16), fields[1]


def nfkc(texts: list[str]) -> list[str]:
    """Return NFKC by the library that the package itself uses."""
    return pc.utf8_normalize(pa.array(texts, pa.large_string()), form="NFKC").to_pylist()


def text_of(codes: str) -> str:
    """Return the characters of codes in hex."""
    return "".join(chr(int(c, 16)) for c in codes.split())


class Unicode:
    """The parts of the Unicode character database that decide a character's class and fold."""

    def __init__(self, ucd: Path, icu: Path) -> None:
        self.sources = [
            ucd / f"{name}.txt"
            for name in (
                "UnicodeData",
                "Scripts",
                "DerivedCoreProperties",
                "CaseFolding",
                "DerivedNormalizationProps",
            )
        ]
        self.sources += [ucd / "emoji/emoji-data.txt", icu / "source/data/unidata/confusables.txt"]
        data, scripts, core, folding, norm, emoji, confusables = self.sources
        self.category, self.combining, self.name = ["Cn"] * CODES, [0] * CODES, [""] * CODES
        self.decimal: dict[int, int] = {}
        self.decomposition: dict[int, str] = {}
        self._read_characters(data)
        self.script = ["Unknown"] * CODES
        for first, last, value in ranges(scripts):
            self.script[first : last + 1] = [value] * (last + 1 - first)
        self.ignorable = self._codes(core, "Default_Ignorable_Code_Point")
        self.pictographic = self._codes(emoji, "Extended_Pictographic")
        self.not_nfkc = self._codes(norm, "NFKC_QC")
        self.casefold = {}
        for line in folding.read_text(encoding="utf-8").splitlines():
            fields = [f.strip() for f in line.split("#")[0].split(";")]
            if len(fields) > 2 and fields[1] in "CF":
                self.casefold[int(fields[0], 16)] = text_of(fields[2])
        self.prototype = {}
        for line in confusables.read_text(encoding="utf-8-sig").splitlines():
            fields = [f.strip() for f in line.split("#")[0].split(";")]
            if len(fields) > 2:
                self.prototype[int(fields[0], 16)] = text_of(fields[1])

    def _read_characters(self, path: Path) -> None:
        first = 0
        for line in path.read_text(encoding="utf-8").splitlines():
            fields = line.split(";")
            code = int(fields[0], 16)
            if fields[1].endswith(", First>"):
                first = code
                continue
            span = range(first if fields[1].endswith(", Last>") else code, code + 1)
            for c in span:
                self.category[c], self.combining[c], self.name[c] = fields[2], int(fields[3]), fields[1]
            if fields[6]:
                self.decimal[code] = int(fields[6])
            if fields[5] and not fields[5].startswith("<"):
                self.decomposition[code] = text_of(fields[5])

    @staticmethod
    def _codes(path: Path, wanted: str) -> set[int]:
        return {c for first, last, _ in ranges(path, wanted) for c in range(first, last + 1)}

    def decompose(self, text: str) -> str:
        """Return the full canonical decomposition, Hangul left composed, marks left in the order given."""
        return "".join(
            self.decompose(self.decomposition[ord(c)]) if ord(c) in self.decomposition else c for c in text
        )


def class_of(u: Unicode, c: int) -> str:
    """Return the class of one code, one of CLASSES or "symbol"."""
    category, script = u.category[c], u.script[c]
    if c in SEPARATORS:
        return "symbol"
    if c in SPACES:
        return "space"
    if (
        category in ("Cc", "Cf", "Co", "Cs")
        or c in u.ignorable
        or c & 0xFFFE == 0xFFFE
        or 0xFDD0 <= c <= 0xFDEF
    ):
        return "drop"
    if category in ("Mn", "Me", "Mc"):
        loose = (
            category != "Mc"
            and script in ("Inherited", "Common", "Hebrew", "Cyrillic", "Greek")
            and c not in KEPT_MARKS
        )
        return "strip" if loose else "mark"
    if category[0] in "LN" or category == "Cn":
        east = script in UNSPACED or (script == "Common" and 0x3000 <= c <= 0x33FF) or 0x20000 <= c < 0x40000
        return "single" if east and category != "Nd" else "letter"
    emoji = (c in u.pictographic and c >= 0x2190) or 0x1F1E6 <= c <= 0x1F1FF
    return "single" if emoji else "symbol"


class Folder:
    """Folds one character; `classes` is the class of every code."""

    def __init__(self, u: Unicode, classes: list[str]) -> None:
        self.u, self.classes = u, classes
        self.compatible = nfkc([chr(c) if not 0xD800 <= c <= 0xDFFF else "" for c in range(CODES)])

    def bare(self, text: str) -> str:
        """Return `text` without the marks that matching ignores."""
        kept = "".join(c for c in self.u.decompose(text) if self.classes[ord(c)] != "strip")
        return nfkc([kept])[0] if kept != text else text

    def named(self, c: int) -> str | None:
        """Return the letter that a small capital or a letter in a black circle or square stands for, by its name."""
        found = re.fullmatch(
            r"(?:MODIFIER LETTER |LATIN LETTER )SMALL CAPITAL ([A-Z])|(?:NEGATIVE|CROSSED NEGATIVE) (?:CIRCLED|SQUARED) LATIN CAPITAL LETTER ([A-Z])",
            self.u.name[c],
        )
        if self.u.name[c] == "LATIN SMALL LETTER KRA":
            return "k"
        return (found[1] or found[2]).lower() if found else None

    def latin(self, c: int) -> str | None:
        """Return the small Latin letters that `c` looks like (UTS #39), None if there are none."""
        if c < 0x80:
            return None
        if self.named(c):
            return self.named(c)
        if c in PALOCHKA:
            return "l"
        if c not in self.u.prototype or self.u.category[c][0] not in "LN" or c in self.u.decimal:
            return None
        bare = self.bare(self.u.prototype[c])
        letters = "".join(self.named(ord(p)) or p for p in bare).lower().replace("rn", "m")
        if not letters or not set(letters) <= ASCII_LETTERS:
            return None
        if len(letters) > 1 and self.u.script[c] not in ("Latin", "Common"):
            return None
        return letters

    def step(self, c: str) -> str:
        """Return what one rule makes of `c`."""
        code = ord(c)
        if code < 0x80:
            return c.lower()
        if self.classes[code] == "strip":
            return ""
        if code in self.u.decimal:
            return str(self.u.decimal[code])
        for quote, alike in QUOTES.items():
            if c in alike:
                return quote
        if self.u.category[code] == "Pd" or c == "\u2212":
            return "-"
        text = "l" if code in PALOCHKA else self.u.casefold.get(code, c)
        if text == c and self.u.category[code][0] in "LN":
            text = self.bare(self.compatible[code])
        if text == c and (self.u.script[code] in ALIKE or self.named(code)):
            text = self.latin(code) or c
        return text

    def fold(self, c: int) -> str:
        """Return what `c` folds to in any word: a fixed point."""
        text = chr(c)
        for _ in range(12):
            folded = "".join(self.step(x) for x in text)
            if folded == text:
                return nfkc([text])[0]
            text = folded
        raise ValueError(f"the fold of U+{c:04X} does not settle: {text!r}")

    def capital(self, c: int) -> str | None:
        """Return what the capital `c` folds to in a word with ASCII letters, None if the same as elsewhere."""
        if (
            c not in self.u.casefold
            or self.u.script[c] not in ALIKE
            or self.u.script[c] in ("Latin", "Common")
        ):
            return None
        letters = self.latin(c)
        # UTS #39 sends capital I to l, so an l here says nothing
        return letters if letters not in (None, "l", self.fold(c)) else None

    def foreign(self, c: int) -> str | None:
        """Return what `c` folds to in a word that has ASCII letters once folded, None if the same as elsewhere."""
        text = self.fold(c)
        strange = [self.u.script[ord(x)] not in ALIKE | NEVER for x in text]
        letters = "".join(
            (self.latin(ord(x)) if odd else None) or x for x, odd in zip(text, strange, strict=True)
        )
        return letters if letters != text else None


def spans_of(codes: list[int]) -> Iterator[tuple[int, int]]:
    """Yield first and last of each run of neighbours in sorted codes."""
    start = 0
    for i in range(1, len(codes) + 1):
        if i == len(codes) or codes[i] != codes[i - 1] + 1:
            yield codes[start], codes[i - 1]
            start = i


def fold_lines(u: Unicode, classes: list[str]) -> list[str]:
    """Return the lines of folds; a folded character gets the class of what it folds to."""
    folder, lines = Folder(u, classes), []
    for c in range(0x80, CODES):
        if classes[c] not in ("letter", "single", "symbol", "mark"):
            continue
        if u.category[c] == "Cn" or folder.compatible[c] != chr(c):
            continue
        folds = [("fold", folder.fold(c))] if folder.fold(c) != chr(c) else []
        folds += [("before", text)] if (text := folder.capital(c)) else []
        folds += [("after", text)] if (text := folder.foreign(c)) else []
        lines += [f"{rule} {c:04X} " + " ".join(f"{ord(x):04X}" for x in text) for rule, text in folds]
        if folds and folds[0][0] == "fold":
            classes[c] = classes[ord(folds[0][1][0])]
    return lines


def table(u: Unicode, classes: list[str], licence: str) -> list[str]:
    """Return the lines of the table."""
    lines = [
        "# What each character is to fingerprint, and what it folds to. Made by data/make_unicode_table.py; do not edit."
    ]
    lines += [f"# {hashlib.sha256(p.read_bytes()).hexdigest()}  {p.name}, Unicode 15.0.0" for p in u.sources]
    lines += ["#", "# Derived from Unicode data files, under this licence:"]
    lines += [f"# {line}".rstrip() for line in licence.splitlines()]
    folds = fold_lines(u, classes)
    lines += ["#", "# class first last; a code that stands nowhere is a symbol"]
    for name in CLASSES:
        lines += [
            f"{name} {a:04X} {z:04X}" for a, z in spans_of([c for c in range(CODES) if classes[c] == name])
        ]
    lines.append("# nfkc first last: a text with one of these must be normalised before it is folded")
    loose = [c for c in range(0x80, CODES) if c in u.not_nfkc or u.combining[c]]
    lines += [f"nfkc {a:04X} {z:04X}" for a, z in spans_of(loose)]
    lines.append(
        "# fold code codes…; before, after: the same, in a word that has Latin letters before or after folding"
    )
    return lines + folds


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ucd", type=Path, required=True)
    parser.add_argument("--icu", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("fingerprint/unicode_table.txt"))
    args = parser.parse_args()
    u = Unicode(args.ucd, args.icu)
    licence = (args.icu / "LICENSE").read_text(encoding="utf-8").split("\n-----")[0].strip()
    lines = table(u, [class_of(u, c) for c in range(CODES)], licence)
    args.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
