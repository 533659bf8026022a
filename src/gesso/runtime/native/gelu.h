/* The GELU of 16 numbers.

   Source: Hendrycks & Gimpel 2016, arXiv:1606.08415. */
#ifndef GESSO_GELU_H
#define GESSO_GELU_H

#include "vectors.h"

/* x times the share of a normal distribution below x.
   Source: Abramowitz & Stegun 1964, formula 7.1.26, whose error is below 1.5e-7. */
static inline __m512 gelu(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f), z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.70710678f));
    const __m512 t = _mm512_rcp14_ps(_mm512_fmadd_ps(z, _mm512_set1_ps(0.3275911f), one));
    __m512 p = _mm512_set1_ps(1.061405429f);
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-1.453152027f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(1.421413741f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(-0.284496736f));
    p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(0.254829592f));
    const __m512 power = exp2_16(_mm512_mul_ps(_mm512_mul_ps(z, z), _mm512_set1_ps(-1.44269504f)));
    /* half the share beyond |x|, on either side */
    const __m512 beyond = _mm512_mul_ps(_mm512_mul_ps(_mm512_mul_ps(p, t), power), _mm512_set1_ps(0.5f));
    const __mmask16 below = _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ);
    return _mm512_mul_ps(x, _mm512_mask_blend_ps(below, _mm512_sub_ps(one, beyond), beyond));
}

#endif
