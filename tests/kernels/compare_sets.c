/* Every kernel of every set that this CPU runs, bit for bit against the scalar set, and the whole step on several
 * threads. Plain C, so that it also runs under an emulator, a sanitizer or another system's C runtime:
 *
 *     cc -O2 -std=gnu11 -ffp-contract=off -Icython_kernels/src tests/kernels/compare_sets.c cython_kernels/src/[a-z]*.c \
 *        -lm -lpthread -o compare_sets && ./compare_sets
 *
 * Exit status 0 when all bits agree; it prints the sets that were compared. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "encoder.h"
#include "forward.h"
#include "grouped.h"
#include "pack.h"

static uint64_t state = 88172645463325252u;
static uint32_t next_(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}
static float real_(void) { return ((float)(next_() % 20001) - 10000.0f) / 3000.0f; }

static int n_bad = 0;
static void same_(const char *set, const char *what, const void *a, const void *b, size_t n) {
    if (memcmp(a, b, n) == 0) return;
    printf("DIFFERENT: %s in %s\n", what, set);
    n_bad++;
}

enum { DEPTH = 2640, LINES = DEPTH / 4 };

static void ternary_(const tern_kernels *k, const tern_kernels *reference) {
    static uint8_t lines[LINES * 64];
    static int8_t x[DEPTH * 4];
    int32_t got[256], want[256];
    for (int extreme = 0; extreme < 3; extreme++) {
        for (size_t i = 0; i < sizeof lines; i++) {
            uint8_t byte = 0;
            for (int p = 0; p < 4; p++) byte |= (uint8_t)((extreme ? 2 : next_() % 3) << (2 * p));
            lines[i] = byte;
        }
        for (size_t i = 0; i < sizeof x; i++) x[i] = (int8_t)(extreme == 0 ? (int)(next_() % 256) - 128 : extreme == 1 ? 127 : -128);
        for (int n = 1; n <= 4; n++) {
            for (int n_lines = LINES - 3; n_lines <= LINES; n_lines++) {
                memset(got, 0, sizeof got);
                memset(want, 0, sizeof want);
                k->ternary_block(lines, (size_t)n_lines, x, n, got);
                reference->ternary_block(lines, (size_t)n_lines, x, n, want);
                same_(k->name, "ternary_block", got, want, sizeof got);
            }
        }
    }
}

static void floats_(const tern_kernels *k, const tern_kernels *reference) {
    static float x[DEPTH], w[DEPTH], got[DEPTH], want[DEPTH];
    static int8_t q[DEPTH], q_want[DEPTH];
    static int32_t raw[DEPTH], up[DEPTH];
    static uint16_t rows[4 * DEPTH];
    int32_t sum, sum_want;
    for (int n = 16; n <= DEPTH; n += 656) {
        for (int i = 0; i < n; i++) {
            x[i] = real_(), w[i] = real_(), raw[i] = (int32_t)(next_() % 200000) - 100000;
            up[i] = (int32_t)(next_() % 200000) - 100000;
            got[i] = want[i] = real_();
        }
        for (int i = 0; i < 4 * n; i++) rows[i] = (uint16_t)(0x3c00 + next_() % 0x400 + (next_() % 2 << 15));
        size_t bytes = sizeof(float) * (size_t)n, count = (size_t)n;
        float s = k->quantize(x, count, q, 4, &sum), s_want = reference->quantize(x, count, q_want, 4, &sum_want);
        same_(k->name, "quantize", q, q_want, count);
        same_(k->name, "quantize scale", &s, &s_want, sizeof s);
        same_(k->name, "quantize sum", &sum, &sum_want, sizeof sum);
        k->add_rows(raw, 77, 0.003f, count, got), reference->add_rows(raw, 77, 0.003f, count, want);
        same_(k->name, "add_rows", got, want, bytes);
        k->scale_rows(raw, 77, 0.003f, count, got), reference->scale_rows(raw, 77, 0.003f, count, want);
        same_(k->name, "scale_rows", got, want, bytes);
        k->rms_norm(x, w, count, 1e-5f, got), reference->rms_norm(x, w, count, 1e-5f, want);
        same_(k->name, "rms_norm", got, want, bytes);
        for (int a = TERN_RELU2; a <= TERN_GELU; a++) {
            k->gate_rows(raw, 0.0007f, up, 0.01f, 5, (tern_activation)a, count, got);
            reference->gate_rows(raw, 0.0007f, up, 0.01f, 5, (tern_activation)a, count, want);
            same_(k->name, "gate_rows", got, want, bytes);
        }
        for (int i = 0; i < n; i++) got[i] = want[i] = real_();
        k->add_group(raw, 77, w, count, got), reference->add_group(raw, 77, w, count, want);
        same_(k->name, "add_group", got, want, bytes);
        for (int a = TERN_RELU2; a <= TERN_GELU; a++) {
            k->gate_values(x, w, (tern_activation)a, count, got);
            reference->gate_values(x, w, (tern_activation)a, count, want);
            same_(k->name, "gate_values", got, want, bytes);
        }
        k->head_rows(rows, 4, count, x, got), reference->head_rows(rows, 4, count, x, want);
        same_(k->name, "head_rows", got, want, 4 * sizeof(float));
        memcpy(got, x, bytes), memcpy(want, x, bytes);
        k->rope(got, count / 2, w, w + n / 2), reference->rope(want, count / 2, w, w + n / 2);
        same_(k->name, "rope", got, want, bytes);
    }
}

static void attention_(const tern_kernels *k, const tern_kernels *reference) {
    enum { DIM = 80, HEADS = 5, POSITIONS = 112 };
    static float q[HEADS * DIM], keys[POSITIONS * DIM], values[POSITIONS * DIM], scores[HEADS * POSITIONS];
    static float got[HEADS * DIM], want[HEADS * DIM];
    for (int i = 0; i < HEADS * DIM; i++) q[i] = real_();
    for (int i = 0; i < POSITIONS * DIM; i++) keys[i] = real_(), values[i] = real_();
    for (int n = 1; n <= POSITIONS; n += 5) {
        tern_attention a = {q, keys, values, scores, got, HEADS, DIM, n, 0.11f, n > 16 ? n % 16 : 0};
        k->attend(&a);
        a.out = want;
        reference->attend(&a);
        same_(k->name, "attend", got, want, sizeof got);
    }
}

/* Tiles of every precision; stored keys, values and factors; parts merged and finished. */
static void tiles_(const tern_kernels *k, const tern_kernels *reference) {
    enum { DIM = 48, BLOCK = TERN_ATTENTION_BLOCK, PART = TERN_PART_SUMS + DIM, QUERIES = TERN_TILE_QUERIES };
    static float keys[2][BLOCK * DIM], values[2][BLOCK * DIM], scales[2][2][BLOCK], q[QUERIES * DIM];
    static float parts[2][QUERIES * PART], weights[QUERIES * BLOCK], out[2][DIM], key[DIM], value[DIM];
    for (int i = 0; i < QUERIES * DIM; i++) q[i] = real_();
    for (int type = TERN_KV_F32; type <= TERN_KV_I8; type++) {
        const tern_kernels *both[2] = {k, reference};
        tern_kv kv[2];
        for (int s = 0; s < 2; s++) kv[s] = (tern_kv){(tern_kv_type)type, keys[s], values[s], scales[s][0], scales[s][1]};
        for (size_t p = 0; p < BLOCK; p++) {
            for (int d = 0; d < DIM; d++) key[d] = p == 7 ? 0.0f : real_(), value[d] = p == 9 ? 7e4f * real_() : real_() / 3e5f;
            for (int s = 0; s < 2; s++) both[s]->store_kv(&kv[s], p, key, value, DIM);
        }
        same_(k->name, "stored keys", keys[0], keys[1], sizeof keys[0]);
        same_(k->name, "stored values", values[0], values[1], sizeof values[0]);
        same_(k->name, "factors", scales[0], scales[1], sizeof scales[0]);
        for (int n = 1; n <= BLOCK; n += n < 40 ? 3 : 31) {
            for (int s = 0; s < 2; s++) {
                tern_tile t = {.kv = kv[s], .weights = weights, .n_queries = 1 + n % QUERIES, .head_dim = DIM, .scale = 0.1f};
                for (int i = 0; i < t.n_queries; i++) {
                    t.q[i] = q + i * DIM, t.part[i] = parts[s] + i * PART, t.n_visible[i] = n > i ? n - i : 1;
                }
                both[s]->attend_tile(&t);
                if (t.n_queries > 1) both[s]->merge_part(parts[s], parts[s] + PART, DIM);
                both[s]->finish_part(parts[s], DIM, out[s]);
            }
            same_(k->name, "attend_tile", parts[0], parts[1], sizeof parts[0]);
            same_(k->name, "finish_part", out[0], out[1], sizeof out[0]);
        }
    }
}

/* Every half that is a number to float and back; floats of all sizes, and those halfway between halves. */
static void halves_(const tern_kernels *k, const tern_kernels *reference) {
    static uint16_t keys[16 * 16], values[16], want[16];
    static float q[16], part[TERN_PART_SUMS + 16], weights[TERN_ATTENTION_BLOCK], x[16], zero[16];
    tern_kv kv = {.type = TERN_KV_F16, .keys = keys, .values = values};
    for (uint32_t half = 0; half < 0x10000; half += 16) {
        if ((half & 0x7c00) == 0x7c00) continue;
        for (uint32_t i = 0; i < 16; i++) want[i] = values[i] = (uint16_t)(half + i);
        tern_tile t = {.kv = kv, .q = {q}, .n_visible = {1}, .part = {part}, .weights = weights, .n_queries = 1,
                       .head_dim = 16, .scale = 1.0f};
        k->attend_tile(&t);
        memcpy(x, part + TERN_PART_SUMS, sizeof x);
        k->store_kv(&kv, 0, zero, x, 16);
        if (half == 0x8000) want[0] = 0; /* a sum that began with 0 is no -0 */
        same_(k->name, "a half there and back", values, want, sizeof want);
        for (int between = 0; between < 3; between++) {
            for (int i = 0; i < 16; i++) {
                uint32_t bits;
                memcpy(&bits, &x[i], 4);
                bits += between == 0 ? 0x1000 : between == 1 ? 1u : next_() % 0x2000;
                memcpy(&x[i], &bits, 4);
            }
            k->store_kv(&kv, 0, zero, x, 16);
            memcpy(want, values, sizeof want);
            reference->store_kv(&kv, 0, zero, x, 16);
            same_(k->name, "a float as a half", want, values, sizeof want);
        }
    }
}

/* ---- a whole small model ---- */

enum { HIDDEN = 96, INNER = 176, LAYERS = 2, HEADS = 4, KV_HEADS = 2, DIM = 32, VOCAB = 70, CONTEXT = 96, LONG = 560 };

static tern_matrix matrix_(int rows, int cols) {
    int n_blocks = (rows + 63) / 64;
    uint8_t *lines = malloc((size_t)n_blocks * (size_t)cols * 16);
    uint8_t *codes = malloc((size_t)rows * (size_t)cols);
    float *scales = malloc((size_t)n_blocks * sizeof(float));
    for (int i = 0; i < rows * cols; i++) codes[i] = (uint8_t)(next_() % 3);
    for (int i = 0; i < n_blocks; i++) scales[i] = 0.05f;
    if (!tern_pack(lines, (size_t)cols / 4, codes, (size_t)rows, (size_t)rows, 0, 1)) n_bad++;
    free(codes);
    return (tern_matrix){.lines = lines, .block_scales = scales, .n_blocks = n_blocks, .n_lines = cols / 4};
}

/* The same matrix, with factors for groups of columns in two blocks of three; as it was where no whole group fits. */
static tern_matrix grouped_(tern_matrix m, int group_lines) {
    if (group_lines == 0 || m.n_lines % group_lines) return m;
    int n_groups = m.n_lines / group_lines;
    float *scales = malloc((size_t)m.n_blocks * sizeof(float));
    float *group_scales = malloc((size_t)m.n_blocks * (size_t)n_groups * 64 * sizeof(float));
    for (int i = 0; i < m.n_blocks; i++) scales[i] = i % 3 == 1 ? 0.05f : 0.0f;
    for (int i = 0; i < m.n_blocks * n_groups * 64; i++) {
        group_scales[i] = next_() % 50 == 0 ? 0.0f : 0.01f + (float)(next_() % 1000) / 10007.0f;
    }
    m.block_scales = scales;
    m.group_scales = group_scales;
    m.group_lines = group_lines;
    return m;
}

/* One linear by itself: against the definition, and blocks with one factor as if no others had groups. */
static void linear_(const tern_kernels *k, const tern_kernels *reference) {
    enum { ROWS = 180, COLS = 512, N = 5, PADDED = 192 };
    static int8_t x[N * COLS], scratch[N * COLS];
    static float got[N * PADDED], want[N * PADDED], plain[N * PADDED];
    static int32_t sums[4 * COLS / 128];
    float scales[N];
    for (int i = 0; i < N * COLS; i++) x[i] = (int8_t)((int)(next_() % 256) - 128);
    for (int i = 0; i < N; i++) scales[i] = 1.0f + real_() / 10.0f;
    for (int group_lines = 32; group_lines <= 64; group_lines += 32) {
        tern_matrix all = matrix_(ROWS, COLS), m = grouped_(all, group_lines);
        for (int n = 1; n <= N; n++) {
            tern_ternary_values(k, &m, x, scales, n, scratch, sums, got);
            tern_ternary_values(reference, &m, x, scales, n, scratch, sums, want);
            tern_ternary_values(k, &all, x, scales, n, scratch, sums, plain);
            same_(k->name, "a linear with groups", got, want, sizeof(float) * (size_t)n * PADDED);
            for (int t = 0; t < n; t++) {
                same_(k->name, "a block without groups", got + t * PADDED + 64, plain + t * PADDED + 64, 64 * sizeof(float));
            }
        }
    }
}

static float *ones_(int n) {
    float *a = malloc((size_t)n * sizeof(float));
    for (int i = 0; i < n; i++) a[i] = 1.0f + real_() / 10.0f;
    return a;
}

static tern_kv cache_of_(tern_kv_type type, int context) {
    size_t vectors = (size_t)LAYERS * KV_HEADS * (size_t)context, n = vectors * DIM * sizeof(float);
    return (tern_kv){type, calloc(1, n), calloc(1, n), calloc(vectors, sizeof(float)), calloc(vectors, sizeof(float))};
}

static tern_kv cache_(tern_kv_type type) { return cache_of_(type, CONTEXT); }

static void free_(tern_kv kv) { free(kv.keys), free(kv.values), free(kv.key_scales), free(kv.value_scales); }

static void step_of_(const tern_shape *shape, const tern_kernels *k, int n_threads, int chunk, float *logits) {
    tern_shape s = *shape;
    s.cache = cache_(TERN_KV_F32);
    s.layers = malloc(LAYERS * sizeof *s.layers);
    memcpy(s.layers, shape->layers, LAYERS * sizeof *s.layers);
    tern_step *step = tern_step_create(&s, k, n_threads);
    int32_t ids[CONTEXT];
    for (int i = 0; i < CONTEXT; i++) ids[i] = i * 31 % VOCAB;
    for (int at = 0; at < CONTEXT; at += chunk) {
        int n = CONTEXT - at < chunk ? CONTEXT - at : chunk;
        tern_output out = {.n = n, .logits = logits + (size_t)at * VOCAB};
        if (!tern_step_forward(step, ids + at, NULL, n, at, &out)) n_bad++;
    }
    tern_step_destroy(step);
    free_(s.cache);
}

/* Positions in several blocks, in every precision: one token after the other, some at a time, in whole batches, and
 * read again after half of it was forgotten; all of them give the last positions the same hidden states. */
static void long_step_(const tern_shape *shape, const tern_kernels *const *sets) {
    static float want[LONG * HIDDEN], got[LONG * HIDDEN];
    static int32_t ids[LONG];
    for (int i = 0; i < LONG; i++) ids[i] = i * 31 % VOCAB;
    for (int type = TERN_KV_F32; type <= TERN_KV_I8; type++) {
        for (int i = 0; sets[i]; i++) {
            int chunks[] = {LONG, 5, 1}, is_last = !sets[i + 1];
            for (int c = 0; c < (is_last ? 1 : 3); c++) {
                for (int n_threads = c ? 3 : 1; n_threads <= 3; n_threads += 2) {
                    tern_shape s = *shape;
                    s.max_context = LONG;
                    s.cache = cache_of_((tern_kv_type)type, LONG);
                    s.layers = malloc(LAYERS * sizeof *s.layers);
                    memcpy(s.layers, shape->layers, LAYERS * sizeof *s.layers);
                    tern_step *step = tern_step_create(&s, sets[i], n_threads);
                    for (int again = 0; again < (c == 1 ? 2 : 1); again++) {
                        for (int at = again ? LONG / 2 - 13 : 0; at < LONG; at += chunks[c]) {
                            int n = LONG - at < chunks[c] ? LONG - at : chunks[c];
                            tern_output out = {.n = n, .hidden = got + (size_t)at * HIDDEN};
                            if (!tern_step_forward(step, ids + at, NULL, n, at, &out)) n_bad++;
                        }
                    }
                    if (i == 0 && c == 0 && n_threads == 1) memcpy(want, got, sizeof got);
                    same_(sets[i]->name, "a long step", got, want, sizeof got);
                    tern_step_destroy(step);
                    free_(s.cache);
                }
            }
        }
    }
}

#ifndef _WIN32
static void storm_(const tern_shape *shape, const tern_kernels *k, int n_threads, const float *want);
#endif

/* ---- the screened head ---- */

enum { TILES = (VOCAB + TERN_HEAD_TILE - 1) / TERN_HEAD_TILE, SCREENED = TILES * TERN_HEAD_TILE };

/* The same step with embedding rows handed in and a screened head: the bounds have the same bits on every set and hold
 * the plain logits between them; rows scored by themselves are the plain logits. */
static void screened_step_(const tern_shape *shape, const tern_kernels *const *sets, const float *want) {
    static uint8_t lines[SCREENED * HIDDEN];
    static float scale[SCREENED], residual[SCREENED], norm[SCREENED], hidden[CONTEXT * HIDDEN], logits[CONTEXT * VOCAB];
    static float bounds[2 * CONTEXT * (SCREENED + TILES)], first[2 * CONTEXT * (SCREENED + TILES)];
    static uint16_t embedded[CONTEXT * HIDDEN];
    for (int i = 0; sets[i]; i++) {
        static uint8_t lines_here[SCREENED * HIDDEN];
        tern_screen_rows(sets[i], shape->head, VOCAB, 0, HIDDEN, i ? lines_here : lines, scale, residual, norm);
        if (i) same_(sets[i]->name, "screen_row", lines_here, lines, sizeof lines);
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            tern_shape s = *shape;
            s.cache = cache_(TERN_KV_F32);
            s.layers = malloc(LAYERS * sizeof *s.layers);
            memcpy(s.layers, shape->layers, LAYERS * sizeof *s.layers);
            s.embedding = s.head = NULL;
            s.screen = (tern_screen){lines, scale, residual, norm};
            int32_t ids[CONTEXT];
            for (int t = 0; t < CONTEXT; t++) {
                ids[t] = t * 31 % VOCAB;
                memcpy(embedded + t * HIDDEN, shape->embedding + ids[t] * HIDDEN, HIDDEN * sizeof *embedded);
            }
            tern_step *step = tern_step_create(&s, sets[i], n_threads);
            float *lower = bounds, *upper = lower + CONTEXT * SCREENED, *tiles = upper + CONTEXT * SCREENED;
            tern_output out = {.n = CONTEXT, .hidden = hidden, .bounds = {lower, upper, tiles, tiles + CONTEXT * TILES}};
            if (!tern_step_forward(step, ids, embedded, CONTEXT, 0, &out)) n_bad++;
            tern_step_head_rows(step, shape->head, VOCAB, hidden, CONTEXT, logits, VOCAB);
            same_(sets[i]->name, "rows of the head", logits, want, sizeof logits);
            if (i == 0 && n_threads == 1) memcpy(first, bounds, sizeof bounds);
            same_(sets[i]->name, "bounds", bounds, first, sizeof bounds);
            for (int t = 0; t < CONTEXT; t++) {
                for (int row = 0; row < VOCAB; row++) {
                    float logit = want[t * VOCAB + row];
                    if (lower[t * SCREENED + row] <= logit && logit <= upper[t * SCREENED + row]) continue;
                    printf("DIFFERENT: a logit outside its bounds in %s\n", sets[i]->name), n_bad++;
                }
            }
            tern_step_destroy(step);
            free_(s.cache);
        }
    }
}

/* group_lines 0: matrices with one factor alone. */
static void whole_step_(const tern_kernels *const *sets, int hidden, int inner, int group_lines) {
    enum { ATTENTION = HEADS * DIM, QKV = 128 + 64 + 64, WIDEST = 512 };
    static uint16_t embedding[VOCAB * WIDEST];
    static float want[CONTEXT * VOCAB], got[CONTEXT * VOCAB];
    for (int i = 0; i < VOCAB * hidden; i++) embedding[i] = (uint16_t)(0x3c00 + next_() % 0x400 + (next_() % 2 << 15));
    tern_layer layers[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        layers[i] = (tern_layer){grouped_(matrix_(QKV, hidden), group_lines),
                                 grouped_(matrix_(hidden, ATTENTION), group_lines),
                                 grouped_(matrix_(2 * ((inner + 63) / 64 * 64), hidden), group_lines),
                                 grouped_(matrix_(hidden, inner), group_lines),
                                 ones_(hidden), ones_(hidden), ones_(ATTENTION), ones_(inner)};
    }
    tern_shape shape = {.hidden = hidden, .intermediate = inner, .n_layers = LAYERS, .n_heads = HEADS,
                        .n_kv_heads = KV_HEADS, .head_dim = DIM, .vocab = VOCAB, .max_context = CONTEXT,
                        .rms_eps = 1e-5f, .activation = TERN_RELU2, .embedding = embedding, .head = embedding,
                        .final_norm = ones_(hidden), .rope_cos = ones_(CONTEXT * DIM / 2),
                        .rope_sin = ones_(CONTEXT * DIM / 2), .layers = layers};
    step_of_(&shape, &tern_kernels_scalar, 1, 1, want);
    for (int i = 0; sets[i]; i++) {
        for (int n_threads = 1; n_threads <= 4; n_threads += group_lines ? 2 : 1) {
            int chunks[] = {1, 7, CONTEXT};
            for (int c = 0; c < 3; c++) {
                step_of_(&shape, sets[i], n_threads, chunks[c], got);
                same_(sets[i]->name, "the whole step", got, want, sizeof got);
            }
        }
    }
    if (hidden == HIDDEN) {
        screened_step_(&shape, sets, want);
        tern_shape further = shape;
        further.rope_cos = further.rope_sin = ones_(LONG * DIM / 2);
        long_step_(&further, sets);
    }
#ifndef _WIN32
    for (int n_threads = 1; group_lines == 0 && n_threads <= 4; n_threads++) storm_(&shape, sets[0], n_threads, want);
#endif
}

static void encode_(const tern_encoder_shape *shape, const tern_kernels *k, int n_threads, float *x) {
    tern_encoder_shape s = *shape;
    s.layers = malloc(LAYERS * sizeof *s.layers);
    memcpy(s.layers, shape->layers, LAYERS * sizeof *s.layers);
    tern_encoder *encoder = tern_encoder_create(&s, k, n_threads);
    for (int n = CONTEXT; n > 0; n /= 5) { /* a shorter sequence follows a longer one through the same memory */
        for (int i = 0; i < n * HIDDEN; i++) x[i] = (float)(i * 37 % 101) / 50.0f - 1.0f;
        if (!tern_encoder_run(encoder, x, n)) n_bad++;
        x += n * HIDDEN;
    }
    tern_encoder_destroy(encoder);
}

static void whole_encoder_(const tern_kernels *const *sets) {
    enum { ATTENTION = HEADS * DIM, KV = KV_HEADS * DIM, SIZE = 2 * CONTEXT * HIDDEN };
    static float want[SIZE], got[SIZE];
    tern_encoder_layer layers[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        layers[i] = (tern_encoder_layer){
            matrix_(ATTENTION, HIDDEN), matrix_(KV, HIDDEN), matrix_(KV, HIDDEN), matrix_(HIDDEN, ATTENTION),
            matrix_(INNER, HIDDEN), matrix_(INNER, HIDDEN), matrix_(HIDDEN, INNER), ones_(HIDDEN), ones_(HIDDEN),
            ones_(HIDDEN), ones_(HIDDEN), ones_(HIDDEN), ones_(ATTENTION), ones_(HIDDEN), ones_(HIDDEN), ones_(INNER),
            ones_(DIM), ones_(DIM), i ? ones_(HIDDEN) : NULL, i ? ones_(HIDDEN) : NULL, ones_(CONTEXT * DIM / 2),
            ones_(CONTEXT * DIM / 2), i ? 0 : 21};
    }
    for (int a = TERN_SILU; a <= TERN_GELU; a++) {
        tern_encoder_shape shape = {HIDDEN, INNER, LAYERS, HEADS, KV_HEADS, DIM, CONTEXT, 1e-6f, 0.2f,
                                    (tern_activation)a, ones_(HIDDEN), layers};
        encode_(&shape, &tern_kernels_scalar, 1, want);
        for (int i = 0; sets[i]; i++) {
            for (int n_threads = 1; n_threads <= 4; n_threads++) {
                encode_(&shape, sets[i], n_threads, got);
                same_(sets[i]->name, "the whole encoder", got, want, sizeof got);
            }
        }
    }
}

/* ---- interrupts at any moment ---- */

#ifndef _WIN32
#include <pthread.h>

typedef struct {
    tern_step *step;
    tern_atomic is_over;
} storm;

static void *interrupt_often_(void *argument) {
    storm *s = argument;
    uint32_t random = 12345;
    while (!tern_load(&s->is_over)) {
        random = random * 1664525u + 1013904223u;
        for (uint32_t i = 0; i < (random >> 16) % 30000; i++) tern_pause();
        tern_step_interrupt(s->step, 1);
    }
    return NULL;
}

/* Runs that are stopped in the middle, one after the other; the next whole run must still give the right bits. */
static void storm_(const tern_shape *shape, const tern_kernels *k, int n_threads, const float *want) {
    enum { ROUNDS = 400 };
    static float got[CONTEXT * VOCAB];
    int32_t ids[CONTEXT];
    tern_output out = {.n = CONTEXT, .logits = got};
    int n_stopped = 0;
    tern_shape s = *shape;
    s.cache = cache_(TERN_KV_F32);
    s.layers = malloc(LAYERS * sizeof *s.layers);
    memcpy(s.layers, shape->layers, LAYERS * sizeof *s.layers);
    storm of = {.step = tern_step_create(&s, k, n_threads)};
    for (int i = 0; i < CONTEXT; i++) ids[i] = i * 31 % VOCAB;
    pthread_t thread;
    pthread_create(&thread, NULL, interrupt_often_, &of);
    for (int round = 0; round < ROUNDS; round++) {
        if (!tern_step_forward(of.step, ids, NULL, CONTEXT, 0, &out)) n_stopped++;
        tern_step_interrupt(of.step, 0);
    }
    tern_store(&of.is_over, 1);
    pthread_join(thread, NULL);
    tern_step_interrupt(of.step, 0);
    memset(got, 0, sizeof got);
    if (!tern_step_forward(of.step, ids, NULL, CONTEXT, 0, &out)) n_bad++;
    same_(k->name, "the step after a storm of interrupts", got, want, sizeof got);
    if (n_stopped == 0) printf("no run was stopped\n"), n_bad++;
    tern_step_destroy(of.step);
    free_(s.cache);
}
#endif

int main(void) {
    const tern_kernels *const *sets = tern_available_kernels();
    for (int i = 0; sets[i]; i++) {
        ternary_(sets[i], &tern_kernels_scalar);
        floats_(sets[i], &tern_kernels_scalar);
        attention_(sets[i], &tern_kernels_scalar);
        tiles_(sets[i], &tern_kernels_scalar);
        halves_(sets[i], &tern_kernels_scalar);
        linear_(sets[i], &tern_kernels_scalar);
    }
    whole_step_(sets, HIDDEN, INNER, 0);
    whole_step_(sets, 128, 256, 32);
    whole_step_(sets, 256, 256, 64);
    whole_encoder_(sets);
    for (int i = 0; sets[i]; i++) printf("%s%s", i ? " " : "", sets[i]->name);
    printf(n_bad ? ": %d differences\n" : ": equal bits\n", n_bad);
    return n_bad != 0;
}
