/* Products of maps or tokens with a weight: convolutions of stride 1, and layers whose one half gates the other.

   Source: Goto & van de Geijn 2008, "Anatomy of High-Performance Matrix Multiplication", section 4: blocks that stay
   in the caches. Shazeer 2020, arXiv:2002.05202, GEGLU.

   A map is copied into the cache with zeros before each of its rows and above each image, some pixels and channels at a
   time: what one pixel of the kernel sees is then the copy from another place on. Pixels are counted in that copy,
   and what they come to among the zeros is left out. Wide maps are cut into strips, each as a map of its own. */
#include "gelu.h"
#include "tiles.h"

enum { BLOCK = 2 * ROWS, PANEL = 2 * COLUMNS, STEP = DEPTH * PANEL, MOST = 512, WIDE = 96, STRIP = 64 };
/* bytes of the second cache for what is copied, and for sums that wait for more channels */
enum { COPIED = 768 << 10, SUMMED = 512 << 10 };

typedef struct {
    const bf16 *x, *weight, *bias, *add; /* add: what is added to the result; may be none, as may the bias */
    bf16 *out;
    int64_t images, height, width, deep, across; /* deep, across: channels of x and of the result */
    int64_t side, pad_down, pad_right, parts, apart, gates;
    /* side: of the kernel; parts: channels of x are taken in so many; apart: from the first 16 columns of a panel
       of the weight to the second; gates: whether the first are gated by the second */
} Product;

typedef struct {
    int64_t line, map, pixels;         /* of the copy: pixels of a row, of a strip, of all */
    int64_t tall, broad, strips, strip; /* of the result: its sides, strips of an image and how wide one is */
    int64_t part, stride, steps;        /* channels at a time, numbers from pixel to pixel, steps of a part */
    int64_t down, beside, many, some;   /* threads, and pixels and columns at a time */
} Plan;

typedef struct {
    int64_t from, to;
} Span;

/* What one thread works in. */
typedef struct {
    bf16 *x;
    float *sums;
    int32_t place[MOST]; /* where a pixel's result belongs; less than 0 if nowhere */
    float done[2][BLOCK * PANEL];
} __attribute__((aligned(64))) Desk;

/* What is summed, but not given yet. */
typedef struct {
    const float *sums;
    const int32_t *place;
    int64_t column, row;
} Waiting;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
static int64_t parts_of(int64_t n, int64_t each) { return (n + each - 1) / each; }
static int64_t evenly(int64_t n, int64_t at_most, int64_t to) { return up(parts_of(n, parts_of(n, at_most)), to); }

static Plan plan(const Product *p, int64_t threads) {
    Plan l = {.part = p->deep / p->parts, .line = p->width + p->pad_right, .strips = 1};
    l.tall = p->height + 2 * p->pad_down - p->side + 1, l.broad = p->width + 2 * p->pad_right - p->side + 1;
    l.strip = l.broad;
    if (p->side > 1 && l.broad > WIDE) {
        l.strips = parts_of(l.broad, STRIP), l.strip = parts_of(l.broad, l.strips);
        l.line = l.strip + p->side - 1;
    }
    l.map = (p->height + p->pad_down) * l.line;
    l.pixels = (p->images * l.strips - 1) * l.map + (l.tall - 1) * l.line + l.strip;
    l.stride = l.part + DEPTH, l.steps = p->side * p->side * l.part / DEPTH;
    int64_t best = INT64_MAX, high = 0, wide = 0;
    for (int64_t down = 1; down <= threads; down++) {
        const int64_t h = parts_of(parts_of(l.pixels, BLOCK), down), w = parts_of(p->across / PANEL, threads / down);
        if (h * w * 8 + h + w >= best) continue;
        best = h * w * 8 + h + w, high = h * BLOCK, wide = w * PANEL;
        l.down = down, l.beside = threads / down;
    }
    const int64_t beyond = (p->side - 1) * (l.line + 1), held = COPIED / (int64_t)sizeof(bf16) / l.stride - beyond;
    l.many = evenly(high, least(most(held, 2 * BLOCK), MOST), BLOCK);
    l.some = p->parts == 1 ? wide : evenly(wide, most(SUMMED / 4 / l.many, PANEL), PANEL);
    return l;
}

static int64_t copied(const Product *p, const Plan *l) {
    return up((l->many + (p->side - 1) * (l->line + 1)) * l->stride, 2 * DEPTH);
}

static int64_t own_room(const Product *p, const Plan *l) {
    return copied(p, l) / 2 + (p->parts > 1 ? l->many * l->some : 0);
}

/* Some channels of the pixels from `start` on. */
static void copy(const Product *p, const Plan *l, int64_t start, int64_t count, int64_t channel, bf16 *to) {
    const int64_t end = start + count + (p->side - 1) * (l->line + 1);
    for (int64_t at = start; at < end; at++, to += l->stride) {
        const int64_t image = at / l->map / l->strips, strip = at / l->map % l->strips;
        const int64_t y = at % l->map / l->line - p->pad_down;
        const int64_t x = strip * l->strip + at % l->map % l->line - p->pad_right;
        const bf16 *from = p->x + ((image * p->height + y) * p->width + x) * p->deep + channel;
        if (image >= p->images || y < 0 || x < 0 || x >= p->width) memset(to, 0, l->part * sizeof(bf16));
        else memcpy(to, from, l->part * sizeof(bf16));
    }
}

static void find_places(const Plan *l, int64_t start, int64_t count, int32_t *to) {
    for (int64_t i = 0, at = start; i < up(count, BLOCK); i++, at++) {
        const int64_t image = at / l->map / l->strips, inside = at % l->map % l->line;
        const int64_t y = at % l->map / l->line, x = at / l->map % l->strips * l->strip + inside;
        const int kept = i < count && y < l->tall && x < l->broad && inside < l->strip;
        to[i] = kept ? (int32_t)((image * l->tall + y) * l->broad + x) : -1;
    }
}

/* Some rows of sums to where they belong. */
static inline void give(const Product *p, Waiting *w, int64_t rows) {
    const int64_t first = w->column / PANEL * (p->apart == COLUMNS ? PANEL : COLUMNS);
    const int64_t end = least(BLOCK, w->row + rows);
    const __m512 none = _mm512_setzero_ps();
    const __m512 bias = p->bias ? load16(p->bias + first) : none;
    const __m512 bias2 = p->bias ? load16(p->bias + first + p->apart) : none;
    const int64_t across = p->gates ? p->across / 2 : p->across;
    for (; w->row < end; w->row++) {
        if (w->place[w->row] < 0) continue;
        const float *sums = w->sums + w->row * PANEL;
        const int64_t at = w->place[w->row] * across + first;
        __m512 a = _mm512_add_ps(_mm512_load_ps(sums), bias);
        __m512 b = _mm512_add_ps(_mm512_load_ps(sums + COLUMNS), bias2);
        if (p->gates) {
            store16(p->out + at, _mm512_mul_ps(a, gelu(b)));
            continue;
        }
        if (p->add) {
            a = _mm512_add_ps(a, load16(p->add + at));
            b = _mm512_add_ps(b, load16(p->add + at + p->apart));
        }
        store16(p->out + at, a);
        store16(p->out + at + p->apart, b);
    }
}

/* A block of pixels by a panel of columns. Meanwhile the next panel is fetched, and what waits is given. */
static inline void multiply(
    const Product *p, const Plan *l, const bf16 *x, const bf16 *weight, Span *ahead, int64_t lines, Waiting *w) {
    const int64_t stride = l->stride * sizeof(bf16), rows = parts_of(BLOCK, l->steps);
    for (int64_t tap = 0; tap < p->side * p->side; tap++) {
        const bf16 *left = x + (tap / p->side * l->line + tap % p->side) * l->stride, *end = left + l->part;
        for (; left < end; left += DEPTH, weight += STEP) {
            _tile_loadd(4, left, stride);
            _tile_loadd(6, weight, 64);
            _tile_loadd(7, weight + TILE, 64);
            _tile_loadd(5, left + ROWS * l->stride, stride);
            tiles_multiply();
            for (int64_t i = 0; i < lines && ahead->from < ahead->to; i++, ahead->from += DEPTH)
                _mm_prefetch((const char *)(p->weight + ahead->from), _MM_HINT_T1);
            if (w->row < BLOCK) give(p, w, rows);
        }
    }
}

/* Some pixels, some columns, a part of the channels. */
static void area(const Product *p, const Plan *l, Desk *d, int64_t pixels, Span columns, int64_t part) {
    const int64_t blocks = parts_of(pixels, BLOCK), lines = parts_of(STEP / DEPTH, blocks), each = l->steps * STEP;
    const int last = part == p->parts - 1;
    Waiting w = {.row = BLOCK};
    int which = 0;
    for (int64_t column = columns.from; column < columns.to; column += PANEL) {
        const int64_t panel = (column / PANEL * p->parts + part) * each, next = panel + p->parts * each;
        Span ahead = {next, column + PANEL < columns.to ? next + each : next};
        for (int64_t block = 0; block < blocks; block++) {
            float *sums = d->sums + ((column - columns.from) / PANEL * (l->many / BLOCK) + block) * BLOCK * PANEL;
            if (part) tiles_load(sums, sums + ROWS * PANEL, PANEL * sizeof(float));
            else tiles_zero();
            multiply(p, l, d->x + block * BLOCK * l->stride, p->weight + panel, &ahead, lines, &w);
            if (last) {
                give(p, &w, BLOCK);
                sums = d->done[which ^= 1];
                w = (Waiting){sums, d->place + block * BLOCK, column, 0};
            }
            tiles_store(sums, sums + ROWS * PANEL, PANEL * sizeof(float));
        }
    }
    if (last) give(p, &w, BLOCK);
}

static Span share(int64_t n, int64_t each, int64_t of, int64_t which) {
    const int64_t blocks = parts_of(n, each);
    return (Span){blocks * which / of * each, least(n, blocks * (which + 1) / of * each)};
}

static void own_share(const Product *p, const Plan *l, Desk *d, int64_t which) {
    const Span down = share(l->pixels, BLOCK, l->down, which / l->beside);
    const Span beside = share(p->across, PANEL, l->beside, which % l->beside);
    for (int64_t pixel = down.from; pixel < down.to; pixel += l->many) {
        const int64_t count = least(l->many, down.to - pixel);
        find_places(l, pixel, count, d->place);
        for (int64_t column = beside.from; column < beside.to; column += l->some)
            for (int64_t part = 0; part < p->parts; part++) {
                if (p->parts > 1 || column == beside.from) copy(p, l, pixel, count, part * l->part, d->x);
                area(p, l, d, count, (Span){column, least(column + l->some, beside.to)}, part);
            }
    }
}

/* How many float32 numbers `product` works in. */
int64_t product_room(const Product *p, int64_t threads) {
    const Plan l = plan(p, threads);
    return threads * own_room(p, &l);
}

void product(const Product *p, float *room, int64_t threads) {
    const Plan l = plan(p, threads);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
    for (int64_t each = 0; each < l.down * l.beside; each++) {
        Desk desk = {.x = (bf16 *)(room + each * own_room(p, &l))};
        desk.sums = (float *)(desk.x + copied(p, &l));
        TileConfig before;
        tiles_begin(&before);
        own_share(p, &l, &desk, each);
        tiles_end(&before);
    }
}

/* A weight as `product` reads it: panels of 32 columns, of each the parts of the channels, of these the pixels of the
   kernel, of these 32 channels at a time in two tiles.
   Steps: numbers from one column, channel and pixel to the next. */
void lay_out(const Product *p, const bf16 *from, const int64_t *steps, bf16 *to) {
    const int64_t part = p->deep / p->parts, taps = p->side * p->side, panel = p->deep * taps * PANEL;
    const __m512i pairs = _mm512_setr_epi32(0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
#pragma omp parallel for
    for (int64_t each = 0; each < p->across / PANEL * p->parts * taps; each++) {
        const int64_t which = each / taps / p->parts, channel = each / taps % p->parts * part, tap = each % taps;
        const int64_t first = which * (p->apart == COLUMNS ? PANEL : COLUMNS);
        bf16 *tiles = to + which * panel + (channel * taps + tap * part) * PANEL;
        for (int64_t column = 0; column < PANEL; column++) {
            const int64_t real = first + column % COLUMNS + column / COLUMNS * p->apart;
            const bf16 *at = from + real * steps[0] + channel * steps[1] + tap * steps[2];
            bf16 *place = tiles + column / COLUMNS * TILE + column % COLUMNS * 2;
            if (steps[1] == 1) {
                for (int64_t i = 0; i < part; i += DEPTH)
                    _mm512_i32scatter_epi32(place + i * PANEL, pairs, _mm512_loadu_si512(at + i), 4);
                continue;
            }
            for (int64_t i = 0; i < part; i++) place[i / DEPTH * STEP + i % DEPTH / 2 * 32 + i % 2] = at[i * steps[1]];
        }
    }
}
