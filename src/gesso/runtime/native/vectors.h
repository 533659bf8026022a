/* What the kernels have in common: 16 numbers at a time, and the exponential. */
#ifndef GESSO_VECTORS_H
#define GESSO_VECTORS_H

#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t bf16;

/* bfloat16 is the upper half of float32. */
static inline __m512 wide(__m256i narrow) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
}

static inline __m512 load16(const bf16 *from) {
    return wide(_mm256_loadu_si256((const __m256i *)from));
}

static inline __m512 load_masked(const bf16 *from, __mmask16 mask) {
    return wide(_mm256_maskz_loadu_epi16(mask, from));
}

static inline void store16(bf16 *to, __m512 numbers) {
    _mm256_storeu_si256((__m256i *)to, (__m256i)_mm512_cvtneps_pbh(numbers));
}

static inline void store_masked(bf16 *to, __m512 numbers, __mmask16 mask) {
    _mm256_mask_storeu_epi16(to, mask, (__m256i)_mm512_cvtneps_pbh(numbers));
}

/* The first n of 16. */
static inline __mmask16 first(int64_t n) {
    return n >= 16 ? 0xFFFF : (__mmask16)((1u << n) - 1);
}

/* 2^x to 1e-4 of itself, far finer than bfloat16: 2^floor(x) by scaling, the rest by a cubic whose error
   is spread evenly over 0..1 and which meets 1 and 2 at its ends. */
static inline __m512 exp2_16(__m512 x) {
    const __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(0.0782680f);
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0.2263077f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(0.6954243f));
    p = _mm512_fmadd_ps(p, rest, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x);
}

#endif
