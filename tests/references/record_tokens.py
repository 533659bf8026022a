"""Records what transformers' CLIPTokenizer makes of 10,000 strings; needs transformers.

python tests/references/record_tokens.py
"""

import gzip
import hashlib
import json
import random
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
COUNT, LITERAL = 10_000, 300

WORDS = (HERE / "tokens_words.txt").read_text(encoding="utf-8").split()
BLANKS = [" ", " ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u2003", "\u3000", "\u200b", "\u2028", ""]
RANGES = [(0, 0x20), (0x20, 0x7F), (0x20, 0x7F), (0x7F, 0xA0), (0xA0, 0x180), (0x300, 0x340), (0x370, 0x400),
          (0x400, 0x460), (0x5D0, 0x5EB), (0x621, 0x64B), (0x905, 0x93A), (0xE01, 0xE3B), (0x1E00, 0x1F00),
          (0x2000, 0x2050), (0x20A0, 0x20B0), (0x2100, 0x2190), (0x2460, 0x2474), (0x3041, 0x3097),
          (0x4E00, 0x5000), (0xAC00, 0xAD00), (0xE000, 0xE010), (0xFB00, 0xFB07), (0xFF01, 0xFF5F),
          (0x1D400, 0x1D430), (0x1F600, 0x1F640), (0x20000, 0x20020)]  # fmt: skip


def corpus() -> Iterator[str]:
    """The same strings on every machine: only `random()` is promised to be stable between Pythons."""
    draw = random.Random(20_240_229).random

    def pick(among: Sequence[Any]) -> Any:
        return among[int(draw() * len(among))]

    def letter() -> str:
        low, high = pick(RANGES)
        return chr(low + int(draw() * (high - low)))

    kinds: list[Callable[[], str]] = [
        lambda: pick(WORDS),
        lambda: pick(WORDS) + pick(WORDS),
        lambda: "".join(letter() for _ in range(1 + int(draw() * 8))),
        lambda: str(int(draw() * 10 ** int(1 + draw() * 9))),
        lambda: "".join(chr(97 + int(draw() * 26)) for _ in range(1 + int(draw() * 12))),
    ]
    yield from ("", " ", "\n", ",", WORDS[0])
    for _ in range(COUNT - 5):
        yield "".join(pick(kinds)() + pick(BLANKS) for _ in range(int(draw() * 14)))


def digest(all_ids: Iterable[Sequence[int]]) -> str:
    """One hash over the ids of all strings."""
    lines = "\n".join(",".join(map(str, ids)) for ids in all_ids)
    return hashlib.sha256(lines.encode()).hexdigest()


def record() -> None:
    """Write `tokens.json`: the digest of all, and the first strings with their ids."""
    import transformers

    packed = HERE.parents[1] / "src/gesso/conditioning/bpe_simple_vocab_16e6.txt.gz"
    merges = gzip.decompress(packed.read_bytes()).decode().split("\n")[1 : 49408 - 514 + 1]
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    symbols = [chr(byte) for byte in kept] + [chr(256 + index) for index in range(256 - len(kept))]
    words = symbols + [symbol + "</w>" for symbol in symbols] + ["".join(merge.split()) for merge in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
        Path(folder, "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
        oracle = transformers.CLIPTokenizer.from_pretrained(folder)
    texts = list(corpus())
    ids = [oracle(text, add_special_tokens=False)["input_ids"] for text in texts]
    literal = [{"text": text, "ids": each} for text, each in zip(texts[:LITERAL], ids, strict=False)]
    recorded = {"transformers": transformers.__version__, "sha256": digest(ids), "first": literal}
    (HERE / "tokens.json").write_text(json.dumps(recorded, indent=0) + "\n")


if __name__ == "__main__":
    record()
