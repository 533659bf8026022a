/* Attention of many tokens to many, in blocks that stay in the cache.

   Source: Dao et al. 2022, arXiv:2205.14135, algorithm 1; Rabe & Staats 2021, arXiv:2112.05682.

   Keys and values are laid out for the matrix unit once. Then, for 32 queries at a time: scores of 32 keys while the
   exponentials of the 32 before are taken, as bfloat16; after 128, the values they weigh, gathered in float32.
   Exponentials are of what a score is above a whole number near the largest so far, which rises only when a score
   leaves it far below. */
#include "tiles.h"

enum { QUERIES = 2 * ROWS, TOGETHER = 2 * COLUMNS, KEYS = 4 * TOGETHER };
/* How far a score, as a power of two, may be above what is taken for the most: sums stay far from overflow. */
static const float HEADROOM = 64;

typedef struct {
    const bf16 *q, *k, *v;
    bf16 *out;
    /* numbers from one row of the batch, token and head to the next */
    int64_t q_row, q_token, q_head, k_row, k_token, k_head, v_row, v_token, v_head, out_row, out_token, out_head;
    int64_t rows, heads, queries, keys, width;
    float scale;
} Attention;

typedef struct {
    int64_t deep, across, long_, keys, values, head; /* of one head, padded, in numbers */
} Sizes;

static Sizes sizes(const Attention *a) {
    Sizes s = {.deep = up(a->width, DEPTH), .across = up(a->width, 2 * COLUMNS), .long_ = up(a->keys, DEPTH)};
    s.keys = s.long_ * s.deep, s.values = s.long_ * s.across, s.head = s.keys + s.values;
    return s;
}

/* Keys as the right side of a product: a tile holds 16 keys and 32 of their numbers, in pairs. */
static void pack_keys(const Attention *a, const Sizes *s, const bf16 *k, bf16 *to) {
    for (int64_t token = 0; token < s->long_; token++) {
        bf16 row[512] = {0};
        if (token < a->keys) memcpy(row, k + token * a->k_token, a->width * sizeof(bf16));
        uint32_t *tiles = (uint32_t *)(to + token / COLUMNS * COLUMNS * s->deep);
        for (int64_t pair = 0; pair < s->deep / 2; pair++)
            memcpy(tiles + pair * COLUMNS + token % COLUMNS, row + 2 * pair, 4);
    }
}

/* Values as the right side of a product: a tile holds 32 keys, in pairs, and 16 of their numbers. */
static void pack_values(const Attention *a, const Sizes *s, const bf16 *v, bf16 *to) {
    for (int64_t token = 0; token < s->long_; token += 2)
        for (int64_t column = 0; column < s->across; column += COLUMNS) {
            const __mmask16 some = column < a->width ? first(a->width - column) : 0;
            const bf16 *at = v + token * a->v_token + column;
            const __m256i one = _mm256_maskz_loadu_epi16(token < a->keys ? some : 0, at);
            const __m256i two = _mm256_maskz_loadu_epi16(token + 1 < a->keys ? some : 0, at + a->v_token);
            bf16 *tile = to + (token / DEPTH * (s->across / COLUMNS) + column / COLUMNS) * TILE;
            const __m512i high = _mm512_slli_epi32(_mm512_cvtepu16_epi32(two), 16);
            _mm512_storeu_si512(tile + token % DEPTH / 2 * 32, _mm512_or_si512(_mm512_cvtepu16_epi32(one), high));
        }
}

/* What one thread works in. */
typedef struct {
    bf16 q[QUERIES * 512], p[QUERIES * KEYS];
    float scores[2][QUERIES * TOGETHER], gathered[QUERIES * 512], sums[QUERIES * 16], most[QUERIES];
} __attribute__((aligned(64))) Desk;

/* Scores of the queries and of 32 keys, left in tiles. */
static inline void score(const Desk *d, const Sizes *s, const bf16 *keys) {
    const int64_t deep = s->deep * sizeof(bf16);
    tiles_zero();
    for (int64_t at = 0; at < s->deep; at += DEPTH) {
        _tile_loadd(4, d->q + at, deep);
        _tile_loadd(5, d->q + ROWS * s->deep + at, deep);
        _tile_loadd(6, keys + at * COLUMNS, 64);
        _tile_loadd(7, keys + (s->deep + at) * COLUMNS, 64);
        tiles_multiply();
    }
}

/* Some rows of scores to weights; how far the largest is above what was taken for the most. */
static inline __m512 weigh(const Desk *d, const float *scores, bf16 *p, int from, int to, float scale) {
    const __m512 factor = _mm512_set1_ps(scale);
    __m512 above = _mm512_set1_ps(-1e30f), above2 = above;
    for (int row = from; row < to; row++) {
        const __m512 most = _mm512_set1_ps(d->most[row]);
        const __m512 a = _mm512_fmsub_ps(_mm512_load_ps(scores + row * TOGETHER), factor, most);
        const __m512 b = _mm512_fmsub_ps(_mm512_load_ps(scores + row * TOGETHER + 16), factor, most);
        above = _mm512_max_ps(above, a), above2 = _mm512_max_ps(above2, b);
        _mm512_store_si512(p + row * KEYS, (__m512i)_mm512_cvtne2ps_pbh(exp2_16(b), exp2_16(a)));
    }
    return _mm512_max_ps(above, above2);
}

/* Take more for the most where scores are beyond, and scale down what there was: by a power of two, so exactly. */
static void raise(Desk *d, const Sizes *s, const float *scores, int64_t before, float scale) {
    for (int row = 0; row < QUERIES; row++) {
        const __m512 a = _mm512_load_ps(scores + row * TOGETHER), b = _mm512_load_ps(scores + row * TOGETHER + 16);
        const float here = __builtin_ceilf(_mm512_reduce_max_ps(_mm512_max_ps(a, b)) * scale);
        if (!(here > d->most[row])) continue;
        const __m512 down = exp2_16(_mm512_set1_ps(d->most[row] - here));
        for (int64_t at = 0; at < s->across; at += 16) {
            float *to = d->gathered + row * s->across + at;
            _mm512_store_ps(to, _mm512_mul_ps(_mm512_load_ps(to), down));
        }
        _mm512_store_ps(d->sums + row * 16, _mm512_mul_ps(_mm512_load_ps(d->sums + row * 16), down));
        for (int64_t key = 0; key < before; key += 16)
            store16(d->p + row * KEYS + key, _mm512_mul_ps(load16(d->p + row * KEYS + key), down));
        d->most[row] = here;
    }
}

/* Weights of some keys, of which `real` count: while 32 are weighed, the next ones' scores are multiplied. */
static void weigh_all(Desk *d, const Sizes *s, const bf16 *keys, int64_t count, int64_t real, float scale) {
    float *scores = d->scores[0];
    score(d, s, keys);
    tiles_store(scores, scores + ROWS * TOGETHER, TOGETHER * sizeof(float));
    for (int64_t key = 0; key < count; key += TOGETHER) {
        for (int64_t none = real; none < key + TOGETHER; none++)
            for (int row = 0; row < QUERIES; row++) scores[row * TOGETHER + none - key] = -1e30f;
        const int more = key + TOGETHER < count;
        float *next = d->scores[scores == d->scores[0]];
        bf16 *p = d->p + key;
        if (more) score(d, s, keys + (key + TOGETHER) * s->deep);
        __m512 above = weigh(d, scores, p, 0, QUERIES / 2, scale);
        if (more) tiles_store(next, next + ROWS * TOGETHER, TOGETHER * sizeof(float));
        above = _mm512_max_ps(above, weigh(d, scores, p, QUERIES / 2, QUERIES, scale));
        if (_mm512_cmp_ps_mask(above, _mm512_set1_ps(HEADROOM), _CMP_GT_OQ)) {
            raise(d, s, scores, key, scale);
            weigh(d, scores, p, 0, QUERIES, scale);
        }
        scores = next;
    }
    const __m512i ones = _mm512_set1_epi16(0x3F80);
    for (int row = 0; row < QUERIES; row++) {
        __m512 sum = _mm512_load_ps(d->sums + row * 16);
        for (int64_t key = 0; key < count; key += 32)
            sum = _mm512_dpbf16_ps(sum, (__m512bh)_mm512_load_si512(d->p + row * KEYS + key), (__m512bh)ones);
        _mm512_store_ps(d->sums + row * 16, sum);
    }
}

/* Values by their weights, two tiles of queries and two of columns at a time; `across` is even in tiles. */
static void gather(Desk *d, const Sizes *s, const bf16 *values, int64_t count) {
    const int64_t wide = s->across * sizeof(float), long_ = KEYS * sizeof(bf16);
    for (int64_t row = 0; row < QUERIES; row += 2 * ROWS)
        for (int64_t column = 0; column < s->across; column += 2 * COLUMNS) {
            float *to = d->gathered + row * s->across + column;
            const bf16 *right = values + column / COLUMNS * TILE, *left = d->p + row * KEYS;
            tiles_load(to, to + ROWS * s->across, wide);
            for (int64_t key = 0; key < count; key += DEPTH, right += s->across * DEPTH) {
                _tile_loadd(4, left + key, long_);
                _tile_loadd(5, left + ROWS * KEYS + key, long_);
                _tile_loadd(6, right, 64);
                _tile_loadd(7, right + TILE, 64);
                tiles_multiply();
            }
            tiles_store(to, to + ROWS * s->across, wide);
        }
}

static void take_queries(const Attention *a, const Sizes *s, const bf16 *q, int64_t count, Desk *d) {
    memset(d->q, 0, QUERIES * s->deep * sizeof(bf16));
    for (int64_t i = 0; i < count; i++)
        memcpy(d->q + i * s->deep, q + i * a->q_token, a->width * sizeof(bf16));
    memset(d->gathered, 0, QUERIES * s->across * sizeof(float));
    memset(d->sums, 0, sizeof d->sums);
    for (int i = 0; i < QUERIES; i++) d->most[i] = -1e30f;
}

static void give(const Attention *a, const Sizes *s, const Desk *d, int64_t count, bf16 *out) {
    for (int64_t i = 0; i < count; i++) {
        const __m512 share = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(_mm512_load_ps(d->sums + i * 16)));
        for (int64_t at = 0; at < a->width; at += 16) {
            const __m512 numbers = _mm512_mul_ps(_mm512_load_ps(d->gathered + i * s->across + at), share);
            store_masked(out + i * a->out_token + at, numbers, first(a->width - at));
        }
    }
}

static void block(const Attention *a, const Sizes *s, const bf16 *packed, int64_t head, int64_t start, Desk *d) {
    const int64_t row = head / a->heads, of = head % a->heads;
    const int64_t count = a->queries - start < QUERIES ? a->queries - start : QUERIES;
    const bf16 *keys = packed + head * s->head, *values = keys + s->keys;
    take_queries(a, s, a->q + row * a->q_row + of * a->q_head + start * a->q_token, count, d);
    for (int64_t key = 0; key < s->long_; key += KEYS) {
        const int64_t here = s->long_ - key < KEYS ? s->long_ - key : KEYS;
        const int64_t real = a->keys - key < here ? a->keys - key : here;
        weigh_all(d, s, keys + key * s->deep, here, real, a->scale * 1.44269504f);
        gather(d, s, values + key * s->across, here);
    }
    give(a, s, d, count, a->out + row * a->out_row + of * a->out_head + start * a->out_token);
}

/* How many numbers `attend` needs to lay keys and values out. */
int64_t attend_room(const Attention *a) {
    const Sizes s = sizes(a);
    return a->rows * a->heads * s.head;
}

void attend(const Attention *a, bf16 *packed) {
    const Sizes s = sizes(a);
    const int64_t heads = a->rows * a->heads, blocks = (a->queries + QUERIES - 1) / QUERIES;
#pragma omp parallel
    {
        Desk desk;
        TileConfig before;
        tiles_begin(&before);
#pragma omp for
        for (int64_t head = 0; head < heads; head++) {
            const int64_t row = head / a->heads, of = head % a->heads;
            pack_keys(a, &s, a->k + row * a->k_row + of * a->k_head, packed + head * s.head);
            pack_values(a, &s, a->v + row * a->v_row + of * a->v_head, packed + head * s.head + s.keys);
        }
#pragma omp for
        for (int64_t each = 0; each < heads * blocks; each++)
            block(a, &s, packed, each / blocks, each % blocks * QUERIES, &desk);
        tiles_end(&before);
    }
}
