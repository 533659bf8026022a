from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from gesso.conditioning.dialects import words as parse
from gesso.conditioning.encode import Encoded, Tower, encode, ignore, scale_only
from gesso.errors import RequestError

DEPTH = 4


class States(NamedTuple):
    hidden: tuple[Tensor, ...]
    pooled: Tensor


@dataclass
class Encoder:
    """Says in its hidden states which layer they are of, and which ids they saw."""

    width: int = 8
    vocabulary: int = 49408
    positions: int = 77
    seen: list[Tensor] = field(default_factory=list)

    def __call__(self, tokens: Tensor) -> States:
        self.seen.append(tokens)
        words = torch.sin(tokens[..., None] * torch.arange(1, self.width + 1) * 0.37) + 0.1
        return States(tuple(words + layer for layer in range(DEPTH + 1)), words.sum(1))

    def final_norm(self, hidden: Tensor) -> Tensor:
        return hidden * 2


PLAIN = parse("a cat on a mat")
LONG = parse("cat " * 76)


def one(text: str, tower: Tower, **options) -> Encoded:
    return encode([parse(text)], [tower], **options)[0]


def test_windows_are_joined_along_tokens_and_towers_along_features():
    first, second = (
        Tower(Encoder(8), -2, normed=False),
        Tower(Encoder(12), -2, normed=False, pad=0, pooled=True),
    )
    (encoded,) = encode([LONG], [first, second])
    assert encoded.context.shape == (1, 2 * 77, 8 + 12)
    assert encoded.context[..., :8].equal(encode([LONG], [first])[0].context)
    assert encoded.context[..., 8:].equal(encode([LONG], [second])[0].context)


def test_the_pooled_vector_is_the_first_window_s():
    tower = Tower(Encoder(), pooled=True)
    assert torch.equal(one("cat " * 75, tower).pooled, one("cat " * 75 + "dog", tower).pooled)
    assert one("cat", replace(tower, pooled=False)).pooled is None


def test_prompts_used_together_get_the_same_length_by_empty_windows():
    tower = Tower(Encoder())
    long, short = encode([LONG, PLAIN], [tower])
    assert long.context.shape == short.context.shape == (1, 154, 8)
    alone, empty = encode([PLAIN], [tower])[0], one("", tower)
    assert short.context.equal(torch.cat([alone.context, empty.context], dim=1))


def test_towers_that_cut_differently_get_the_same_length():
    narrow = Tower(Encoder(vocabulary=514))
    (encoded,) = encode([parse("lighthouse " * 30)], [Tower(Encoder()), narrow])
    assert encoded.context.shape == (1, 77 * 30 * len("lighthouse") // 75, 16)
    assert int(torch.cat(narrow.encoder.seen).max()) == 513


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_weight_one_changes_no_bit(dtype: torch.dtype):
    class Half(Encoder):
        def __call__(self, tokens: Tensor) -> States:
            states = super().__call__(tokens)
            return States(tuple(each.to(dtype) for each in states.hidden), states.pooled)

    tower = Tower(Half())
    assert one("(a cat:1.0) on a mat", tower).context.equal(one("a cat on a mat", tower).context)
    assert one("a (cat:2)", tower).context.dtype == dtype


def test_original_emphasis_scales_tokens_and_restores_each_window_s_mean():
    tower = Tower(Encoder())
    plain = one("cat dog " + "cat " * 73 + "dog", tower).context
    told = one("cat (dog:1.5) " + "cat " * 73 + "(dog:0.5)", tower).context
    for start, place, weight in ((0, 2, 1.5), (77, 1, 0.5)):
        before, after = plain[0, start : start + 77], told[0, start : start + 77]
        scaled = before.clone()
        scaled[place] *= weight
        torch.testing.assert_close(after, scaled * before.mean() / scaled.mean())
        torch.testing.assert_close(after.mean(), before.mean())


def test_emphasis_without_norm_scales_only_the_weighted_tokens():
    tower = Tower(Encoder())
    plain, told = (one(text, tower, emphasis=scale_only).context for text in ("cat dog", "cat (dog:1.5)"))
    assert told[0, 2].equal(plain[0, 2] * 1.5)
    assert told[0, :2].equal(plain[0, :2])


@pytest.mark.parametrize(
    ("tower", "layers"),
    [
        (Tower(Encoder(), -1), {None: 4, 1: 4, 2: 3, 4: 1}),
        (Tower(Encoder(), -2), {None: 3, 1: 3, 2: 2, 3: 1}),
        (Tower(Encoder(), -2, clip_skip="absolute"), {None: 3, 1: 3, 2: 3, 3: 2, 4: 1}),
        (Tower(Encoder(), -2, clip_skip="never"), {None: 3, 1: 3, 4: 3, 12: 3}),
    ],
    ids=["v1", "v2", "sdxl-1", "sdxl-2"],
)
def test_clip_skip_reads_an_earlier_layer(tower: Tower, layers: dict[int | None, int]):
    embedded = one("cat", Tower(Encoder(), -DEPTH, normed=False)).context - 1
    for clip_skip, layer in layers.items():
        raw = one("cat", replace(tower, normed=False), clip_skip=clip_skip).context
        torch.testing.assert_close(raw, embedded + layer)
        assert one("cat", tower, clip_skip=clip_skip).context.equal(raw * 2)


@pytest.mark.parametrize(("layer", "clip_skip"), [(-1, DEPTH + 1), (-2, DEPTH), (-1, -1)])
def test_a_layer_that_is_not_there_is_refused(layer: int, clip_skip: int):
    with pytest.raises(RequestError, match=f"one of the text encoder's {DEPTH} layers"):
        one("cat", Tower(Encoder(), layer), clip_skip=clip_skip)


def test_zeroed_says_nothing_in_the_same_shape():
    encoded = one("cat", Tower(Encoder(), pooled=True))
    silent = encoded.zeroed()
    assert silent.context.shape == encoded.context.shape
    assert silent.pooled is not None
    assert not silent.context.any()
    assert not silent.pooled.any()
    assert one("cat", Tower(Encoder())).zeroed().pooled is None


def test_weights_may_be_ignored():
    tower = Tower(Encoder())
    assert one("cat (dog:1.5)", tower, emphasis=ignore).context.equal(one("cat dog", tower).context)
