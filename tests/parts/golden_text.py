#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Write golden/text.json: texts, and the tokens that Hugging Face tokenizers 0.23.3 gives for
them, learnt from the training rows. The cases are those of golden_transforms.py."""
import json
import pathlib
import random
import sys

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).parent
CASES = {}
WORD = r"[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\x{200C}\x{200D}]+"  # \w of UTS 18, which Rust's is, and Oniguruma's is not
LINES = ["The cat sat on the mat", "a CAT and a dog: 2 cats, snake_case!", "Überall ÜBER Ärger",
         "", "the the the", "Ёлка ёлка и Жук — жук", "x", "don't  stop\tnow, they'll've", "İstanbul ISTANBUL",
         "new words only here...", "naïve café № 5 ½ x²", "Σίσυφος ΑΒΓ ΟΔΟΣ", "नमस्ते दुनिया", "日本語 テキスト", "ab ab ab abc abc",
         "aaaa aaaaa aaa aaaaaaa", "😀 👍🏽 ok ⓐⓑ a‍b", "  leading and trailing  ", "ẞtraße STRASSE", "1st 22nd 333rd",
         "cafe\u0301 cafe", "ǅungla ǅ ᾈ ᲀ Ꭰ", "tab\t\ttab \u00a0 nbsp", "it's I'm you're we've he'd I'll '"]
SPEECH = " ".join((HERE.parent.parent / "datasets/opticks.txt").read_text()[9000:60000].split()).split(". ")


def csv(lines):
    return "i,t\n" + "".join('%d,"%s"\n' % (i, t.replace('"', '""')) for i, t in enumerate(lines))


def case(name, transforms, lines, train, length, ids, source, **state):
    rows = [(list(i) + [0] * length)[:length] for i in ids]
    CASES[name] = {"transforms": transforms + [{"type": "pad_sequence", "of": "t", "length": length}],
                   "train": train, "tolerance": 0, "csv": csv(lines), "source": source,
                   "expected": {"t": rows, **{f"state.0.{k}": v for k, v in state.items()}}}


def words(name, lines, train, source={"texts": ["t"]}, length=12, **options):
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    if options.get("lowercase", True):
        t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = (pre_tokenizers.Whitespace() if options.get("punctuation") == "keep" else
                       pre_tokenizers.Split(Regex(WORD), "removed", invert=True))
    t.train_from_iterator(lines[:train], trainers.WordLevelTrainer(
        vocab_size=options.get("max_size", 10000), min_frequency=options.get("min_count", 0),
        special_tokens=["<pad>", "<unk>"], show_progress=False))
    ids = [e.ids for e in t.encode_batch(lines)]
    if options.get("unknown") == "drop":
        ids = [[i for i in row if i != 1] for row in ids]
    vocabulary = sorted((i, w) for w, i in t.get_vocab().items())[2:]
    case(f"words {name}", [{"type": "words", "of": "t", **options}], lines, train, length, ids, source,
         **{"words.t.categories": list(b"".join(w.encode() + b"\0" for _, w in vocabulary))})


def bpe(name, lines, train, size, source={"texts": ["t"]}, length=40, **options):
    t = Tokenizer(models.BPE())
    if options.get("lowercase"):
        t.normalizer = normalizers.Lowercase()
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    t.train_from_iterator(lines[:train], trainers.BpeTrainer(
        vocab_size=size, min_frequency=options.get("min_count", 2), special_tokens=["<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    ids = [e.ids for e in t.encode_batch(lines)]
    vocabulary = t.get_vocab()
    merges = json.loads(t.to_str())["model"]["merges"]
    tokens = [w for _, w in sorted((i, w) for w, i in vocabulary.items())][1:]
    case(f"bpe {name}", [{"type": "bpe", "of": "t", "size": size, **options}], lines, train, length, ids,
         source, **{"bpe.t.merges": [vocabulary[x] for pair in merges for x in pair],
                    "bpe.t.tokens": list(b"".join(w.encode() + b"\0" for w in tokens))})


def random_lines(seed, n, letters="ab c"):
    draw = random.Random(seed)
    return ["".join(draw.choice(letters) for _ in range(draw.randrange(1, 30))) for _ in range(n)]


def make():
    n = len(LINES)
    words("of all", LINES, n)
    words("in fields of one size", LINES, n - 9, {"fields": ["t"]})
    words("with capitals", LINES, n, lowercase=False)
    words("with punctuation", LINES, n - 4, punctuation="keep")
    words("twice and more", LINES, n, min_count=2)
    words("a dozen", LINES, n, max_size=14)
    words("others left out", LINES, n - 12, max_size=30, unknown="drop")
    words("of Opticks", SPEECH[:120], 80, max_size=500, length=60)
    bpe("of all", LINES, n, 320)
    bpe("in fields of one size", LINES, n - 9, 300, {"fields": ["t"]})
    bpe("to the last pair", LINES, n, 2000, min_count=1)
    bpe("of small letters", LINES, n - 4, 300, lowercase=True)
    bpe("without merges", LINES, n, 257)
    bpe("of Opticks", SPEECH[:120], 80, 600, length=80)
    for seed in range(3):
        bpe(f"of random letters {seed}", random_lines(seed, 40), 30, 300 + 20 * seed, length=30)


if __name__ == "__main__":
    make()
    (HERE / "golden/text.json").write_text(json.dumps(CASES, ensure_ascii=False, separators=(",", ":")) + "\n")
    print(len(CASES), file=sys.stderr)
