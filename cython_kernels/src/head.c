/* See head.h. */
#include "head.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "partition.h"

enum { FEW_ROWS = 256 /* fewer are done sooner than other threads are woken */ };

void tern_screen_rows(const tern_kernels *kernels, const uint16_t *rows, int n_rows, int first, int hidden,
                      uint8_t *lines, float *scale, float *residual, float *norm) {
    size_t depth = (size_t)hidden;
    for (int i = 0; i < n_rows; i++) {
        size_t row = (size_t)first + (size_t)i, block = row / TERN_SCREEN_ROWS;
        uint8_t *line = lines + block * (depth / 4) * TERN_LINE + row % TERN_SCREEN_ROWS * 4;
        kernels->screen_row(rows + (size_t)i * depth, depth, line, scale + row, residual + row, norm + row);
    }
}

size_t tern_screen_bytes(int hidden) { return 4 * (size_t)hidden; }

/* A float that is no smaller than a positive x, by 16 units of its last place. */
static float above_(double x) { return (float)(x * (1.0 + 16.0 / 16777216.0)); }

/* Double arithmetic: its roundings, below 2^-40 of each sum, vanish in above_. */
void tern_screen_state(const float *x, int hidden, void *planes, tern_screened *to) {
    int8_t *high = planes, *low = high + hidden;
    int16_t *whole = (int16_t *)(low + hidden);
    float most = 0.0f, least = 7.888609052210118e-31f; /* 2^-100, so that nothing below underflows */
    int is_finite = 1, high_sum = 0, low_sum = 0;
    for (int i = 0; i < hidden; i++) {
        float size = fabsf(x[i]);
        if (!(size <= FLT_MAX)) is_finite = 0;
        if (size > most) most = size;
    }
    float scale = most / 32511.0f > least ? most / 32511.0f : least;
    double squares = 0.0, rest = 0.0;
    for (int i = 0; i < hidden; i++) {
        int value = is_finite ? (int)lrint((double)x[i] / (double)scale) : 0;
        double kept = (double)scale * value, left = (double)x[i] - kept;
        int upper = (value + 127 + 255 * 256) / 255 - 256; /* floor((value + 127) / 255) */
        high[i] = (int8_t)upper;
        low[i] = (int8_t)(value - 255 * upper);
        whole[i] = (int16_t)value;
        high_sum += high[i];
        low_sum += low[i];
        squares += kept * kept;
        rest += left * left;
    }
    double u = 1.0 / 16777216.0, length = sqrt(squares), error = sqrt(rest);
    double gamma = 1.01 * (hidden / 64 + 10) * u;
    *to = (tern_screened){
        .high = high,
        .low = low,
        .whole = whole,
        .high_sum = high_sum,
        .low_sum = low_sum,
        .scale = scale,
        .length = above_(length * (1.0 + 5.0 * u)),
        .rest = above_(error + gamma * (length + error) + 5.0 * u * length),
        .is_finite = is_finite,
    };
}

void tern_screen_tile(const tern_kernels *kernels, const tern_screen *screen, int vocab, int hidden, int tile,
                      const tern_screened *x, tern_bounds bounds) {
    size_t depth = (size_t)hidden, from = (size_t)tile * TERN_HEAD_TILE;
    float best_lower = -INFINITY, best_upper = -INFINITY;
    for (size_t row = from; row < from + TERN_HEAD_TILE; row += TERN_SCREEN_ROWS) {
        int64_t sums[TERN_SCREEN_ROWS];
        float *lower = bounds.lower + row, *upper = bounds.upper + row;
        kernels->screen_sums(screen->lines + row * depth, depth / 4, x, sums);
        kernels->screen_bounds(sums, screen->scale + row, screen->residual + row, screen->norm + row, x, lower, upper);
        for (size_t i = 0; i < TERN_SCREEN_ROWS; i++) {
            if (row + i >= (size_t)vocab) {
                lower[i] = upper[i] = -INFINITY;
            } else if (!x->is_finite || !(lower[i] <= upper[i])) { /* also what became inf - inf: nothing is known */
                lower[i] = -INFINITY;
                upper[i] = INFINITY;
            }
            best_lower = lower[i] > best_lower ? lower[i] : best_lower;
            best_upper = upper[i] > best_upper ? upper[i] : best_upper;
        }
    }
    bounds.tile_lower[tile] = best_lower;
    bounds.tile_upper[tile] = best_upper;
}

typedef struct {
    const tern_kernels *kernels;
    const uint16_t *rows;
    int n_rows, hidden, n;
    const float *x;
    float *out;
    size_t stride;
} head_job;

static void head_part_(void *argument, int thread, int n_threads) {
    const head_job *job = argument;
    size_t depth = (size_t)job->hidden;
    range mine = share_(job->n_rows, thread, n_threads);
    for (int row = mine.from; row < mine.to; row += TERN_HEAD_TILE) {
        size_t n_rows = (size_t)(mine.to - row < TERN_HEAD_TILE ? mine.to - row : TERN_HEAD_TILE);
        for (int t = 0; t < job->n; t++) {
            job->kernels->head_rows(job->rows + (size_t)row * depth, n_rows, depth, job->x + (size_t)t * depth,
                                    job->out + (size_t)t * job->stride + row);
        }
    }
}

void tern_head_rows(const tern_kernels *kernels, tern_pool *pool, const uint16_t *rows, int n_rows, int hidden,
                    const float *x, int n, float *out, size_t stride) {
    head_job job = {kernels, rows, n_rows, hidden, n, x, out, stride};
    if (n_rows <= FEW_ROWS && n == 1) {
        head_part_(&job, 0, 1);
    } else {
        tern_pool_run(pool, head_part_, &job);
    }
}
