/* How work is shared between threads and scratch memory between its users. */
#ifndef TERN_PARTITION_H
#define TERN_PARTITION_H

#include "kernels.h"

typedef struct {
    int from, to;
} range;

static inline range share_(int n, int thread, int n_threads) {
    range r = {(int)((int64_t)n * thread / n_threads), (int)((int64_t)n * (thread + 1) / n_threads)};
    return r;
}

/* Rows of a matrix with its padding to whole blocks. */
static inline int padded_(int rows) { return (rows + TERN_BLOCK_ROWS - 1) / TERN_BLOCK_ROWS * TERN_BLOCK_ROWS; }

static inline int larger_(int a, int b) { return a > b ? a : b; }

enum { TERN_ALIGNMENT = 64 };

/* Reserves n_bytes of a memory that is still to be allocated; returns their offset. */
static inline size_t carve_(size_t *used, size_t n_bytes) {
    size_t at = *used;
    *used = (at + n_bytes + TERN_ALIGNMENT - 1) / TERN_ALIGNMENT * TERN_ALIGNMENT;
    return at;
}

#endif
