"""Writes tests/data/tokens: a small vocabulary in every form, and the ids that open_clip and transformers give a few thousand texts.

    python tests/oracle/make_tokens.py FULL_VOCABULARY [--classes FILE] [--full FILE]

FULL_VOCABULARY is bpe_simple_vocab_16e6.txt.gz. The small one is its first 4,000 merges.

    simple/bpe_simple_vocab_16e6.txt.gz   for open_clip's SimpleTokenizer
    hf/vocab.json, hf/merges.txt          for transformers' CLIPTokenizer
    hf-json/tokenizer.json                as that tokenizer saves itself
    old/tokenizer.json                    150 merges in the older forms: "a b" strings, "normalized" tokens, the pattern without names, an added token
    texts.gz                              little-endian records: u32 length, the text's bytes, then three times u16 count, u16 ids:
                                          open_clip, transformers, old (count 0 where it is not asked)

Ids are those of a context of 128, cut as open_clip cuts. open_clip runs with ftfy.fix_text replaced by the identity. Texts that are not UTF-8
are given to Python through bytes.decode(errors="replace").

--classes writes what each party makes of every single character instead, for measuring where they differ. --full writes the records (open_clip
only) for the full vocabulary to a file that is not committed: test_tokenizer reads it from ORTHSR_TOKENS, the vocabulary from ORTHSR_VOCABULARY.
"""
import argparse
import gzip
import html.entities
import json
import pathlib
import random
import struct
import tempfile
import unicodedata

import open_clip.tokenizer as simple
from tokenizers import AddedToken, Regex, Tokenizer, normalizers, pre_tokenizers
from tokenizers.models import BPE
from transformers import CLIPTokenizer

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "tokens"
CONTEXT = 128
simple.ftfy.fix_text = lambda text: text
rng = random.Random(1)

# ---- texts ---------------------------------------------------------------------------------------------------------

SCRIPTS = {
    "latin": [(0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F)], "latin more": [(0x250, 0x2AF), (0x1E00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7CA)],
    "greek": [(0x370, 0x3FF), (0x1F00, 0x1FFF)], "cyrillic": [(0x400, 0x52F), (0x1C80, 0x1C88)], "armenian": [(0x531, 0x58A)], "hebrew": [(0x5B0, 0x5F4)],
    "arabic": [(0x600, 0x6FF), (0x750, 0x77F), (0xFB50, 0xFDFF)], "syriac": [(0x700, 0x74F)], "devanagari": [(0x900, 0x97F)], "bengali": [(0x980, 0x9FE)],
    "gurmukhi": [(0xA01, 0xA76)], "tamil": [(0xB82, 0xBFA)], "telugu": [(0xC00, 0xC7F)], "malayalam": [(0xD00, 0xD7F)], "sinhala": [(0xD81, 0xDF4)],
    "thai": [(0xE01, 0xE5B)], "lao": [(0xE81, 0xEDF)], "tibetan": [(0xF00, 0xFDA)], "myanmar": [(0x1000, 0x109F)], "georgian": [(0x10A0, 0x10FF), (0x1C90, 0x1CBF)],
    "hangul": [(0x1100, 0x11FF), (0xAC00, 0xD7A3)], "ethiopic": [(0x1200, 0x137C)], "cherokee": [(0x13A0, 0x13FD), (0xAB70, 0xABBF)], "khmer": [(0x1780, 0x17F9)],
    "mongolian": [(0x1800, 0x1878)], "kana": [(0x3041, 0x30FF), (0xFF66, 0xFF9D)], "han": [(0x4E00, 0x9FFF), (0x20000, 0x2A6DF)], "deseret": [(0x10400, 0x1044F)],
    "numbers": [(0x30, 0x39), (0xB2, 0xBE), (0x2150, 0x218B), (0x2460, 0x24FF), (0x1D7CE, 0x1D7FF)], "marks": [(0x300, 0x36F), (0x1DC0, 0x1DFF), (0x61, 0x7A)],
    "letter-like": [(0x2100, 0x214F), (0x1D400, 0x1D7CB), (0xFB00, 0xFB06)], "full-width": [(0xFF01, 0xFF5E)], "symbols": [(0x2010, 0x2BFF)], "punctuation": [(0x21, 0x7E), (0xA1, 0xBF)],
    "emoji": [(0x1F300, 0x1F6C5), (0x1F900, 0x1F9FF), (0x1F1E6, 0x1F1FF), (0x1F3FB, 0x1F3FF)],
}  # fmt: skip
SPACES = ["\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85", "\xa0", "\u1680", "\u2003", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000"]
NEAR_SPACES = ["\u180e", "\u200b", "\u200d", "\u2060", "\ufeff", "\xad", "\x00", "\x01", "\x07", "\x1b", "\x7f", "\x80", "\ufffe", "\ufffd", "\ue000", "\U0010ffff"]
PIECES = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'LL", "'\u017f", "\u2019s", " ", "  ", ".", ",", "!", "?", "-", "...", "&", "#", "@", "3", "42", "it", "don", "we", "A", "PHOTO", "of"]
SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|EndOfText|>", "<start_of_text>", "<end_of_text>", "<START_OF_TEXT>", "<\u017ftart_of_text>", "<|endoftext", "<cat>", "<CAT>", "a", " ", "!!", "|>", "'s"]  # fmt: skip
SIGMA = ["\u03a3", "\u03c3", "\u03b1", "\u0391", "a", "B", "\u00aa", "\u2163", "\u24b6", "\u01c5", "\U0001f130", ".", "'", "\u2019", ":", "\u00b7", "\u00ad", "\u0301", "\u02b0", "^", "-", " ", "1", "\u4e2d"]
CLASSES = "t-shirt trouser pullover dress coat sandal shirt sneaker bag ankle\u00a0boot Boeing\u00a0737-800 Bombay Egyptian\u00a0Mau BMW\u00a01\u00a0Series Fritillary jack-o'-lantern Cr\u00e8me\u00a0br\u00fbl\u00e9e".split(" ")  # fmt: skip
TEMPLATES = ["a photo of a {}.", "a blurry photo of the {}.", "itap of my {}.", "A {} in a video game!", "{}, a type of aircraft.", "art of the {}; it's dark & cold", "The {}'s photo isn't \u201cgood\u201d"]


def known(c):
    return unicodedata.category(chr(c)) not in ("Cs", "Co")


def script_text(ranges):
    characters = []
    for _ in range(rng.randint(1, 30)):
        low, high = rng.choice(ranges)
        c = rng.randint(low, high)
        characters.append(chr(c) if known(c) else " ")
        if rng.random() < 0.15:
            characters.append(rng.choice(PIECES + SPACES))
    return "".join(characters)


def make_texts():
    texts = ["", " ", "a", "\u03a3", "\u0130", "I\u0307", "\u212a\u212b\u017f\u1e9e\u01c4\u01c5", "\uc9f0\u11a7\uc9f0\u11a8"]
    texts += [t.format(c) for t in TEMPLATES for c in CLASSES]
    for ranges in SCRIPTS.values():
        texts += [script_text(ranges) for _ in range(45)]
    mixed = [r for ranges in SCRIPTS.values() for r in ranges]
    texts += [script_text(mixed) for _ in range(150)]
    for pool, count in ((PIECES, 120), (SPECIAL, 150), (SIGMA, 200), (SPACES + ["a", "1", "!"], 40), (NEAR_SPACES + ["a", "1", "!", " "], 60)):
        texts += ["".join(rng.choices(pool, k=rng.randint(1, 9))) for _ in range(count)]
    texts += [unicodedata.normalize(form, script_text(SCRIPTS[s])) for s in ("latin more", "greek", "hangul", "devanagari", "marks") for form in ("NFC", "NFD") for _ in range(12)]
    texts += ["a" + "".join(chr(rng.choice([0x300, 0x323, 0x327, 0x345, 0x5B0, 0x302])) for _ in range(40)) for _ in range(5)]
    # characters that one party knows and another does not: marks after Unicode 9, letters and capitals after 14
    young = [0x897, 0x8CA, 0x9FE, 0xC3C, 0x1ABF, 0x1DF6, 0x11930, 0x11935, 0x11938, 0x113C2, 0x1E130, 0x1E4EC, 0x558, 0x88F, 0xC5C, 0x1C89, 0xA7CB, 0xA7DC, 0x10D50, 0x16EA0, 0x2EBF0, 0x323B0, 0x3D000, 0x11DE0]
    texts += ["".join(chr(rng.choice(young)) if rng.random() < 0.5 else rng.choice("q\u0301\u0345\u0334\u0323a1! \u1100\u1161\u11a8") for _ in range(rng.randint(2, 12))) for _ in range(120)]
    # html
    names = sorted(html.entities.html5)
    rng.shuffle(names)
    texts += ["".join(f"&{n}" for n in names[i : i + 45]) for i in range(0, len(names), 45)]
    bare = [n for n in names if not n.endswith(";")]
    for _ in range(80):
        name = rng.choice(bare + names).rstrip(";")
        texts.append(f"&{name}{rng.choice(['', ';', 'x', 'it;', ' ;', '&', '1'])} &amp;{name}; &amp;amp;{name}; &{name[:-1]}; &{name.upper()};")
    numbers = [*range(0, 0xA2), 0x3A3, 0xD800, 0xDFFF, 0xFDD0, 0xFDEF, 0xFFFE, 0x1FFFF, 0x10FFFD, 0x10FFFF, 0x110000, 2**31, 2**32 + 65, 10**30]
    texts += ["".join(rng.choice(["&#{0}; ", "&#{0}x", "&#x{0:x};", "&#X{0:X}g", "&#0{0} "]).format(n) for n in numbers[i : i + 12]) for i in range(0, len(numbers), 12)]
    texts += ["&#; &#x; &#xg; & && &; &#12 &#x1F600 &#", "&" + "a" * 40 + ";", "&not\u00e9;", "&CounterClockwiseContourIntegral;&CounterClockwiseContourIntegrals;"]
    # long words
    texts += ["a" * 3000, "ab" * 1500, "".join(rng.choices("etaoinshrdlu", k=2500)), "\u00e9" * 900, "!?" * 700, "7" * 300, "\u4e2d\u6587" * 500, "the" * 800 + " cat", "hello " * 300]
    data = [t.encode() for t in texts]
    # not UTF-8
    samples = [b"\x80", b"\xc0\xaf", b"\xc3(", b"\xe2\x82", b"\xe2\x28\xa1", b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xf0\x9f\x98", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xff\xfe", b"\xe0\x9f\xbf"]
    noise = [bytes(rng.choices([0x61, 0x20, 0xE2, 0x82, 0xAC, 0xF0, 0x9F, 0x98, 0x80, 0xC3, 0xED, 0xA0], k=20)) for _ in range(80)]
    data += [b"cat " + s + b" dog" + s for s in samples]
    data += [n for n in noise if all(map(known, map(ord, n.decode(errors="replace"))))]
    return data


# ---- tokenizers ----------------------------------------------------------------------------------------------------


def cut(ids, end):
    return ids if len(ids) <= CONTEXT else ids[: CONTEXT - 1] + [end]


def open_clip_ids(tokenizer, text):
    return cut([tokenizer.sot_token_id, *tokenizer.encode(text), tokenizer.eot_token_id], tokenizer.eot_token_id)


def symbols(merges):
    characters = list(simple.bytes_to_unicode().values())
    return characters + [c + "</w>" for c in characters] + ["".join(m.split()) for m in merges]


def old_tokenizer(merges):
    ids = {s: i for i, s in enumerate([*symbols(merges), "<|startoftext|>", "<|endoftext|>"])}
    tokenizer = Tokenizer(BPE(vocab=ids, merges=[tuple(m.split()) for m in merges], end_of_word_suffix="</w>", unk_token="<|endoftext|>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()])
    pattern = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "removed", invert=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    tokenizer.add_special_tokens([AddedToken("<|startoftext|>", normalized=True, special=True), AddedToken("<|endoftext|>", normalized=False, special=True)])
    tokenizer.add_tokens([AddedToken("<Cat>", normalized=True)])
    description = json.loads(tokenizer.to_str())
    description["model"]["merges"] = merges
    return tokenizer, ids, description


def write_classes(path):
    """Per line: code point, then for open_clip and for transformers: space/letter/number/other, lower case; NFC."""
    import regex

    def normalized(normalizer, text):
        return normalizer.normalize_str(text)

    erase = [normalizers.Replace(Regex(p), "") for p in (r"\s", r"\p{L}", r"\p{N}")]
    match = [regex.compile(p) for p in (r"\s", r"\p{L}", r"\p{N}")]
    with open(path, "w") as out:
        for c in range(0x110000):
            if 0xD800 <= c < 0xE000:
                continue
            t = chr(c)
            theirs = next((i for i, m in enumerate(match) if m.match(t) or (i == 0 and t.isspace())), 3)
            hf = next((i for i, e in enumerate(erase) if normalized(e, t) == ""), 3)
            fields = [theirs, t.lower().encode().hex(), hf, normalized(normalizers.Lowercase(), t).encode().hex(), normalized(normalizers.NFC(), t).encode().hex()]
            out.write(f"{c:x} {' '.join(map(str, fields))}\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("vocabulary")
    parser.add_argument("--classes")
    parser.add_argument("--full")
    arguments = parser.parse_args()
    if arguments.classes:
        return write_classes(arguments.classes)
    data = make_texts()
    if arguments.full:
        tokenizer = simple.SimpleTokenizer(arguments.vocabulary)
        with gzip.open(arguments.full, "wb") as out:
            for raw in data:
                ids = open_clip_ids(tokenizer, raw.decode(errors="replace"))
                out.write(struct.pack("<I", len(raw)) + raw + struct.pack(f"<{len(ids) + 1}H", len(ids), *ids) + bytes(4))
        return

    merges = gzip.open(arguments.vocabulary).read().decode().split("\n")[1:4001]
    for folder in ("simple", "hf", "hf-json", "old"):
        (OUT / folder).mkdir(parents=True, exist_ok=True)
    # No newline at the end: open_clip would count the empty line as a symbol.
    (OUT / "simple" / "bpe_simple_vocab_16e6.txt.gz").write_bytes(gzip.compress("\n".join(["#version", *merges]).encode(), 9, mtime=0))
    ids = {s: i for i, s in enumerate([*symbols(merges), "<|startoftext|>", "<|endoftext|>"])}
    (OUT / "hf" / "vocab.json").write_text(json.dumps(ids, ensure_ascii=False, separators=(",", ":")))
    (OUT / "hf" / "merges.txt").write_text("\n".join(["#version: 0.2", *merges, ""]))
    clip = simple.SimpleTokenizer(str(OUT / "simple" / "bpe_simple_vocab_16e6.txt.gz"))
    hf = CLIPTokenizer.from_pretrained(OUT / "hf")
    with tempfile.TemporaryDirectory() as folder:
        hf.save_pretrained(folder)
        saved = json.loads((pathlib.Path(folder) / "tokenizer.json").read_text())
    (OUT / "hf-json" / "tokenizer.json").write_text(json.dumps(saved, ensure_ascii=False, separators=(",", ":")))
    old, old_ids, description = old_tokenizer(merges[:150])
    (OUT / "old" / "tokenizer.json").write_text(json.dumps(description, ensure_ascii=False, separators=(",", ":")))

    out = b""
    for i, raw in enumerate(data):
        text = raw.decode(errors="replace")
        start, end = old_ids["<|startoftext|>"], old_ids["<|endoftext|>"]
        answers = [open_clip_ids(clip, text), cut(hf(text)["input_ids"], hf.eos_token_id)]
        answers.append(cut([start, *old.encode(text).ids, end], end) if i % 4 == 0 or "<" in text else [])
        out += struct.pack("<I", len(raw)) + raw
        for answer in answers:
            out += struct.pack(f"<{len(answer) + 1}H", len(answer), *answer)
    (OUT / "texts.gz").write_bytes(gzip.compress(out, 9, mtime=0))
    size = sum(f.stat().st_size for f in OUT.rglob("*") if f.is_file())
    print(f"{len(data)} texts, {size} bytes")


main()
