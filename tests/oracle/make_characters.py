"""Writes lib/clip/characters.c: what the Unicode tables behind open_clip's and transformers' tokenizers say of every character.

    python tests/oracle/make_characters.py

open_clip splits with the regex module, transformers with Oniguruma inside tokenizers, which also composes (by Unicode 9) and lower-cases
(by Rust's tables). Each has a Unicode version of its own, so each is asked here. Change this where one of them moves on.
"""
import importlib.metadata
import pathlib
import unicodedata

import regex
from tokenizers import Regex, normalizers

CHARACTERS = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]
OTHER, LETTER, NUMBER, SPACE = range(4)
NFC, NFD, LOWER = normalizers.NFC().normalize_str, normalizers.NFD().normalize_str, normalizers.Lowercase().normalize_str

# As re.IGNORECASE makes it: U+0345 is then in neither the letters nor the rest, and is passed over like a space.
open_clip_patterns = [(LETTER, regex.compile(r"[\p{L}]", regex.I)), (NUMBER, regex.compile(r"[\p{N}]", regex.I)), (OTHER, regex.compile(r"[^\s\p{L}\p{N}]", regex.I))]
transformers_patterns = [(k, normalizers.Replace(Regex(p), "").normalize_str) for k, p in ((SPACE, r"\s+"), (LETTER, r"[\p{L}]"), (NUMBER, r"[\p{N}]"))]
positioned = regex.compile(r"\P{ccc=0}")
composing = regex.compile(r"[\p{NFC_QC=N}\p{NFC_QC=M}\p{dt=can}]")


def open_clip_class(c):
    return SPACE if c.isspace() else next((k for k, p in open_clip_patterns if p.match(c)), SPACE)


def transformers_class(c):
    return next((k for k, erased in transformers_patterns if erased(c) == ""), OTHER)


def is_ordered(c):
    """Whether NFC orders this mark: marks of two classes, one before c and one after it."""
    return any(NFC(t) != t for mark in "\u0334\u0345" for t in ("q" + c + mark, "q" + mark + c))


# Characters that compose with one before them, as far as NFC knows.
seconds = {NFD(c)[-1] for c in CHARACTERS if NFD(c) != c} | {chr(c) for c in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))}


def is_unknown_to_nfc(c):
    if positioned.match(c):
        return not is_ordered(c)
    return bool(composing.match(c)) and NFD(c) == c and c not in seconds


def ranges(keys):
    """[first, last, key] of equal keys in a row; a key of None is left out."""
    found = []
    for c, key in zip(map(ord, CHARACTERS), keys):
        if found and found[-1][2] == key and found[-1][1] == c - 1:
            found[-1][1] = c
        else:
            found.append([c, c, key])
    return [f for f in found if f[2] is not None]


def initializer(items):
    lines = [""]
    for item in items:
        text = "{" + ", ".join(item) + "},"
        if len(lines[-1]) + len(text) > 150:
            lines.append("")
        lines[-1] += (" " if lines[-1] else "") + text
    return "\n    ".join(lines)


def class_key(c):
    key = (open_clip_class(c), transformers_class(c))
    return key if key != (OTHER, OTHER) else None


def younger_lower_key(c):
    """How far the lower-case letter is, for pairs that Python (of Unicode 14) does not know yet."""
    lower = LOWER(c)
    return ord(lower) - ord(c) if lower != c and unicodedata.category(c) == "Cn" else None


classes = [(f"{a:#x}", f"{b:#x}", str(k[0]), str(k[1])) for a, b, k in ranges(map(class_key, CHARACTERS))]
unknown = [(f"{a:#x}", f"{b:#x}") for a, b, _ in ranges([is_unknown_to_nfc(c) or None for c in CHARACTERS])]
lower = [(f"{a:#x}", f"{b:#x}", str(k)) for a, b, k in ranges(map(younger_lower_key, CHARACTERS))]
assert unicodedata.unidata_version == "14.0.0"
root = pathlib.Path(__file__).resolve().parents[2]
versions = ", ".join(f"{p} {importlib.metadata.version(p)}" for p in ("regex", "tokenizers"))
(root / "lib" / "clip" / "characters.c").write_text(
    f"""/* characters.c - made by tests/oracle/make_characters.py from {versions}; not edited by hand. */
#include "clip/characters.h"

/* clang-format off */
const orthsr__char_range orthsr__char_ranges[ORTHSR__CHAR_RANGES] = {{
    {initializer(classes)}
}};

const orthsr__char_span orthsr__chars_unknown_to_nfc[ORTHSR__CHARS_UNKNOWN_TO_NFC] = {{
    {initializer(unknown)}
}};

const orthsr__char_case orthsr__younger_capitals[ORTHSR__YOUNGER_CAPITALS] = {{
    {initializer(lower)}
}};
/* clang-format on */
"""
)
print(f"ORTHSR__CHAR_RANGES = {len(classes)}, ORTHSR__CHARS_UNKNOWN_TO_NFC = {len(unknown)}, ORTHSR__YOUNGER_CAPITALS = {len(lower)}")
