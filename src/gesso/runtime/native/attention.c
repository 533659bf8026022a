/* Attention of many tokens to many, in blocks that stay in the cache.

   Source: Dao et al. 2022, arXiv:2205.14135, algorithm 1; Rabe & Staats 2021, arXiv:2112.05682.

   Keys and values are laid out for the matrix unit once. Then, for 64 queries at a time: scores of 256 keys, their
   exponentials as bfloat16, and the values they weigh, gathered in float32. */
#include "tiles.h"

enum { QUERIES = 64, KEYS = 256 };

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
    for (int64_t token = 0; token < s->long_; token++)
        for (int64_t column = 0; column < s->across; column++) {
            const int real = token < a->keys && column < a->width;
            bf16 *tile = to + (token / DEPTH * (s->across / COLUMNS) + column / COLUMNS) * TILE;
            tile[token % DEPTH / 2 * 32 + column % COLUMNS * 2 + token % 2] =
                real ? v[token * a->v_token + column] : 0;
        }
}

/* What one thread works in. */
typedef struct {
    bf16 q[QUERIES * 512], p[QUERIES * KEYS];
    float scores[QUERIES * KEYS], gathered[QUERIES * 512], most[QUERIES], sum[QUERIES];
} __attribute__((aligned(64))) Desk;

/* Scores of 64 queries and some of the keys. */
static void score(Desk *d, const Sizes *s, const bf16 *keys, int64_t count) {
    const int64_t wide = KEYS * sizeof(float), deep = s->deep * sizeof(bf16);
    for (int64_t row = 0; row < QUERIES; row += 2 * ROWS)
        for (int64_t key = 0; key < count; key += 2 * COLUMNS) {
            const bf16 *left = d->q + row * s->deep, *right = keys + key * s->deep;
            float *to = d->scores + row * KEYS + key;
            tiles_zero();
            for (int64_t at = 0; at < s->deep; at += DEPTH) {
                _tile_loadd(4, left + at, deep);
                _tile_loadd(5, left + ROWS * s->deep + at, deep);
                _tile_loadd(6, right + at * COLUMNS, 64);
                _tile_loadd(7, right + (s->deep + at) * COLUMNS, 64);
                tiles_multiply();
            }
            tiles_store(to, to + ROWS * KEYS, wide);
        }
}

/* Scores to weights; what was gathered under a smaller maximum is scaled down. */
static void weigh(Desk *d, const Sizes *s, int64_t count, int64_t real, float scale) {
    const __m512 factor = _mm512_set1_ps(scale);
    for (int row = 0; row < QUERIES; row++) {
        float *scores = d->scores + row * KEYS;
        for (int64_t key = real; key < count; key++) scores[key] = -1e30f;
        __m512 high = _mm512_set1_ps(-1e30f), high2 = high;
        for (int64_t key = 0; key < count; key += 32) {
            high = _mm512_max_ps(high, _mm512_load_ps(scores + key));
            high2 = _mm512_max_ps(high2, _mm512_load_ps(scores + key + 16));
        }
        const float here = _mm512_reduce_max_ps(_mm512_max_ps(high, high2)) * scale;
        if (here > d->most[row]) {
            const __m512 down = exp2_16(_mm512_set1_ps(d->most[row] - here));
            for (int64_t at = 0; at < s->across; at += 16) {
                float *to = d->gathered + row * s->across + at;
                _mm512_store_ps(to, _mm512_mul_ps(_mm512_load_ps(to), down));
            }
            d->sum[row] *= _mm512_cvtss_f32(down), d->most[row] = here;
        }
        const __m512 most = _mm512_set1_ps(d->most[row]);
        __m512 sum = _mm512_setzero_ps(), sum2 = sum;
        for (int64_t key = 0; key < count; key += 32) {
            const __m512 a = exp2_16(_mm512_fmsub_ps(_mm512_load_ps(scores + key), factor, most));
            const __m512 b = exp2_16(_mm512_fmsub_ps(_mm512_load_ps(scores + key + 16), factor, most));
            sum = _mm512_add_ps(sum, a), sum2 = _mm512_add_ps(sum2, b);
            _mm512_store_si512(d->p + row * KEYS + key, (__m512i)_mm512_cvtne2ps_pbh(b, a));
        }
        d->sum[row] += _mm512_reduce_add_ps(_mm512_add_ps(sum, sum2));
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
    for (int i = 0; i < QUERIES; i++) d->most[i] = -1e30f, d->sum[i] = 0;
}

static void give(const Attention *a, const Sizes *s, const Desk *d, int64_t count, bf16 *out) {
    for (int64_t i = 0; i < count; i++) {
        const __m512 share = _mm512_set1_ps(1.0f / d->sum[i]);
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
        score(d, s, keys + key * s->deep, here);
        weigh(d, s, here, a->keys - key < here ? a->keys - key : here, a->scale * 1.44269504f);
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
