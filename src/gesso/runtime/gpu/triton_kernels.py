"""Triton's part of the kernels: one pass over large maps where torch makes several.

Everything is computed in float32 and rounded once. Maps are channels last, as [rows, pixels, channels].
"""

# pyright: basic
# the functions here are in Triton's language, which is compiled and has no types of Python's

import triton
import triton.language as tl

__all__ = [
    "SHARE",
    "TILE",
    "added",
    "added_normalised",
    "attended",
    "combined",
    "gated",
    "normalised",
    "placed",
    "rows_normalised",
    "shares",
]

TILE = 64
"""Pixels that one program looks at."""
SHARE = 64
"""Channels that it looks at."""


@triton.jit
def shares(
    x,
    shift,
    means,
    spreads,
    step,
    pixels,
    channels,
    tiles,
    SHIFTED: tl.constexpr,
    L: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    """Mean, and squared distance from it, of each channel in each tile of pixels."""
    row, tile = tl.program_id(2), tl.program_id(0)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    known = channel < channels
    mean, spread = tl.zeros([C], tl.float32), tl.zeros([C], tl.float32)
    seen = 0.0
    for part in range(L):
        pixel = (tile * L + part) * P + tl.arange(0, P)
        there = (pixel < pixels)[:, None] & known[None, :]
        place = (row * pixels + pixel).to(tl.int64)[:, None] * channels + channel[None, :]
        values = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
        count = tl.maximum(tl.minimum(P, pixels - (tile * L + part) * P), 0).to(tl.float32)
        own = tl.sum(values, axis=0) / tl.maximum(count, 1.0)
        apart = tl.where(there, values - own[None, :], 0.0)
        # two sets of numbers become one
        both = tl.maximum(seen + count, 1.0)
        between = own - mean
        spread += tl.sum(apart * apart, axis=0) + between * between * (seen * count / both)
        mean += between * (count / both)
        seen += count
    if SHIFTED:
        mean += tl.load(shift + row * step + channel, mask=known, other=0.0).to(tl.float32)
    out = (row * tiles + tile) * channels + channel
    tl.store(means + out, mean, mask=known)
    tl.store(spreads + out, spread, mask=known)


@triton.jit
def combined(
    means,
    spreads,
    centres,
    scales,
    pixels,
    channels,
    tiles,
    width,
    eps,
    T: tl.constexpr,
    P: tl.constexpr,
    W: tl.constexpr,
):
    """A group's mean and one over its deviation, of those of its channels' tiles."""
    group, row = tl.program_id(0), tl.program_id(1)
    groups = tl.num_programs(0)
    inside = tl.arange(0, W)
    channel = group * width + inside
    total = tl.zeros([T, W], tl.float32)
    for begin in range(0, tiles, T):
        tile = begin + tl.arange(0, T)
        there = (tile < tiles)[:, None] & (inside < width)[None, :]
        count = tl.minimum(P, pixels - tile * P).to(tl.float32)
        place = (row * tiles + tile)[:, None] * channels + channel[None, :]
        total += tl.where(there, tl.load(means + place, mask=there, other=0.0) * count[:, None], 0.0)
    numbers = (pixels * width).to(tl.float32)
    centre = tl.sum(tl.sum(total, axis=1), axis=0) / numbers
    total = tl.zeros([T, W], tl.float32)
    for begin in range(0, tiles, T):
        tile = begin + tl.arange(0, T)
        there = (tile < tiles)[:, None] & (inside < width)[None, :]
        count = tl.minimum(P, pixels - tile * P).to(tl.float32)
        place = (row * tiles + tile)[:, None] * channels + channel[None, :]
        apart = tl.load(means + place, mask=there, other=0.0) - centre
        spread = tl.load(spreads + place, mask=there, other=0.0)
        total += tl.where(there, spread + apart * apart * count[:, None], 0.0)
    variance = tl.sum(tl.sum(total, axis=1), axis=0) / numbers
    tl.store(centres + row * groups + group, centre)
    tl.store(scales + row * groups + group, 1.0 / tl.sqrt(variance + eps))


@triton.jit
def normalised(
    x,
    shift,
    weight,
    bias,
    centres,
    scales,
    out,
    step,
    pixels,
    channels,
    groups,
    width,
    SHIFTED: tl.constexpr,
    ACTIVATE: tl.constexpr,
    P: tl.constexpr,
    C: tl.constexpr,
):
    """Each number by its group, then by weight and bias of its channel, and SiLU of that where asked."""
    row = tl.program_id(2)
    pixel = tl.program_id(0) * P + tl.arange(0, P)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    known = channel < channels
    there = (pixel < pixels)[:, None] & known[None, :]
    place = (row * pixels + pixel).to(tl.int64)[:, None] * channels + channel[None, :]
    values = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    group = row * groups + channel // width
    scale = tl.load(scales + group, mask=known, other=0.0)
    scale *= tl.load(weight + channel, mask=known, other=0.0).to(tl.float32)
    offset = tl.load(bias + channel, mask=known, other=0.0).to(tl.float32)
    centre = tl.load(centres + group, mask=known, other=0.0)
    if SHIFTED:
        centre -= tl.load(shift + row * step + channel, mask=known, other=0.0).to(tl.float32)
    values = (values - centre[None, :]) * scale[None, :] + offset[None, :]
    if ACTIVATE:
        values = values / (1.0 + tl.exp(-values))
    tl.store(out + place, values.to(out.dtype.element_ty), mask=there)


@triton.jit
def normal(values, there, column, weight, bias, width, eps):
    """Each row of a tile by itself, then by weight and bias of each column."""
    mean = tl.sum(values, axis=1) / width
    apart = tl.where(there, values - mean[:, None], 0.0)
    scale = 1.0 / tl.sqrt(tl.sum(apart * apart, axis=1) / width + eps)
    by = tl.load(weight + column, mask=column < width, other=0.0).to(tl.float32)
    offset = tl.load(bias + column, mask=column < width, other=0.0).to(tl.float32)
    return apart * scale[:, None] * by[None, :] + offset[None, :]


@triton.jit
def rows_normalised(x, weight, bias, out, rows, width, eps, R: tl.constexpr, W: tl.constexpr):
    """Rows of tokens, each normalised."""
    row = tl.program_id(0) * R + tl.arange(0, R)
    column = tl.arange(0, W)
    there = (row < rows)[:, None] & (column < width)[None, :]
    place = row.to(tl.int64)[:, None] * width + column[None, :]
    values = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    values = normal(values, there, column, weight, bias, width, eps)
    tl.store(out + place, values.to(out.dtype.element_ty), mask=there)


@triton.jit
def gated(x, out, numbers, width, N: tl.constexpr):
    """Half a row times the GELU of the other half."""
    place = tl.program_id(0).to(tl.int64) * N + tl.arange(0, N)
    there = place < numbers
    row = place // width
    begin = row * width + place
    value = tl.load(x + begin, mask=there, other=0.0).to(tl.float32)
    gate = tl.load(x + begin + width, mask=there, other=0.0).to(tl.float32)
    opened = gate * 0.5 * (1.0 + tl.erf(gate * 0.7071067811865476))
    tl.store(out + place, (value * opened).to(out.dtype.element_ty), mask=there)


@triton.jit
def added(x, y, bias, out, numbers, width, BIASED: tl.constexpr, N: tl.constexpr):
    """Two maps and a bias."""
    place = tl.program_id(0).to(tl.int64) * N + tl.arange(0, N)
    there = place < numbers
    total = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    total += tl.load(y + place, mask=there, other=0.0).to(tl.float32)
    if BIASED:
        total += tl.load(bias + place % width, mask=there, other=0.0).to(tl.float32)
    tl.store(out + place, total.to(out.dtype.element_ty), mask=there)


@triton.jit
def added_normalised(x, y, weight, bias, total, out, rows, width, eps, R: tl.constexpr, W: tl.constexpr):
    """Two maps added, and every row of that normalised."""
    row = tl.program_id(0) * R + tl.arange(0, R)
    column = tl.arange(0, W)
    there = (row < rows)[:, None] & (column < width)[None, :]
    place = row.to(tl.int64)[:, None] * width + column[None, :]
    both = tl.load(x + place, mask=there, other=0.0).to(tl.float32)
    both += tl.load(y + place, mask=there, other=0.0).to(tl.float32)
    rounded = both.to(total.dtype.element_ty)
    tl.store(total + place, rounded, mask=there)
    # of what is kept, as the next layer would see it
    values = rounded.to(tl.float32)
    values = normal(values, there, column, weight, bias, width, eps)
    tl.store(out + place, values.to(out.dtype.element_ty), mask=there)


@triton.jit
def attended(
    q,
    k,
    v,
    out,
    q_row,
    q_token,
    k_row,
    k_token,
    v_row,
    v_token,
    queries,
    keys,
    width,
    scale,
    N: tl.constexpr,
    M: tl.constexpr,
    W: tl.constexpr,
):
    """Attention of a tile of queries of one head to all keys."""
    head, row = tl.program_id(1), tl.program_id(2)
    query, column = tl.program_id(0) * N + tl.arange(0, N), tl.arange(0, W)
    within = column < width
    seen = (query < queries)[:, None] & within[None, :]
    begin = row.to(tl.int64) * q_row + head * width
    asked = tl.load(q + begin + query.to(tl.int64)[:, None] * q_token + column[None, :], mask=seen, other=0.0)
    most = tl.full([N], float("-inf"), tl.float32)
    total = tl.zeros([N], tl.float32)
    sums = tl.zeros([N, W], tl.float32)
    for first in range(0, keys, M):
        key = first + tl.arange(0, M)
        known = (key < keys)[:, None] & within[None, :]
        place = row * k_row + head * width + key[:, None] * k_token + column[None, :]
        scores = tl.dot(asked, tl.trans(tl.load(k + place, mask=known, other=0.0))) * scale
        scores = tl.where((key < keys)[None, :], scores, float("-inf"))
        now = tl.maximum(most, tl.max(scores, axis=1))
        shares = tl.exp2(scores - now[:, None])
        shrunk = tl.exp2(most - now)
        total = total * shrunk + tl.sum(shares, axis=1)
        place = row * v_row + head * width + key[:, None] * v_token + column[None, :]
        values = tl.load(v + place, mask=known, other=0.0)
        sums = sums * shrunk[:, None] + tl.dot(shares.to(values.dtype), values)
        most = now
    across = tl.num_programs(1) * width
    place = (row.to(tl.int64) * queries + query)[:, None] * across + head * width + column[None, :]
    tl.store(out + place, (sums / total[:, None]).to(out.dtype.element_ty), mask=seen)


@triton.jit
def placed(four, bias, out, height, width, channels, BIASED: tl.constexpr, P: tl.constexpr, C: tl.constexpr):
    """Four maps into the four pixels that each pixel becomes."""
    row = tl.program_id(2)
    pixel = tl.program_id(0) * P + tl.arange(0, P)
    channel = tl.program_id(1) * C + tl.arange(0, C)
    there = (pixel < 4 * height * width)[:, None] & (channel < channels)[None, :]
    down, right = pixel // (2 * width), pixel % (2 * width)
    # which of the four a pixel is, and where its 2 x 2 pixels begin
    which = (down % 2) * 2 + right % 2
    begin = (down // 2 + down % 2) * (width + 1) + right // 2 + right % 2
    begin = (row * (height + 1) * (width + 1) + begin).to(tl.int64) * 4 + which
    values = tl.load(four + begin[:, None] * channels + channel[None, :], mask=there, other=0.0).to(
        tl.float32
    )
    if BIASED:
        values += tl.load(bias + channel, mask=channel < channels, other=0.0).to(tl.float32)[None, :]
    place = (row * 4 * height * width + pixel).to(tl.int64)[:, None] * channels + channel[None, :]
    tl.store(out + place, values.to(out.dtype.element_ty), mask=there)
