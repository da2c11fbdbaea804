/* The output head: plain bfloat16 rows, or rows of eight bits that screen all of them (screen_ops.h). */
#ifndef TERN_HEAD_H
#define TERN_HEAD_H

#include "kernels.h"
#include "threads.h"

enum {
    TERN_HEAD_TILE = 64, /* rows that stay in the cache while all tokens use them */
    TERN_SCREEN_ROWS = 16
};

/* Padded to whole tiles. lines NULL: there is none. */
typedef struct {
    const uint8_t *lines;                   /* [rows / 16][hidden / 4][64] */
    const float *scale, *residual, *norm;   /* [rows] */
} tern_screen;

/* Where bounds go, for each of some tokens; rows past the vocabulary get -infinity. lower NULL: nowhere. */
typedef struct {
    float *lower, *upper;           /* [n][rows] */
    float *tile_lower, *tile_upper; /* [n][rows / 64], the largest of a tile */
} tern_bounds;

/* Quantises n_rows rows into `lines` and so on, from row `first` on. */
void tern_screen_rows(const tern_kernels *kernels, const uint16_t *rows, int n_rows, int first, int hidden,
                      uint8_t *lines, float *scale, float *residual, float *norm);

/* Quantises a hidden state; planes holds tern_screen_bytes(hidden) bytes, 64-byte aligned. */
size_t tern_screen_bytes(int hidden);
void tern_screen_state(const float *x, int hidden, void *planes, tern_screened *to);

/* Bounds of tile `tile` for one token; `bounds` points to that token's. */
void tern_screen_tile(const tern_kernels *kernels, const tern_screen *screen, int vocab, int hidden, int tile,
                      const tern_screened *x, tern_bounds bounds);

/* out[t * stride + i] = dot(rows[i], x[t]) in the one order of head_rows, shared by the pool's threads where it pays. */
void tern_head_rows(const tern_kernels *kernels, tern_pool *pool, const uint16_t *rows, int n_rows, int hidden,
                    const float *x, int n, float *out, size_t stride);

#endif
