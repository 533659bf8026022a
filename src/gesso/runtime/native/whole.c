/* From bfloat16 to whole numbers of 8 bits, and from products of those back.

   Source: Jacob et al. 2018, arXiv:1712.05877, section 2.1. */
#include "vectors.h"

static const float ENDLESS = 1.0f / 0.0f;

static inline __m512i bits(__m512 x) {
    return _mm512_castps_si512(_mm512_abs_ps(x));
}

/* Each row by a scale of its own: its largest number becomes 127. What is not finite makes its row's scale so. */
void round_rows(const bf16 *x, int8_t *out, float *scales, int64_t rows, int64_t width) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; row++) {
        const bf16 *from = x + row * width;
        __m512i most = _mm512_setzero_si512();
        for (int64_t at = 0; at < width; at += 16)
            most = _mm512_max_epi32(most, bits(load_masked(from + at, first(width - at))));
        const int32_t found = _mm512_reduce_max_epi32(most);
        float largest;
        memcpy(&largest, &found, sizeof largest);
        scales[row] = largest / 127.0f;
        const __m512 by = _mm512_set1_ps(largest > 0.0f && largest < ENDLESS ? 127.0f / largest : 0.0f);
        for (int64_t at = 0; at < width; at += 16) {
            const __mmask16 mask = first(width - at);
            const __m512i codes = _mm512_cvtps_epi32(_mm512_mul_ps(load_masked(from + at, mask), by));
            _mm512_mask_cvtsepi32_storeu_epi8(out + row * width + at, mask, codes);
        }
    }
}

/* Each row times its scale, plus what every row is given (NULL for nothing), in place. */
void scale_rows(bf16 *y, const float *scales, const bf16 *added, int64_t rows, int64_t width) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; row++) {
        const __m512 by = _mm512_set1_ps(scales[row]);
        for (int64_t at = 0; at < width; at += 16) {
            const __mmask16 mask = first(width - at);
            const __m512 add = added ? load_masked(added + at, mask) : _mm512_setzero_ps();
            bf16 *place = y + row * width + at;
            store_masked(place, _mm512_fmadd_ps(load_masked(place, mask), by, add), mask);
        }
    }
}

/* The least and the largest number, 0 among them; both infinite if any is not a number. */
void span(const bf16 *x, int64_t count, float *ends) {
    float least = 0.0f, largest = 0.0f;
#pragma omp parallel for reduction(min : least) reduction(max : largest)
    for (int64_t start = 0; start < count; start += 4096) {
        __m512 low = _mm512_setzero_ps(), high = low;
        __mmask16 none = 0;
        for (int64_t at = start; at < count && at < start + 4096; at += 16) {
            const __m512 numbers = load_masked(x + at, first(count - at));
            low = _mm512_min_ps(numbers, low);
            high = _mm512_max_ps(numbers, high);
            none |= _mm512_cmp_ps_mask(numbers, numbers, _CMP_UNORD_Q);
        }
        const float below = none ? -ENDLESS : _mm512_reduce_min_ps(low);
        const float above = none ? ENDLESS : _mm512_reduce_max_ps(high);
        least = below < least ? below : least;
        largest = above > largest ? above : largest;
    }
    ends[0] = least;
    ends[1] = largest;
}

/* All by one scale: x `by` it plus `zero`, within 0..255. */
void round_all(const bf16 *x, uint8_t *out, int64_t count, float by, float zero) {
#pragma omp parallel for
    for (int64_t start = 0; start < count; start += 4096)
        for (int64_t at = start; at < count && at < start + 4096; at += 16) {
            const __mmask16 mask = first(count - at);
            const __m512 moved =
                _mm512_fmadd_ps(load_masked(x + at, mask), _mm512_set1_ps(by), _mm512_set1_ps(zero));
            const __m512i codes = _mm512_max_epi32(_mm512_cvtps_epi32(moved), _mm512_setzero_si512());
            _mm512_mask_cvtusepi32_storeu_epi8(out + at, mask, codes);
        }
}
