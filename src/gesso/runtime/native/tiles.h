/* The matrix unit: eight tiles of 16 rows of 64 bytes, and what one thread must do before and after. */
#ifndef GESSO_TILES_H
#define GESSO_TILES_H

#include "vectors.h"

enum { ROWS = 16, DEPTH = 32, COLUMNS = 16, TILE = 16 * 32 };

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} __attribute__((packed, aligned(64))) TileConfig;

/* Other libraries look at the configuration that they find: it is put back as it was. */
static inline void tiles_begin(TileConfig *before) {
    TileConfig ours = {.palette = 1};
    for (int i = 0; i < 8; i++) ours.bytes[i] = 64, ours.rows[i] = ROWS;
    _tile_storeconfig(before);
    _tile_loadconfig(&ours);
}

static inline void tiles_end(const TileConfig *before) { _tile_loadconfig(before); }

/* Tiles 0 to 3 are four parts of a result, two by two; 4 and 5 stand left of them, 6 and 7 above. */
static inline void tiles_zero(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static inline void tiles_multiply(void) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

static inline void tiles_load(const float *above, const float *below, int64_t stride) {
    _tile_loadd(0, above, stride);
    _tile_loadd(1, above + COLUMNS, stride);
    _tile_loadd(2, below, stride);
    _tile_loadd(3, below + COLUMNS, stride);
}

static inline void tiles_store(float *above, float *below, int64_t stride) {
    _tile_stored(0, above, stride);
    _tile_stored(1, above + COLUMNS, stride);
    _tile_stored(2, below, stride);
    _tile_stored(3, below + COLUMNS, stride);
}

static inline int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

#endif
