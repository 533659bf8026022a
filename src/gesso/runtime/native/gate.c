/* One half of every row, opened and closed by the GELU of the other.

   Source: Shazeer 2020, arXiv:2002.05202, GEGLU. */
#include "gelu.h"

/* From rows of 2 width numbers to rows of width. */
void gate(const bf16 *x, bf16 *out, int64_t rows, int64_t width) {
#pragma omp parallel for
    for (int64_t row = 0; row < rows; row++)
        for (int64_t at = 0; at < width; at += 16) {
            const __mmask16 mask = first(width - at);
            const bf16 *from = x + row * 2 * width + at;
            const __m512 opened = _mm512_mul_ps(load_masked(from, mask), gelu(load_masked(from + width, mask)));
            store_masked(out + row * width + at, opened, mask);
        }
}
