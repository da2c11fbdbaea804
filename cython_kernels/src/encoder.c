/* All threads run layer_() together and meet at the barriers; each owns whole tokens, whole heads or whole blocks of
 * output rows, so the number of threads cannot change a bit of the result. A layer is finished for the whole sequence
 * before the next one begins: the keys and values of one layer are all there is to keep. See encoder.h. */
#include "encoder.h"

#include <stdlib.h>
#include <string.h>

#include "partition.h"

enum {
    MAX_BATCH = 64, /* tokens at a time: their activations stay in the second-level cache */
    N_INPUTS = 3    /* q, k and v see the same tokens through norms of their own */
};

/* A batch of tokens as int8, see kernels.h for the order. */
typedef struct {
    int8_t *q8;
    float scale[MAX_BATCH];
    int32_t sum[MAX_BATCH];
} quantized;

struct tern_encoder {
    tern_encoder_shape s;
    const tern_kernels *k;
    tern_pool *pool;
    tern_atomic interrupt; /* set from outside */
    char *memory;

    float *x; /* the sequence, [n_tokens][hidden] */
    int n_tokens;
    int start, n; /* the current batch */

    int q_rows, kv_rows, attention_width, widest, n_positions;
    float *normed;   /* [MAX_BATCH][hidden], what several projections share */
    float *inputs;   /* [MAX_BATCH][widest], one projection's own */
    float *q, *k_out, *v_out;
    float *attended; /* [MAX_BATCH][attention_width] */
    float *gated;    /* [MAX_BATCH][intermediate] */
    float *added;    /* [MAX_BATCH][hidden], what a half of a layer adds */
    float *keys;     /* [n_kv_heads][n_positions / 16][head_dim][16] */
    float *values;   /* [n_kv_heads][n_positions][head_dim] */
    float *scores;   /* [n_threads][queries of a KV head][n_positions] */
    size_t scores_of_thread;
    quantized in[N_INPUTS];
};

/* ---- creation ---- */

static int allocate_(tern_encoder *e) {
    const tern_encoder_shape *s = &e->s;
    size_t used = 0, batch = MAX_BATCH * sizeof(float), cache = (size_t)s->n_kv_heads * (size_t)s->head_dim;
    size_t n_threads = (size_t)tern_pool_size(e->pool), widest = (size_t)e->widest;
    e->scores_of_thread = (size_t)(s->n_heads / s->n_kv_heads) * (size_t)e->n_positions;
    struct {
        float **to;
        size_t n_bytes;
    } parts[] = {
        {&e->normed, batch * (size_t)s->hidden},
        {&e->inputs, batch * widest},
        {&e->q, batch * (size_t)e->q_rows},
        {&e->k_out, batch * (size_t)e->kv_rows},
        {&e->v_out, batch * (size_t)e->kv_rows},
        {&e->attended, batch * (size_t)e->attention_width},
        {&e->gated, batch * (size_t)s->intermediate},
        {&e->added, batch * (size_t)s->hidden},
        {&e->keys, cache * (size_t)e->n_positions * sizeof(float)},
        {&e->values, cache * (size_t)e->n_positions * sizeof(float)},
        {&e->scores, n_threads * e->scores_of_thread * sizeof(float)},
    };
    enum { N_PARTS = sizeof parts / sizeof parts[0] };
    size_t at[N_PARTS], q8[N_INPUTS];
    for (int i = 0; i < N_PARTS; i++) at[i] = carve_(&used, parts[i].n_bytes);
    for (int i = 0; i < N_INPUTS; i++) q8[i] = carve_(&used, MAX_BATCH * widest);
    e->memory = calloc(1, used + TERN_ALIGNMENT); /* zero: positions past the last token are read, never counted */
    if (!e->memory) return 0;
    char *base = e->memory + (TERN_ALIGNMENT - (uintptr_t)e->memory % TERN_ALIGNMENT);
    for (int i = 0; i < N_PARTS; i++) *parts[i].to = (float *)(base + at[i]);
    for (int i = 0; i < N_INPUTS; i++) e->in[i].q8 = (int8_t *)(base + q8[i]);
    return 1;
}

tern_encoder *tern_encoder_create(const tern_encoder_shape *shape, const tern_kernels *kernels, int n_threads) {
    tern_encoder *e = calloc(1, sizeof *e);
    if (!e) return NULL;
    e->s = *shape;
    e->k = kernels;
    e->attention_width = shape->n_heads * shape->head_dim;
    e->q_rows = padded_(e->attention_width);
    e->kv_rows = padded_(shape->n_kv_heads * shape->head_dim);
    e->widest = larger_(larger_(shape->hidden, shape->intermediate), e->attention_width);
    e->n_positions = (shape->max_tokens + TERN_KV_BLOCK - 1) / TERN_KV_BLOCK * TERN_KV_BLOCK;
    e->pool = tern_pool_create(n_threads);
    if (!e->pool || !allocate_(e)) {
        e->s.layers = NULL; /* stays the caller's */
        tern_encoder_destroy(e);
        return NULL;
    }
    return e;
}

void tern_encoder_destroy(tern_encoder *e) {
    if (!e) return;
    tern_pool_destroy(e->pool);
    free(e->s.layers);
    free(e->memory);
    free(e);
}

void tern_encoder_interrupt(tern_encoder *e, int on) { tern_store(&e->interrupt, on); }

/* ---- the parts of a layer ---- */

static float *token_(const tern_encoder *e, int t) {
    return e->x + (size_t)(e->start + t) * (size_t)e->s.hidden;
}

/* One token through a projection's own norm to int8, into its place in the group of (at most) four. */
static void quantize_token_(tern_encoder *e, quantized *in, const float *row, const float *norm, int width, int t) {
    float *normed = e->inputs + (size_t)t * (size_t)e->widest;
    int group = t / TERN_GROUP * TERN_GROUP;
    int in_group = e->n - group < TERN_GROUP ? e->n - group : TERN_GROUP;
    int8_t *out = in->q8 + (size_t)group * (size_t)width + (size_t)(t - group) * 4;
    e->k->rms_norm(row, norm, (size_t)width, e->s.rms_eps, normed);
    in->scale[t] = e->k->quantize(normed, (size_t)width, out, (size_t)in_group * 4, &in->sum[t]);
}

/* The raw sums of one block for the group of tokens that begins at `group`; returns how many tokens it has. */
static int block_sums_(const tern_encoder *e, const tern_matrix *m, const quantized *in, int block, int group,
                       int32_t *raw) {
    size_t n_lines = (size_t)m->n_lines;
    int in_group = e->n - group < TERN_GROUP ? e->n - group : TERN_GROUP;
    const int8_t *x = in->q8 + (size_t)group * n_lines * 4;
    e->k->ternary_block(m->lines + (size_t)block * n_lines * TERN_LINE, n_lines, x, in_group, raw);
    return in_group;
}

/* y[token][row] = (W x)[row] for this thread's blocks; rows past `width` are padding and not written. */
static void linear_(tern_encoder *e, const tern_matrix *m, const quantized *in, float *y, int width, int thread,
                    int n_threads) {
    int32_t raw[TERN_GROUP * TERN_BLOCK_ROWS];
    range blocks = share_(m->n_blocks, thread, n_threads);
    for (int block = blocks.from; block < blocks.to; block++) {
        int row = block * TERN_BLOCK_ROWS;
        int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
        for (int group = 0; group < e->n; group += TERN_GROUP) {
            int in_group = block_sums_(e, m, in, block, group, raw);
            for (int i = 0; i < in_group; i++) {
                int t = group + i;
                e->k->scale_rows(raw + i * TERN_BLOCK_ROWS, in->sum[t], m->block_scales[block] / in->scale[t],
                                 (size_t)n_rows, y + (size_t)t * (size_t)width + row);
            }
        }
    }
}

/* gated[token][row] = activation(gate row) * up row. The two have inputs of their own and so sums of their own;
 * gate_rows takes one, and the difference goes into the raw sums of `up` (exact: int32). */
static void gate_up_(tern_encoder *e, const tern_encoder_layer *layer, int thread, int n_threads) {
    int32_t gate[TERN_GROUP * TERN_BLOCK_ROWS], up[TERN_GROUP * TERN_BLOCK_ROWS];
    const quantized *gate_in = &e->in[0], *up_in = &e->in[1];
    int width = e->s.intermediate;
    range blocks = share_(layer->gate.n_blocks, thread, n_threads);
    for (int block = blocks.from; block < blocks.to; block++) {
        int row = block * TERN_BLOCK_ROWS;
        int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
        for (int group = 0; group < e->n; group += TERN_GROUP) {
            int in_group = block_sums_(e, &layer->gate, gate_in, block, group, gate);
            block_sums_(e, &layer->up, up_in, block, group, up);
            for (int i = 0; i < in_group; i++) {
                int t = group + i;
                int32_t *up_sums = up + i * TERN_BLOCK_ROWS;
                for (int r = 0; r < n_rows; r++) up_sums[r] += gate_in->sum[t] - up_in->sum[t];
                e->k->gate_rows(gate + i * TERN_BLOCK_ROWS, layer->gate.block_scales[block] / gate_in->scale[t],
                                up_sums, layer->up.block_scales[block] / up_in->scale[t], gate_in->sum[t],
                                e->s.activation, (size_t)n_rows, e->gated + (size_t)t * (size_t)width + row);
            }
        }
    }
}

/* x += the output of half a layer, through its norm where there is one. */
static void add_(tern_encoder *e, const float *norm, int t) {
    size_t hidden = (size_t)e->s.hidden;
    float *x = token_(e, t), *added = e->added + (size_t)t * hidden;
    if (norm) e->k->rms_norm(added, norm, hidden, e->s.rms_eps, added);
    for (size_t i = 0; i < hidden; i++) x[i] = x[i] + added[i];
}

/* ---- attention ---- */

static void head_(tern_encoder *e, const tern_encoder_layer *layer, float *head, const float *norm, size_t position) {
    size_t half = (size_t)e->s.head_dim / 2;
    e->k->rms_norm(head, norm, 2 * half, e->s.rms_eps, head);
    e->k->rope(head, half, layer->rope_cos + position * half, layer->rope_sin + position * half);
}

/* Norms and rotates the heads; keys and values go to where attention reads them. */
static void rotate_and_store_(tern_encoder *e, const tern_encoder_layer *layer, int t) {
    const tern_encoder_shape *s = &e->s;
    size_t dim = (size_t)s->head_dim, position = (size_t)(e->start + t), cache = (size_t)e->n_positions * dim;
    float *q = e->q + (size_t)t * (size_t)e->q_rows;
    float *k = e->k_out + (size_t)t * (size_t)e->kv_rows, *v = e->v_out + (size_t)t * (size_t)e->kv_rows;
    for (int i = 0; i < s->n_heads; i++) head_(e, layer, q + (size_t)i * dim, layer->q_head, position);
    for (int i = 0; i < s->n_kv_heads; i++) {
        float *key = k + (size_t)i * dim;
        head_(e, layer, key, layer->k_head, position);
        float *block = e->keys + (size_t)i * cache + position / TERN_KV_BLOCK * TERN_KV_BLOCK * dim;
        for (size_t d = 0; d < dim; d++) block[d * TERN_KV_BLOCK + position % TERN_KV_BLOCK] = key[d];
        memcpy(e->values + (size_t)i * cache + position * dim, v + (size_t)i * dim, dim * sizeof(float));
    }
}

/* One item is one token and one KV head. A window begins at a whole block of keys; what of it the token does not see
 * is skipped. */
static void attend_items_(tern_encoder *e, const tern_encoder_layer *layer, int thread, int n_threads) {
    const tern_encoder_shape *s = &e->s;
    int queries = s->n_heads / s->n_kv_heads;
    size_t dim = (size_t)s->head_dim, cache = (size_t)e->n_positions * dim;
    for (int item = thread; item < e->n * s->n_kv_heads; item += n_threads) {
        int t = item / s->n_kv_heads, kv_head = item % s->n_kv_heads, position = e->start + t;
        int first = layer->window > 0 ? larger_(position + 1 - layer->window, 0) : 0;
        int block = first / TERN_KV_BLOCK * TERN_KV_BLOCK;
        size_t query = (size_t)(kv_head * queries) * dim;
        size_t from = (size_t)kv_head * cache + (size_t)block * dim; /* of keys and of values alike */
        tern_attention a = {
            .q = e->q + (size_t)t * (size_t)e->q_rows + query,
            .keys = e->keys + from,
            .values = e->values + from,
            .scores = e->scores + (size_t)thread * e->scores_of_thread,
            .out = e->attended + (size_t)t * (size_t)e->attention_width + query,
            .n_queries = queries,
            .head_dim = s->head_dim,
            .n_positions = position + 1 - block,
            .scale = s->attention_scale,
            .n_skipped = first - block,
        };
        e->k->attend(&a);
    }
}

/* ---- a layer ---- */

static void attention_half_(tern_encoder *e, const tern_encoder_layer *layer, int thread, int n_threads) {
    const tern_encoder_shape *s = &e->s;
    range tokens = share_(e->n, thread, n_threads);
    for (int t = tokens.from; t < tokens.to; t++) {
        float *normed = e->normed + (size_t)t * (size_t)s->hidden;
        e->k->rms_norm(token_(e, t), layer->attn_norm, (size_t)s->hidden, s->rms_eps, normed);
        quantize_token_(e, &e->in[0], normed, layer->q_in, s->hidden, t);
        quantize_token_(e, &e->in[1], normed, layer->k_in, s->hidden, t);
        quantize_token_(e, &e->in[2], normed, layer->v_in, s->hidden, t);
    }
    tern_barrier(e->pool);
    linear_(e, &layer->q, &e->in[0], e->q, e->q_rows, thread, n_threads);
    linear_(e, &layer->k, &e->in[1], e->k_out, e->kv_rows, thread, n_threads);
    linear_(e, &layer->v, &e->in[2], e->v_out, e->kv_rows, thread, n_threads);
    tern_barrier(e->pool);
    for (int t = tokens.from; t < tokens.to; t++) rotate_and_store_(e, layer, t);
    tern_barrier(e->pool);
    attend_items_(e, layer, thread, n_threads);
    tern_barrier(e->pool);
    for (int t = tokens.from; t < tokens.to; t++) {
        const float *row = e->attended + (size_t)t * (size_t)e->attention_width;
        quantize_token_(e, &e->in[0], row, layer->o_in, e->attention_width, t);
    }
    tern_barrier(e->pool);
    linear_(e, &layer->o, &e->in[0], e->added, s->hidden, thread, n_threads);
    tern_barrier(e->pool);
    for (int t = tokens.from; t < tokens.to; t++) add_(e, layer->post_attn, t);
}

/* Begins without a barrier: each thread goes on with the tokens that it has just added to. */
static void feed_forward_half_(tern_encoder *e, const tern_encoder_layer *layer, int thread, int n_threads) {
    const tern_encoder_shape *s = &e->s;
    range tokens = share_(e->n, thread, n_threads);
    for (int t = tokens.from; t < tokens.to; t++) {
        float *normed = e->normed + (size_t)t * (size_t)s->hidden;
        e->k->rms_norm(token_(e, t), layer->ffn_norm, (size_t)s->hidden, s->rms_eps, normed);
        quantize_token_(e, &e->in[0], normed, layer->gate_in, s->hidden, t);
        quantize_token_(e, &e->in[1], normed, layer->up_in, s->hidden, t);
    }
    tern_barrier(e->pool);
    gate_up_(e, layer, thread, n_threads);
    tern_barrier(e->pool);
    for (int t = tokens.from; t < tokens.to; t++) {
        const float *row = e->gated + (size_t)t * (size_t)s->intermediate;
        quantize_token_(e, &e->in[2], row, layer->down_in, s->intermediate, t);
    }
    tern_barrier(e->pool);
    linear_(e, &layer->down, &e->in[2], e->added, s->hidden, thread, n_threads);
    tern_barrier(e->pool);
    for (int t = tokens.from; t < tokens.to; t++) add_(e, layer->post_ffn, t);
}

/* One batch through one layer. */
typedef struct {
    tern_encoder *encoder;
    const tern_encoder_layer *layer;
} layer_job;

static void layer_(void *argument, int thread, int n_threads) {
    const layer_job *job = argument;
    attention_half_(job->encoder, job->layer, thread, n_threads);
    feed_forward_half_(job->encoder, job->layer, thread, n_threads);
}

static void final_norm_(void *argument, int thread, int n_threads) {
    tern_encoder *e = argument;
    range tokens = share_(e->n_tokens, thread, n_threads);
    for (int t = tokens.from; t < tokens.to; t++) {
        float *x = e->x + (size_t)t * (size_t)e->s.hidden;
        e->k->rms_norm(x, e->s.final_norm, (size_t)e->s.hidden, e->s.rms_eps, x);
    }
}

int tern_encoder_run(tern_encoder *e, float *x, int n) {
    e->x = x;
    e->n_tokens = n;
    for (int index = 0; index < e->s.n_layers; index++) {
        layer_job job = {e, &e->s.layers[index]};
        for (e->start = 0; e->start < n; e->start += e->n) {
            if (tern_load(&e->interrupt)) return 0;
            e->n = n - e->start < MAX_BATCH ? n - e->start : MAX_BATCH;
            tern_pool_run(e->pool, layer_, &job);
        }
    }
    tern_pool_run(e->pool, final_norm_, e);
    return 1;
}
