"""Buckets: which size a picture is trained at, and what of it is cut off. Pure geometry."""

import math
from dataclasses import dataclass

from gesso.errors import RequestError
from gesso.training.recipe import BucketRules

__all__ = ["Fit", "buckets", "fit"]

Size = tuple[int, int]


@dataclass(frozen=True)
class Fit:
    """How a picture becomes one of a bucket: made smaller to `scaled`, then cut.

    Args:
        original: width and height of the file, pixels.
        scaled: after scaling; the same as `original` where nothing is.
        bucket: what is left, width and height.
    """

    original: Size
    scaled: Size
    bucket: Size

    @property
    def room(self) -> Size:
        """Pixels that are cut off in all, across and down."""
        return self.scaled[0] - self.bucket[0], self.scaled[1] - self.bucket[1]

    @property
    def cropped(self) -> float:
        """Share of the picture that is cut off, 0…1."""
        return 1 - self.bucket[0] * self.bucket[1] / (self.scaled[0] * self.scaled[1])

    @property
    def enlarged(self) -> bool:
        """Whether the picture has fewer pixels than it is trained at."""
        return self.scaled[0] > self.original[0]


def buckets(rules: BucketRules, size: Size) -> tuple[Size, ...]:
    """Every size that training uses: of no more pixels than the wanted size, sides in steps.

    Args:
        size: the size that training is for, width and height.

    Source: the aspect ratio buckets of NovelAI, "NovelAI Improvements on Stable Diffusion", 2022, as
    kohya-ss/sd-scripts lays them out.
    """
    if not rules.enabled:
        return (size,)
    step = rules.steps(size)
    shortest, longest = rules.smallest or min(size) // 2, rules.largest or max(size) * 2
    found = {size}
    for side in range(math.ceil(shortest / step) * step, longest + 1, step):
        other = min(longest, size[0] * size[1] // side // step * step)
        if other >= shortest:
            found |= {(side, other), (other, side)}
    return tuple(sorted(found))


def fit(original: Size, rules: BucketRules, size: Size) -> Fit:
    """The bucket whose shape is nearest, unless the picture is too small for it: then one of its own.

    Raises:
        RequestError: the picture is smaller than one step.
    """
    known = buckets(rules, size)
    if original in known:
        return Fit(original, original, original)
    aspect = math.log(original[0] / original[1])
    bucket = min(known, key=lambda each: (abs(math.log(each[0] / each[1]) - aspect), -each[0] * each[1]))
    scale = max(bucket[0] / original[0], bucket[1] / original[1])
    if scale > 1 and not rules.enlarge:
        return Fit(original, original, _own(original, bucket, rules.steps(size)))
    scaled = tuple(max(b, round(o * scale)) for o, b in zip(original, bucket, strict=True))
    return Fit(original, (scaled[0], scaled[1]), bucket)


def _own(original: Size, bucket: Size, step: int) -> Size:
    """What a small picture has in whole steps, no more than its bucket."""
    width, height = (min(b, o // step * step) for o, b in zip(original, bucket, strict=True))
    if not width or not height:
        raise RequestError(
            f"a picture must have {step} pixels a side or more, however: {original[0]}x{original[1]}",
            hint="buckets.enlarge makes small pictures larger",
        )
    return width, height
