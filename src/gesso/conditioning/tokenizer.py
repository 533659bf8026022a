"""Text becomes token ids, exactly as OpenAI's CLIP was trained with.

The vocabulary beside this file, `bpe_simple_vocab_16e6.txt.gz`, is OpenAI's, byte for byte, from
https://github.com/openai/CLIP (MIT licence, copyright 2021 OpenAI). OpenCLIP and every Stable Diffusion text
encoder use the same one.
"""

import functools
import gzip
import re
from collections.abc import Iterator, Mapping
from importlib import resources

import tokenizers
from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers

from gesso.errors import TensorMismatch

__all__ = ["Tokenizer", "table"]

_BEGIN, _END = "<|startoftext|>", "<|endoftext|>"
_BYTES = 256
_FEWEST, _PUBLISHED = 2 * _BYTES + 2, 49408
_WORDS = Regex(r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")


class Tokenizer:
    """The word pieces that a CLIP text encoder with `vocabulary` token embeddings was trained on.

    A narrow model has fewer rows: it knows the first merges only, and its two marks are its last two ids.

    Args:
        vocabulary: rows of the token embedding, 514 to 49408 (as published).
        words: new words, each with the ids it stands for, which lie beyond the vocabulary. They are found
            whatever their case, also behind `embedding:`.

    Raises:
        TensorMismatch: no such vocabulary.

    Source: Radford et al. 2021, arXiv:2103.00020, section 2.4; `clip/simple_tokenizer.py` of openai/CLIP.
    """

    def __init__(
        self, vocabulary: int = _PUBLISHED, words: Mapping[str, tuple[int, ...]] | None = None
    ) -> None:
        if not _FEWEST <= vocabulary <= _PUBLISHED:
            raise TensorMismatch(
                f"a CLIP vocabulary must have {_FEWEST} to {_PUBLISHED} tokens, however: {vocabulary}"
            )
        self.vocabulary = vocabulary
        self.begin = vocabulary - 2
        self.end = vocabulary - 1
        self.words = {name.casefold(): ids for name, ids in (words or {}).items()}

    def __call__(self, text: str) -> tuple[int, ...]:
        """The ids of a text, without marks around them."""
        return tuple(self._with_words(text)) if self.words else self._known(text)

    def _with_words(self, text: str) -> Iterator[int]:
        longest = sorted(map(re.escape, self.words), key=len, reverse=True)
        word = rf"(?<![\w-])(?:embedding:)?({'|'.join(longest)})(?![\w-])"
        for place, part in enumerate(re.split(word, text, flags=re.IGNORECASE)):
            yield from self.words[part.casefold()] if place % 2 else self._known(part)

    def _known(self, text: str) -> tuple[int, ...]:
        return tuple(_pieces(self.vocabulary).encode(text, add_special_tokens=False).ids)

    @property
    def comma(self) -> int:
        """The id of a comma that ends a word."""
        return _BYTES + _letters().index(",")


def table(vocabulary: int = _PUBLISHED) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Every word piece with its id, and the pairs that are merged, in order, as other tokenizers ask."""
    merges = _merges(vocabulary - _FEWEST)
    letters = _letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges)]
    return {word: index for index, word in enumerate([*words, _BEGIN, _END])}, merges


@functools.cache
def _pieces(vocabulary: int) -> tokenizers.Tokenizer:
    ids, merges = table(vocabulary)
    model = models.BPE(vocab=ids, merges=merges, end_of_word_suffix="</w>", unk_token=_END)
    pieces = tokenizers.Tokenizer(model)
    pieces.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pieces.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_WORDS, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    pieces.add_special_tokens([AddedToken(mark, special=True) for mark in (_BEGIN, _END)])
    return pieces


def _merges(count: int) -> list[tuple[str, str]]:
    packed = resources.files("gesso.conditioning").joinpath("bpe_simple_vocab_16e6.txt.gz").read_bytes()
    # The first line is a version.
    lines = gzip.decompress(packed).decode().split("\n")[1 : count + 1]
    return [(left, right) for left, right in (line.split() for line in lines)]


def _letters() -> list[str]:
    """One printable character for each byte, in the order of their ids: printable bytes stand for themselves.

    Source: GPT-2's `bytes_to_unicode`, which CLIP took over.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(byte) for byte in plain] + [chr(_BYTES + index) for index in range(_BYTES - len(plain))]
