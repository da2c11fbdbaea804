/* Attention over the KV cache, written once for every kernel set; included by float_ops.h, whose rules hold here too.
 *
 * Positions come in fixed blocks of TERN_ATTENTION_BLOCK. For one query a block gives a part: its largest score m, the
 * sum l of e^(score - m) and the values weighed by them. Parts are merged in the order of their blocks, always with the
 * same operations, so it does not matter who computes which block, together with which other queries, or when. The
 * cache holds float32, IEEE half precision (nearest even, saturated) or int8 with a factor for each position and head. */

/* out[query][16 positions] = scale * sum over d of q[d] * K[d], d in order. Four queries share the loads; with fewer,
 * the last one is computed again into its own row, with the same result. */
#define SCORE_FOUR(name, element, LOAD)                                                                              \
    static void name(const float *const q[4], const element *keys, size_t dim, v16 scale, float *const out[4]) {     \
        const float *q0 = q[0], *q1 = q[1], *q2 = q[2], *q3 = q[3];                                                  \
        v16 s0 = v16_zero(), s1 = v16_zero(), s2 = v16_zero(), s3 = v16_zero();                                      \
        for (size_t d = 0; d < dim; d++) {                                                                           \
            v16 k = LOAD(keys + d * 16);                                                                             \
            s0 = v16_add(s0, v16_mul(v16_set1(q0[d]), k));                                                           \
            s1 = v16_add(s1, v16_mul(v16_set1(q1[d]), k));                                                           \
            s2 = v16_add(s2, v16_mul(v16_set1(q2[d]), k));                                                           \
            s3 = v16_add(s3, v16_mul(v16_set1(q3[d]), k));                                                           \
        }                                                                                                            \
        v16_store(out[0], v16_mul(s0, scale));                                                                       \
        v16_store(out[1], v16_mul(s1, scale));                                                                       \
        v16_store(out[2], v16_mul(s2, scale));                                                                       \
        v16_store(out[3], v16_mul(s3, scale));                                                                       \
    }

/* sums[query] += sum over n positions of weight * value, positions in order. A query that stands twice is summed twice
 * and stored once: all sums are loaded before any is stored. */
#define WEIGH_FOUR(name, element, LOAD)                                                                              \
    static void name(const float *const w[4], const element *values, size_t n, size_t dim, float *const sums[4]) {   \
        const float *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3];                                                  \
        for (size_t d = 0; d < dim; d += 16) {                                                                       \
            v16 s0 = v16_load(sums[0] + d), s1 = v16_load(sums[1] + d), s2 = v16_load(sums[2] + d),                  \
                s3 = v16_load(sums[3] + d);                                                                          \
            const element *v = values + d;                                                                           \
            for (size_t i = 0; i < n; i++, v += dim) {                                                               \
                v16 x = LOAD(v);                                                                                     \
                s0 = v16_add(s0, v16_mul(v16_set1(w0[i]), x));                                                       \
                s1 = v16_add(s1, v16_mul(v16_set1(w1[i]), x));                                                       \
                s2 = v16_add(s2, v16_mul(v16_set1(w2[i]), x));                                                       \
                s3 = v16_add(s3, v16_mul(v16_set1(w3[i]), x));                                                       \
            }                                                                                                        \
            v16_store(sums[0] + d, s0);                                                                              \
            v16_store(sums[1] + d, s1);                                                                              \
            v16_store(sums[2] + d, s2);                                                                              \
            v16_store(sums[3] + d, s3);                                                                              \
        }                                                                                                            \
    }

SCORE_FOUR(score_f32_, float, v16_load)
SCORE_FOUR(score_f16_, uint16_t, v16_from_f16)
SCORE_FOUR(score_i8_, int8_t, v16_from_i8)
WEIGH_FOUR(weigh_f32_, float, v16_load)
WEIGH_FOUR(weigh_f16_, uint16_t, v16_from_f16)
WEIGH_FOUR(weigh_i8_, int8_t, v16_from_i8)
#undef SCORE_FOUR
#undef WEIGH_FOUR

/* Positions whose values are used by all queries before the next ones: they stay in the first-level cache. */
enum { VALUES_AT_ONCE = 64 };

/* The scores of 16 positions, from p on, for queries g .. g + 3. */
static void score_(const tern_tile *a, int g, size_t p) {
    const float *q[4];
    float *out[4];
    size_t dim = (size_t)a->head_dim;
    v16 scale = v16_set1(a->scale);
    for (int i = 0; i < 4; i++) {
        int query = g + i < a->n_queries ? g + i : a->n_queries - 1;
        q[i] = a->q[query];
        out[i] = a->weights + (size_t)query * TERN_ATTENTION_BLOCK + p;
    }
    switch (a->kv.type) {
        case TERN_KV_F32: score_f32_(q, (const float *)a->kv.keys + p * dim, dim, scale, out); break;
        case TERN_KV_F16: score_f16_(q, (const uint16_t *)a->kv.keys + p * dim, dim, scale, out); break;
        default:
            scale = v16_mul(scale, v16_load(a->kv.key_scales + p));
            score_i8_(q, (const int8_t *)a->kv.keys + p * dim, dim, scale, out);
    }
}

/* Weighs n values, from position p on, for queries g .. g + 3. */
static void weigh_(const tern_tile *a, int g, size_t p, size_t n) {
    const float *w[4];
    float *sums[4];
    size_t dim = (size_t)a->head_dim;
    for (int i = 0; i < 4; i++) {
        int query = g + i < a->n_queries ? g + i : a->n_queries - 1;
        w[i] = a->weights + (size_t)query * TERN_ATTENTION_BLOCK + p;
        sums[i] = a->part[query] + TERN_PART_SUMS;
    }
    switch (a->kv.type) {
        case TERN_KV_F32: weigh_f32_(w, (const float *)a->kv.values + p * dim, n, dim, sums); break;
        case TERN_KV_F16: weigh_f16_(w, (const uint16_t *)a->kv.values + p * dim, n, dim, sums); break;
        default: weigh_i8_(w, (const int8_t *)a->kv.values + p * dim, n, dim, sums);
    }
}

/* Scores of one query to weights, zero from n_visible on up to n (a multiple of 16); the part's first numbers. */
static void weights_of_(const tern_tile *a, int query, size_t n) {
    float *w = a->weights + (size_t)query * TERN_ATTENTION_BLOCK;
    size_t visible = (size_t)a->n_visible[query];
    for (size_t i = visible; i < n; i++) w[i] = -FLT_MAX;
    v16 largest = v16_load(w);
    for (size_t i = 16; i < n; i += 16) largest = v16_max(largest, v16_load(w + i));
    float most = max16_(largest);
    v16 m = v16_set1(most), sum = v16_zero();
    for (size_t i = 0; i < n; i += 16) v16_store(w + i, exp_(v16_sub(v16_load(w + i), m)));
    for (size_t i = visible; i < n; i++) w[i] = 0.0f;
    for (size_t i = 0; i < n; i += 16) sum = v16_add(sum, v16_load(w + i));
    a->part[query][0] = most;
    a->part[query][1] = tree16_(sum);
    if (a->kv.type != TERN_KV_I8) return;
    for (size_t i = 0; i < n; i += 16) v16_store(w + i, v16_mul(v16_load(w + i), v16_load(a->kv.value_scales + i)));
}

static void attend_tile_(const tern_tile *a) {
    size_t dim = (size_t)a->head_dim, n = 0;
    for (int i = 0; i < a->n_queries; i++) n = (size_t)a->n_visible[i] > n ? (size_t)a->n_visible[i] : n;
    size_t padded = (n + 15) / 16 * 16;
    for (size_t p = 0; p < padded; p += 16) {
        for (int g = 0; g < a->n_queries; g += 4) score_(a, g, p);
    }
    for (int i = 0; i < a->n_queries; i++) {
        weights_of_(a, i, padded);
        memset(a->part[i] + TERN_PART_SUMS, 0, dim * sizeof(float));
    }
    for (size_t p = 0; p < n; p += VALUES_AT_ONCE) {
        size_t some = n - p < VALUES_AT_ONCE ? n - p : VALUES_AT_ONCE;
        for (int g = 0; g < a->n_queries; g += 4) weigh_(a, g, p, some);
    }
}

static float exp1_(float x) {
    float e[16];
    v16_store(e, exp_(v16_set1(x)));
    return e[0];
}

static void merge_part_(float *part, const float *next, size_t head_dim) {
    float most = part[0] > next[0] ? part[0] : next[0];
    float keep = exp1_(part[0] - most), add = exp1_(next[0] - most);
    v16 k = v16_set1(keep), a = v16_set1(add);
    part[0] = most;
    part[1] = part[1] * keep + next[1] * add;
    for (size_t d = TERN_PART_SUMS; d < TERN_PART_SUMS + head_dim; d += 16) {
        v16_store(part + d, v16_add(v16_mul(v16_load(part + d), k), v16_mul(v16_load(next + d), a)));
    }
}

static void finish_part_(const float *part, size_t head_dim, float *out) {
    v16 inverse = v16_set1(1.0f / part[1]);
    for (size_t d = 0; d < head_dim; d += 16) {
        v16_store(out + d, v16_mul(v16_load(part + TERN_PART_SUMS + d), inverse));
    }
}

/* One vector as int8: q = round(x * (127 / max|x|)), half to even. Returns max|x| / 127. */
static float to_i8_(const float *x, size_t n, size_t stride, int8_t *out) {
    v16 largest = v16_zero();
    for (size_t i = 0; i < n; i += 16) largest = v16_max(largest, v16_abs(v16_load(x + i)));
    float most = max16_(largest);
    float factor = most > 1e-30f ? 127.0f / most : 0.0f;
    v16 f = v16_set1(factor), low = v16_set1(-127.0f), high = v16_set1(127.0f);
    for (size_t i = 0; i < n; i += 16) {
        int8_t q[16];
        v16_to_i8(q, v16_min(v16_max(v16_round(v16_mul(v16_load(x + i), f)), low), high));
        for (size_t j = 0; j < 16; j++) out[(i + j) * stride] = q[j];
    }
    return most > 1e-30f ? most / 127.0f : 0.0f;
}

/* One vector in half precision; what is too large for it becomes the largest number that is not. */
static void to_f16_(const float *x, size_t n, size_t stride, uint16_t *out) {
    v16 low = v16_set1(-65504.0f), high = v16_set1(65504.0f);
    for (size_t i = 0; i < n; i += 16) {
        uint16_t h[16];
        v16_to_f16(h, v16_min(v16_max(v16_load(x + i), low), high));
        for (size_t j = 0; j < 16; j++) out[(i + j) * stride] = h[j];
    }
}

static void store_kv_(const tern_kv *kv, size_t position, const float *key, const float *value, size_t head_dim) {
    size_t lane = position % TERN_KV_BLOCK, k = (position - lane) * head_dim + lane, v = position * head_dim;
    switch (kv->type) {
        case TERN_KV_F32:
            for (size_t d = 0; d < head_dim; d++) ((float *)kv->keys)[k + d * TERN_KV_BLOCK] = key[d];
            memcpy((float *)kv->values + v, value, head_dim * sizeof(float));
            break;
        case TERN_KV_F16:
            to_f16_(key, head_dim, TERN_KV_BLOCK, (uint16_t *)kv->keys + k);
            to_f16_(value, head_dim, 1, (uint16_t *)kv->values + v);
            break;
        default:
            kv->key_scales[position] = to_i8_(key, head_dim, TERN_KV_BLOCK, (int8_t *)kv->keys + k);
            kv->value_scales[position] = to_i8_(value, head_dim, 1, (int8_t *)kv->values + v);
    }
}
