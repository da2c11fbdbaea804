/* The numeric kernels of one token step, one table of functions for each kernel set.
 *
 * Packed ternary weights, layout A1, for a block of 64 output rows:
 *
 *     line i (64 bytes) covers inputs k = 4 i .. 4 i + 3
 *     byte  r * 4 + j   (r = 0..15, j = 0..3)
 *     bits  7 6 | 5 4 | 3 2 | 1 0
 *           p=3   p=2   p=1   p=0      code of row 16 p + r, input 4 i + j; code = weight + 1, never 3
 *
 * Activations are int8, tokens in groups of at most 4; inside a group of n tokens, token t has its inputs k..k+3 at
 * byte (k / 4) * 4 n + 4 t. So one token alone is a plain row.
 *
 * Sums: |code * x| <= 2 * 128; over k <= 2^16 inputs a sum stays below 2^24, and the planes of the AVX-512 kernel,
 * which come out up to 64 times too large, below 2^30: int32 is exact. Callers subtract sum(x), because a code is
 * weight + 1.
 *
 * Floats: each operation has ONE order of additions, the one of float_ops.h, on every kernel set. */
#ifndef TERN_KERNELS_H
#define TERN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    TERN_BLOCK_ROWS = 64,
    TERN_LINE = 64,       /* bytes */
    TERN_GROUP = 4,       /* tokens that share one read of the weights */
    TERN_KV_BLOCK = 16,   /* positions in one transposed block of keys */
    TERN_ATTENTION_BLOCK = 256, /* positions whose weights are summed by themselves */
    TERN_TILE_QUERIES = 16,     /* that share one read of keys and values */
    TERN_PART_SUMS = 16,        /* floats before the weighed values of a part */
    TERN_MAX_INPUTS = 65536
};

typedef enum { TERN_RELU2 = 0, TERN_SILU = 1, TERN_GELU = 2 } tern_activation; /* GELU in its tanh form */

/* How keys and values are kept: float32, half precision, or int8 with a factor for each position and head. */
typedef enum { TERN_KV_F32 = 0, TERN_KV_F16 = 1, TERN_KV_I8 = 2 } tern_kv_type;

/* Keys and values of one layer and KV head. */
typedef struct {
    tern_kv_type type;
    void *keys;                        /* [positions / 16][head_dim][16] */
    void *values;                      /* [positions][head_dim] */
    float *key_scales, *value_scales;  /* [positions], int8 alone */
} tern_kv;

/* Some queries and one block of positions, see attention_ops.h. A part is the largest score, the sum of the weights,
 * room up to TERN_PART_SUMS floats, and the weighed values [head_dim]. */
typedef struct {
    tern_kv kv; /* from the block's first position on */
    const float *q[TERN_TILE_QUERIES];
    int n_visible[TERN_TILE_QUERIES]; /* positions of the block that the query sees, 1 .. TERN_ATTENTION_BLOCK */
    float *part[TERN_TILE_QUERIES];
    float *weights; /* scratch, [TERN_TILE_QUERIES][TERN_ATTENTION_BLOCK] */
    int n_queries, head_dim;
    float scale;
} tern_tile;

/* Where attention of the encoder for one token and one KV head reads and writes. */
typedef struct {
    const float *q;      /* [n_queries][head_dim], the query heads that share this KV head */
    const float *keys;   /* [positions / 16][head_dim][16] */
    const float *values; /* [positions][head_dim] */
    float *scores;       /* scratch, [n_queries][positions rounded up to 16] */
    float *out;          /* [n_queries][head_dim] */
    int n_queries;
    int head_dim;
    int n_positions;
    float scale;   /* 1 / sqrt(head_dim) */
    int n_skipped; /* positions at the front, fewer than 16, that the query does not see */
} tern_attention;

/* One hidden state as the screened head reads it, see screen_ops.h. */
typedef struct {
    const int8_t *high, *low; /* x = scale * (255 high + low) and a rest */
    const int16_t *whole;     /* 255 high + low */
    int32_t high_sum, low_sum;
    float scale;
    float length, rest; /* what a row's residual and its norm are multiplied by to bound the error */
    int is_finite;
} tern_screened;

typedef struct {
    const char *name;

    /* raw[t * 64 + row] = sum over k of code(row, k) * x_t[k], for n_tokens in 1..4. */
    void (*ternary_block)(const uint8_t *lines, size_t n_lines, const int8_t *x, int n_tokens, int32_t *raw);

    /* q = clamp(round_half_even(x * s), -128, 127), s = 127 * (1 / max(max|x|, 1e-5)), rounded
     * twice as torch does; n % 16 == 0.
     * Four values at a time go to out, out + stride, ... Returns s; *sum = sum of q. */
    float (*quantize)(const float *x, size_t n, int8_t *out, size_t stride, int32_t *sum);

    /* y = w * (x / sqrt(mean(x^2) + eps)); n % 16 == 0; y may be x. */
    void (*rms_norm)(const float *x, const float *w, size_t n, float eps, float *y);

    /* y[i] = (raw[i] - sum) * factor, or added to y[i]; n % 16 == 0. */
    void (*scale_rows)(const int32_t *raw, int32_t sum, float factor, size_t n, float *y);
    void (*add_rows)(const int32_t *raw, int32_t sum, float factor, size_t n, float *y);

    /* y[i] = activation(gate[i]) * up[i], gate and up from their raw sums as above; n % 16 == 0. */
    void (*gate_rows)(const int32_t *gate, float gate_factor, const int32_t *up, float up_factor, int32_t sum,
                      tern_activation activation, size_t n, float *y);

    /* y[i] = y[i] + (raw[i] - sum) * factors[i]: what one group of columns adds (grouped.h); n % 16 == 0. */
    void (*add_group)(const int32_t *raw, int32_t sum, const float *factors, size_t n, float *y);

    /* y[i] = activation(gate[i]) * up[i]; n % 16 == 0. */
    void (*gate_values)(const float *gate, const float *up, tern_activation activation, size_t n, float *y);

    /* y[r] = dot(rows[r], x), rows in bfloat16, n % 16 == 0. */
    void (*head_rows)(const uint16_t *rows, size_t n_rows, size_t n, const float *x, float *y);

    /* The screened head (screen_ops.h): one row into its block; sums[r] = <q_r, X> of 16 rows, exact; their bounds. */
    void (*screen_row)(const uint16_t *row, size_t n, uint8_t *line, float *scale, float *residual, float *norm);
    void (*screen_sums)(const uint8_t *lines, size_t n_lines, const tern_screened *x, int64_t *sums);
    void (*screen_bounds)(const int64_t *sums, const float *scale, const float *residual, const float *norm,
                          const tern_screened *x, float *lower, float *upper);

    /* Rotates the two halves of one head against each other, in place; half % 8 == 0. */
    void (*rope)(float *head, size_t half, const float *cosine, const float *sine);

    void (*attend)(const tern_attention *a);

    /* Attention over the KV cache (attention_ops.h): the parts of one block; two parts of one query into the first, in
     * the order of their blocks; a part into attention's output; one key and value into the cache. */
    void (*attend_tile)(const tern_tile *tile);
    void (*merge_part)(float *part, const float *next, size_t head_dim);
    void (*finish_part)(const float *part, size_t head_dim, float *out);
    void (*store_kv)(const tern_kv *kv, size_t position, const float *key, const float *value, size_t head_dim);

    /* Reads n bytes (n % 64 == 0) in order; the sum keeps the compiler honest. */
    uint64_t (*read_all)(const uint8_t *bytes, size_t n);
} tern_kernels;

extern const tern_kernels tern_kernels_scalar;
extern const tern_kernels tern_kernels_avx2;
extern const tern_kernels tern_kernels_avx512vnni;
extern const tern_kernels tern_kernels_neon;

/* The kernel sets that this CPU can run, best first, ended by NULL; the last one is always scalar. */
const tern_kernels *const *tern_available_kernels(void);

/* NULL when there is no such set on this CPU. */
const tern_kernels *tern_find_kernels(const char *name);

#endif
