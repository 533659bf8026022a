/* Normalisation in two readings and one writing, with what follows it done on the way.

   Source: Wu & He 2018, arXiv:1803.08494, eq. 1-7; Ba et al. 2016, arXiv:1607.06450, eq. 3. */
#include "vectors.h"

typedef struct {
    const bf16 *x, *weight, *bias, *shift; /* shift: added to a row's every pixel before; may be none */
    bf16 *out;
    int64_t rows, pixels, channels, groups, chunk; /* chunk: pixels that one thread takes at a time */
    float eps;
    int32_t activate; /* whether a SiLU follows */
} Norm;

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

static inline __m512 shift_at(const bf16 *shift, int64_t at, __mmask16 mask) {
    return shift ? load_masked(shift + at, mask) : _mm512_setzero_ps();
}

/* Sums and sums of squares of every channel over some pixels. */
static void add_up(const bf16 *x, const bf16 *shift, int64_t pixels, int64_t channels, float *sums) {
    for (int64_t at = 0; at < channels; at += 32) {
        const __mmask16 low = first(channels - at), high = channels - at > 16 ? first(channels - at - 16) : 0;
        const __m512 by = shift_at(shift, at, low), by2 = shift_at(shift, at + 16, high);
        __m512 sum = _mm512_setzero_ps(), sum2 = sum, square = sum, square2 = sum;
        for (int64_t pixel = 0; pixel < pixels; pixel++) {
            const __m512 a = _mm512_add_ps(load_masked(x + pixel * channels + at, low), by);
            const __m512 b = _mm512_add_ps(load_masked(x + pixel * channels + at + 16, high), by2);
            sum = _mm512_add_ps(sum, a), sum2 = _mm512_add_ps(sum2, b);
            square = _mm512_fmadd_ps(a, a, square), square2 = _mm512_fmadd_ps(b, b, square2);
        }
        _mm512_mask_storeu_ps(sums + at, low, sum);
        _mm512_mask_storeu_ps(sums + at + 16, high, sum2);
        _mm512_mask_storeu_ps(sums + channels + at, low, square);
        _mm512_mask_storeu_ps(sums + channels + at + 16, high, square2);
    }
}

static inline float one(const bf16 *from, int64_t at) {
    const uint32_t bits = from ? (uint32_t)from[at] << 16 : 0;
    float number;
    memcpy(&number, &bits, 4);
    return number;
}

static const bf16 *shift_of(const Norm *n, int64_t row) { return n->shift ? n->shift + row * n->channels : 0; }

/* What every channel of a row of the batch is multiplied by, and what is then added. */
static void settle(const Norm *n, const bf16 *shift, const float *sums, int64_t chunks, float *factors) {
    const int64_t each = n->channels / n->groups;
    for (int64_t group = 0; group < n->groups; group++) {
        double sum = 0, square = 0;
        for (int64_t chunk = 0; chunk < chunks; chunk++)
            for (int64_t c = group * each; c < (group + 1) * each; c++) {
                sum += sums[chunk * 2 * n->channels + c];
                square += sums[(chunk * 2 + 1) * n->channels + c];
            }
        const double mean = sum / (each * n->pixels), spread = square / (each * n->pixels) - mean * mean;
        const float by = (float)(1 / __builtin_sqrt((spread > 0 ? spread : 0) + n->eps));
        for (int64_t c = group * each; c < (group + 1) * each; c++) {
            const float factor = one(n->weight, c) * by;
            factors[c] = factor;
            factors[n->channels + c] = one(n->bias, c) + (one(shift, c) - (float)mean) * factor;
        }
    }
}

static inline __m512 silu(__m512 x) {
    const __m512 power = exp2_16(_mm512_mul_ps(x, _mm512_set1_ps(-1.44269504f)));
    return _mm512_mul_ps(x, _mm512_rcp14_ps(_mm512_add_ps(power, _mm512_set1_ps(1.0f))));
}

static void apply(const Norm *n, int64_t start, int64_t pixels, const float *factors) {
    for (int64_t pixel = start; pixel < start + pixels; pixel++)
        for (int64_t at = 0; at < n->channels; at += 16) {
            const __mmask16 mask = first(n->channels - at);
            const __m512 by = _mm512_maskz_loadu_ps(mask, factors + at);
            const __m512 add = _mm512_maskz_loadu_ps(mask, factors + n->channels + at);
            const __m512 y = _mm512_fmadd_ps(load_masked(n->x + pixel * n->channels + at, mask), by, add);
            store_masked(n->out + pixel * n->channels + at, n->activate ? silu(y) : y, mask);
        }
}

/* How many float32 numbers `group_norm` needs. */
int64_t group_norm_room(const Norm *n) {
    return n->rows * 2 * n->channels * ((n->pixels + n->chunk - 1) / n->chunk + 1);
}

/* What every channel of every row is multiplied by, and what is then added: at the end of `room`. */
float *group_norm_factors(const Norm *n, float *room) {
    const int64_t chunks = (n->pixels + n->chunk - 1) / n->chunk, both = 2 * n->channels;
    float *factors = room + n->rows * chunks * both;
#pragma omp parallel
    {
#pragma omp for
        for (int64_t i = 0; i < n->rows * chunks; i++) {
            const int64_t start = i % chunks * n->chunk, count = least(n->chunk, n->pixels - start);
            const bf16 *x = n->x + (i / chunks * n->pixels + start) * n->channels;
            add_up(x, shift_of(n, i / chunks), count, n->channels, room + i * both);
        }
#pragma omp for
        for (int64_t row = 0; row < n->rows; row++)
            settle(n, shift_of(n, row), room + row * chunks * both, chunks, factors + row * both);
    }
    return factors;
}

void group_norm_apply(const Norm *n, const float *factors) {
    const int64_t chunks = (n->pixels + n->chunk - 1) / n->chunk;
#pragma omp parallel for
    for (int64_t i = 0; i < n->rows * chunks; i++) {
        const int64_t start = i % chunks * n->chunk, count = least(n->chunk, n->pixels - start);
        apply(n, i / chunks * n->pixels + start, count, factors + i / chunks * 2 * n->channels);
    }
}

void group_norm(const Norm *n, float *room) { group_norm_apply(n, group_norm_factors(n, room)); }

/* Each row of `channels` numbers by itself; `pixels` is how many. */
void layer_norm(const Norm *n) {
#pragma omp parallel for
    for (int64_t row = 0; row < n->pixels; row++) {
        const bf16 *x = n->x + row * n->channels;
        __m512 sum = _mm512_setzero_ps(), square = sum;
        for (int64_t at = 0; at < n->channels; at += 16)
            sum = _mm512_add_ps(sum, load_masked(x + at, first(n->channels - at)));
        const __m512 mean = _mm512_set1_ps(_mm512_reduce_add_ps(sum) / n->channels);
        for (int64_t at = 0; at < n->channels; at += 16) {
            const __mmask16 mask = first(n->channels - at);
            const __m512 off = _mm512_maskz_sub_ps(mask, load_masked(x + at, mask), mean);
            square = _mm512_fmadd_ps(off, off, square);
        }
        const float spread = _mm512_reduce_add_ps(square) / n->channels;
        const __m512 by = _mm512_set1_ps(1 / __builtin_sqrtf(spread + n->eps));
        for (int64_t at = 0; at < n->channels; at += 16) {
            const __mmask16 mask = first(n->channels - at);
            const __m512 y = _mm512_mul_ps(_mm512_sub_ps(load_masked(x + at, mask), mean), by);
            const __m512 w = load_masked(n->weight + at, mask), b = load_masked(n->bias + at, mask);
            store_masked(n->out + row * n->channels + at, _mm512_fmadd_ps(y, w, b), mask);
        }
    }
}
