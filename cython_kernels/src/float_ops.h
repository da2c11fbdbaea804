/* The float operations, written once for every kernel set.
 *
 * Included by isa_*.c after it has defined a vector of 16 floats, `v16`, with the operations v16_load, v16_store,
 * v16_set1, v16_zero, v16_add, v16_sub, v16_mul, v16_div, v16_max, v16_min, v16_abs, v16_round (half to even),
 * v16_pow2 (2^n of integral n), v16_from_f16, v16_to_f16 (finite values, half to even), v16_from_i8, v16_from_bf16, v16_from_i32, v16_to_i8 (integral values within int8), and `bits`, 64
 * bytes for the benchmark's plain read.
 *
 * This file is where equal bits come from: each lane sees the same operations in the same order on every kernel set,
 * sums over lanes go through one fixed tree, and no multiplication is fused with an addition. */
#include <string.h>

#include "kernels.h"

#include <float.h>
#include <math.h>

static float tree16_(v16 v) {
    float a[16];
    v16_store(a, v);
    for (int width = 8; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) a[i] = a[i] + a[i + width];
    }
    return a[0];
}

static float max16_(v16 v) {
    float a[16];
    v16_store(a, v);
    float m = a[0];
    for (int i = 1; i < 16; i++) m = a[i] > m ? a[i] : m;
    return m;
}

/* Four accumulators of 16 lanes, taken in turn; then (0 + 1) + (2 + 3) and the tree. */
static float sum_of_squares_(const float *x, size_t n) {
    v16 s0 = v16_zero(), s1 = v16_zero(), s2 = v16_zero(), s3 = v16_zero();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        v16 a = v16_load(x + i), b = v16_load(x + i + 16), c = v16_load(x + i + 32), d = v16_load(x + i + 48);
        s0 = v16_add(s0, v16_mul(a, a));
        s1 = v16_add(s1, v16_mul(b, b));
        s2 = v16_add(s2, v16_mul(c, c));
        s3 = v16_add(s3, v16_mul(d, d));
    }
    for (; i < n; i += 16) {
        v16 a = v16_load(x + i);
        s0 = v16_add(s0, v16_mul(a, a));
    }
    return tree16_(v16_add(v16_add(s0, s1), v16_add(s2, s3)));
}

static void rms_norm_(const float *x, const float *w, size_t n, float eps, float *y) {
    float mean = sum_of_squares_(x, n) / (float)n;
    v16 r = v16_set1(1.0f / sqrtf(mean + eps));
    for (size_t i = 0; i < n; i += 16) {
        v16_store(y + i, v16_mul(v16_load(w + i), v16_mul(v16_load(x + i), r)));
    }
}

static float quantize_(const float *x, size_t n, int8_t *out, size_t stride, int32_t *sum) {
    v16 largest = v16_zero();
    for (size_t i = 0; i < n; i += 16) largest = v16_max(largest, v16_abs(v16_load(x + i)));
    float most = max16_(largest);
    float s = 127.0f * (1.0f / (most > 1e-5f ? most : 1e-5f)); /* torch's 127 / tensor is 127 * reciprocal */
    v16 scale = v16_set1(s), low = v16_set1(-128.0f), high = v16_set1(127.0f);
    int32_t total = 0;
    for (size_t i = 0; i < n; i += 16) {
        int8_t q[16];
        v16_to_i8(q, v16_min(v16_max(v16_round(v16_mul(v16_load(x + i), scale)), low), high));
        for (int j = 0; j < 16; j++) total += q[j];
        for (size_t j = 0; j < 4; j++) memcpy(out + (i / 4 + j) * stride, q + 4 * j, 4);
    }
    *sum = total;
    return s;
}

static void scale_rows_(const int32_t *raw, int32_t sum, float factor, size_t n, float *y) {
    v16 f = v16_set1(factor);
    for (size_t i = 0; i < n; i += 16) v16_store(y + i, v16_mul(v16_from_i32(raw + i, sum), f));
}

static void add_rows_(const int32_t *raw, int32_t sum, float factor, size_t n, float *y) {
    v16 f = v16_set1(factor);
    for (size_t i = 0; i < n; i += 16) {
        v16_store(y + i, v16_add(v16_load(y + i), v16_mul(v16_from_i32(raw + i, sum), f)));
    }
}

/* e^x by 2^n * p(r), |r| <= ln(2) / 2, degree 6; relative error below 2e-7. Clamped to +-87.3, where 2^n is normal. */
static v16 exp_(v16 x) {
    x = v16_min(v16_max(x, v16_set1(-87.3f)), v16_set1(87.3f));
    v16 n = v16_round(v16_mul(x, v16_set1(1.44269504f)));
    v16 r = v16_sub(v16_sub(x, v16_mul(n, v16_set1(0.693359375f))), v16_mul(n, v16_set1(-2.12194440e-4f)));
    v16 p = v16_set1(1.0f / 720.0f);
    p = v16_add(v16_mul(p, r), v16_set1(1.0f / 120.0f));
    p = v16_add(v16_mul(p, r), v16_set1(1.0f / 24.0f));
    p = v16_add(v16_mul(p, r), v16_set1(1.0f / 6.0f));
    p = v16_add(v16_mul(p, r), v16_set1(0.5f));
    p = v16_add(v16_mul(p, r), v16_set1(1.0f));
    p = v16_add(v16_mul(p, r), v16_set1(1.0f));
    return v16_mul(p, v16_pow2(n));
}

/* x / 2 * (1 + tanh(u)) = x / (1 + e^(-2 u)), u = sqrt(2 / pi) * (x + 0.044715 x^3) (torch: gelu, approximate="tanh"). */
static v16 gelu_(v16 x) {
    v16 cube = v16_mul(v16_mul(x, x), x);
    v16 u = v16_mul(v16_set1(0.797884561f), v16_add(x, v16_mul(v16_set1(0.044715f), cube)));
    return v16_div(x, v16_add(v16_set1(1.0f), exp_(v16_mul(v16_set1(-2.0f), u))));
}

static v16 activate_(v16 gate, tern_activation activation) {
    if (activation == TERN_RELU2) {
        v16 positive = v16_max(gate, v16_zero());
        return v16_mul(positive, positive);
    }
    if (activation == TERN_GELU) return gelu_(gate);
    return v16_div(gate, v16_add(v16_set1(1.0f), exp_(v16_sub(v16_zero(), gate))));
}

static void gate_rows_(const int32_t *gate, float gate_factor, const int32_t *up, float up_factor, int32_t sum,
                       tern_activation activation, size_t n, float *y) {
    v16 fg = v16_set1(gate_factor), fu = v16_set1(up_factor);
    for (size_t i = 0; i < n; i += 16) {
        v16 g = v16_mul(v16_from_i32(gate + i, sum), fg);
        v16 u = v16_mul(v16_from_i32(up + i, sum), fu);
        v16_store(y + i, v16_mul(activate_(g, activation), u));
    }
}

static void add_group_(const int32_t *raw, int32_t sum, const float *factors, size_t n, float *y) {
    for (size_t i = 0; i < n; i += 16) {
        v16 added = v16_mul(v16_from_i32(raw + i, sum), v16_load(factors + i));
        v16_store(y + i, v16_add(v16_load(y + i), added));
    }
}

static void gate_values_(const float *gate, const float *up, tern_activation activation, size_t n, float *y) {
    for (size_t i = 0; i < n; i += 16) {
        v16_store(y + i, v16_mul(activate_(v16_load(gate + i), activation), v16_load(up + i)));
    }
}

static float dot_bf16_(const uint16_t *row, const float *x, size_t n) {
    v16 s0 = v16_zero(), s1 = v16_zero(), s2 = v16_zero(), s3 = v16_zero();
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        s0 = v16_add(s0, v16_mul(v16_from_bf16(row + i), v16_load(x + i)));
        s1 = v16_add(s1, v16_mul(v16_from_bf16(row + i + 16), v16_load(x + i + 16)));
        s2 = v16_add(s2, v16_mul(v16_from_bf16(row + i + 32), v16_load(x + i + 32)));
        s3 = v16_add(s3, v16_mul(v16_from_bf16(row + i + 48), v16_load(x + i + 48)));
        tern_prefetch(row + i + 512);
        tern_prefetch(row + i + 544);
    }
    for (; i < n; i += 16) s0 = v16_add(s0, v16_mul(v16_from_bf16(row + i), v16_load(x + i)));
    return tree16_(v16_add(v16_add(s0, s1), v16_add(s2, s3)));
}

static void head_rows_(const uint16_t *rows, size_t n_rows, size_t n, const float *x, float *y) {
    for (size_t r = 0; r < n_rows; r++) y[r] = dot_bf16_(rows + r * n, x, n);
}

/* out[:half] = a cos - b sin, out[half:] = b cos + a sin (rotate-half; transformers modeling_bitnet.py). Eight lanes
 * would do; plain code has the same bits on every set because nothing is contracted. */
static void rope_(float *head, size_t half, const float *cosine, const float *sine) {
    for (size_t i = 0; i < half; i++) {
        float a = head[i], b = head[i + half];
        head[i] = a * cosine[i] - b * sine[i];
        head[i + half] = b * cosine[i] + a * sine[i];
    }
}

/* scores[g][16 positions of block b] = scale * sum over d of q[g][d] * K[d], d in order. Four query heads share the
 * loads; with fewer, the last one is computed again into its own row, with the same result. */
static void score_block_(const float *q[4], const float *keys, size_t head_dim, v16 scale, float *out[4]) {
    v16 s0 = v16_zero(), s1 = v16_zero(), s2 = v16_zero(), s3 = v16_zero();
    for (size_t d = 0; d < head_dim; d++) {
        v16 k = v16_load(keys + d * 16);
        s0 = v16_add(s0, v16_mul(v16_set1(q[0][d]), k));
        s1 = v16_add(s1, v16_mul(v16_set1(q[1][d]), k));
        s2 = v16_add(s2, v16_mul(v16_set1(q[2][d]), k));
        s3 = v16_add(s3, v16_mul(v16_set1(q[3][d]), k));
    }
    v16_store(out[0], v16_mul(s0, scale));
    v16_store(out[1], v16_mul(s1, scale));
    v16_store(out[2], v16_mul(s2, scale));
    v16_store(out[3], v16_mul(s3, scale));
}

/* Scores to weights e^(score - max), in place, zero past the last position and at the first `n_skipped`; returns
 * 1 / their sum. */
static float softmax_(float *scores, size_t n_skipped, size_t n) {
    size_t padded = (n + 15) / 16 * 16;
    for (size_t i = 0; i < n_skipped; i++) scores[i] = -FLT_MAX;
    for (size_t i = n; i < padded; i++) scores[i] = -FLT_MAX;
    v16 largest = v16_load(scores);
    for (size_t i = 16; i < padded; i += 16) largest = v16_max(largest, v16_load(scores + i));
    v16 most = v16_set1(max16_(largest)), sum = v16_zero();
    for (size_t i = 0; i < padded; i += 16) v16_store(scores + i, exp_(v16_sub(v16_load(scores + i), most)));
    for (size_t i = 0; i < n_skipped; i++) scores[i] = 0.0f;
    for (size_t i = n; i < padded; i++) scores[i] = 0.0f;
    for (size_t i = 0; i < padded; i += 16) sum = v16_add(sum, v16_load(scores + i));
    return 1.0f / tree16_(sum);
}

/* out = (sum over positions of weight * value) * inverse, positions in order; 64 dimensions at a time. */
static void weigh_values_(const float *weights, const float *values, size_t n, size_t head_dim, v16 inverse,
                          float *out) {
    size_t d = 0;
    for (; d + 64 <= head_dim; d += 64) {
        v16 s0 = v16_zero(), s1 = v16_zero(), s2 = v16_zero(), s3 = v16_zero();
        const float *v = values + d;
        for (size_t i = 0; i < n; i++, v += head_dim) {
            v16 w = v16_set1(weights[i]);
            s0 = v16_add(s0, v16_mul(w, v16_load(v)));
            s1 = v16_add(s1, v16_mul(w, v16_load(v + 16)));
            s2 = v16_add(s2, v16_mul(w, v16_load(v + 32)));
            s3 = v16_add(s3, v16_mul(w, v16_load(v + 48)));
        }
        v16_store(out + d, v16_mul(s0, inverse));
        v16_store(out + d + 16, v16_mul(s1, inverse));
        v16_store(out + d + 32, v16_mul(s2, inverse));
        v16_store(out + d + 48, v16_mul(s3, inverse));
    }
    for (; d < head_dim; d += 16) {
        v16 s = v16_zero();
        for (size_t i = 0; i < n; i++) {
            s = v16_add(s, v16_mul(v16_set1(weights[i]), v16_load(values + i * head_dim + d)));
        }
        v16_store(out + d, v16_mul(s, inverse));
    }
}

static void attend_(const tern_attention *a) {
    size_t n = (size_t)a->n_positions, dim = (size_t)a->head_dim;
    size_t padded = (n + 15) / 16 * 16;
    v16 scale = v16_set1(a->scale);
    for (int g = 0; g < a->n_queries; g += 4) {
        const float *q[4];
        float *scores[4];
        for (int i = 0; i < 4; i++) {
            size_t head = (size_t)(g + i < a->n_queries ? g + i : a->n_queries - 1);
            q[i] = a->q + head * dim;
            scores[i] = a->scores + head * padded;
        }
        for (size_t b = 0; b < padded; b += 16) {
            float *out[4] = {scores[0] + b, scores[1] + b, scores[2] + b, scores[3] + b};
            score_block_(q, a->keys + b * dim, dim, scale, out);
        }
    }
    for (int g = 0; g < a->n_queries; g++) {
        float *scores = a->scores + (size_t)g * padded;
        v16 inverse = v16_set1(softmax_(scores, (size_t)a->n_skipped, n));
        weigh_values_(scores, a->values, n, dim, inverse, a->out + (size_t)g * dim);
    }
}

/* Four streams of sums, so that no addition waits for the one before it. */
static uint64_t read_all_(const uint8_t *bytes, size_t n) {
    bits s0 = bits_zero(), s1 = bits_zero(), s2 = bits_zero(), s3 = bits_zero();
    size_t i = 0;
    for (; i + 256 <= n; i += 256) {
        for (size_t ahead = 0; ahead < 256; ahead += 64) tern_prefetch(bytes + i + 512 + ahead);
        s0 = bits_add(s0, bytes + i);
        s1 = bits_add(s1, bytes + i + 64);
        s2 = bits_add(s2, bytes + i + 128);
        s3 = bits_add(s3, bytes + i + 192);
    }
    for (; i < n; i += 64) s0 = bits_add(s0, bytes + i);
    return bits_sum(s0) + bits_sum(s1) + bits_sum(s2) + bits_sum(s3);
}

#include "attention_ops.h"
#include "screen_ops.h"

#define TERN_KERNEL_TABLE(set)                                                                                       \
    const tern_kernels tern_kernels_##set = {                                                                        \
        .name = #set,                                                                                                \
        .ternary_block = ternary_block_,                                                                             \
        .quantize = quantize_,                                                                                       \
        .rms_norm = rms_norm_,                                                                                       \
        .scale_rows = scale_rows_,                                                                                   \
        .add_rows = add_rows_,                                                                                       \
        .gate_rows = gate_rows_,                                                                                     \
        .add_group = add_group_,                                                                                     \
        .gate_values = gate_values_,                                                                                 \
        .head_rows = head_rows_,                                                                                     \
        .screen_row = screen_row_,                                                                                   \
        .screen_sums = screen_sums_,                                                                                 \
        .screen_bounds = screen_bounds_,                                                                             \
        .rope = rope_,                                                                                               \
        .attend = attend_,                                                                                       \
        .attend_tile = attend_tile_,                                                                             \
        .merge_part = merge_part_,                                                                               \
        .finish_part = finish_part_,                                                                             \
        .store_kv = store_kv_,                                                                                   \
        .read_all = read_all_,                                                                                       \
    }
