/* The forward pass, in the order of the paper: a list of phases whose items are whole tokens, whole heads or whole
 * blocks of output rows. Threads share the items (phases.h); no sum is ever split, so who does what cannot change a bit
 * of the result. See forward.h. */
#include "forward.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "grouped.h"
#include "partition.h"
#include "phases.h"

enum {
    MAX_BATCH = 64 /* tokens that one step carries: their activations stay in the second-level cache */
};

/* The phases of a layer; in all: PHASE_EMBED, those of each layer, the final norm, the head. */
enum {
    PHASE_IN_NORM,
    PHASE_QKV,
    PHASE_ROPE,
    PHASE_ATTENTION,
    PHASE_MERGE,
    PHASE_OUT_NORM,
    PHASE_OUT,
    PHASE_FFN_NORM,
    PHASE_GATE_UP,
    PHASE_DOWN_NORM,
    PHASE_DOWN,
    PHASES_OF_LAYER
};
enum { PHASE_EMBED = 0, FIRST_LAYER = 1 };

struct tern_step {
    tern_shape s;
    const tern_kernels *k;
    tern_pool *pool;
    tern_phases *phases;
    tern_atomic interrupt; /* set from outside */
    char *memory;

    /* the current batch */
    const int32_t *ids;
    const uint16_t *embedded;
    int n, start;
    tern_output output;

    /* scratch */
    int q_rows, kv_rows, qkv_rows, attention_width, widest;
    float *x;        /* [MAX_BATCH][hidden], the residual stream */
    float *normed;   /* [MAX_BATCH][widest] */
    float *qkv;      /* [MAX_BATCH][qkv_rows] */
    float *attended; /* [MAX_BATCH][attention_width] */
    float *gated;    /* [MAX_BATCH][intermediate] */
    int8_t *q8;      /* groups of 4 tokens, see kernels.h */
    float q8_scale[MAX_BATCH];
    int32_t q8_sum[MAX_BATCH];
    int32_t *group_sums; /* [MAX_BATCH][group_sums_of_token], where the matrix that reads q8 has groups of columns */
    size_t group_sums_of_token;
    char *planes;    /* [MAX_BATCH][tern_screen_bytes], hidden states for the screened head */
    tern_screened screened[MAX_BATCH];
    tern_attention_state attention;
};

static void do_items_(void *argument, int phase, int from, int to, int thread);

/* ---- creation ---- */

static int n_phases_(const tern_shape *shape) { return FIRST_LAYER + shape->n_layers * PHASES_OF_LAYER + 2; }

static int allocate_(tern_step *step) {
    const tern_shape *s = &step->s;
    size_t used = 0, batch = MAX_BATCH * sizeof(float);
    size_t n_threads = (size_t)tern_pool_size(step->pool);
    size_t x = carve_(&used, batch * (size_t)s->hidden);
    size_t normed = carve_(&used, batch * (size_t)step->widest);
    size_t qkv = carve_(&used, batch * (size_t)step->qkv_rows);
    size_t attended = carve_(&used, batch * (size_t)step->attention_width);
    size_t gated = carve_(&used, batch * (size_t)s->intermediate);
    size_t q8 = carve_(&used, MAX_BATCH * (size_t)step->widest);
    step->group_sums_of_token = (size_t)(step->widest / TERN_FEWEST_GROUP_COLS + 1);
    size_t group_sums = carve_(&used, MAX_BATCH * step->group_sums_of_token * sizeof(int32_t));
    size_t attending = carve_(&used, n_threads * tern_attention_scratch(s->head_dim) * sizeof(float));
    size_t partials =
        carve_(&used, tern_attention_partials(s->n_heads, s->head_dim, s->max_context) * sizeof(float));
    size_t planes = carve_(&used, s->screen.lines ? MAX_BATCH * tern_screen_bytes(s->hidden) : 0);
    step->memory = malloc(used + TERN_ALIGNMENT);
    if (!step->memory) return 0;
    char *base = step->memory + (TERN_ALIGNMENT - (uintptr_t)step->memory % TERN_ALIGNMENT);
    step->x = (float *)(base + x);
    step->normed = (float *)(base + normed);
    step->qkv = (float *)(base + qkv);
    step->attended = (float *)(base + attended);
    step->gated = (float *)(base + gated);
    step->q8 = (int8_t *)(base + q8);
    step->group_sums = (int32_t *)(base + group_sums);
    step->attention = (tern_attention_state){
        .k = step->k,
        .cache = s->cache,
        .n_heads = s->n_heads,
        .n_kv_heads = s->n_kv_heads,
        .head_dim = s->head_dim,
        .max_context = s->max_context,
        .scratch = (float *)(base + attending),
        .partials = (float *)(base + partials),
        .q = step->qkv,
        .out = step->attended,
        .q_stride = (size_t)step->qkv_rows,
        .out_stride = (size_t)step->attention_width,
    };
    step->planes = base + planes;
    return 1;
}

tern_step *tern_step_create(const tern_shape *shape, const tern_kernels *kernels, int n_threads) {
    tern_step *step = calloc(1, sizeof *step);
    if (!step) return NULL;
    step->s = *shape;
    step->k = kernels;
    step->attention_width = shape->n_heads * shape->head_dim;
    step->q_rows = padded_(step->attention_width);
    step->kv_rows = padded_(shape->n_kv_heads * shape->head_dim);
    step->qkv_rows = step->q_rows + 2 * step->kv_rows;
    step->widest = larger_(larger_(shape->hidden, shape->intermediate), step->attention_width);
    step->pool = tern_pool_create(n_threads);
    if (step->pool) step->phases = tern_phases_create(step->pool, n_phases_(shape), do_items_, step);
    if (!step->phases || !allocate_(step)) {
        step->s.layers = NULL; /* stays the caller's */
        tern_step_destroy(step);
        return NULL;
    }
    return step;
}

void tern_step_destroy(tern_step *step) {
    if (!step) return;
    tern_pool_destroy(step->pool); /* first: its threads may still look at the phases */
    tern_phases_destroy(step->phases);
    free(step->s.layers);
    free(step->memory);
    free(step);
}

void tern_step_interrupt(tern_step *step, int on) { tern_store(&step->interrupt, on); }

/* ---- the parts of a layer ---- */

static void embed_(tern_step *step, int token) {
    size_t hidden = (size_t)step->s.hidden;
    const uint16_t *row = step->embedded ? step->embedded + (size_t)token * hidden
                                         : step->s.embedding + (size_t)step->ids[token] * hidden;
    float *x = step->x + (size_t)token * hidden;
    for (size_t i = 0; i < hidden; i++) {
        uint32_t bits = (uint32_t)row[i] << 16;
        memcpy(x + i, &bits, 4);
    }
}

/* Tokens as int8 for the matrix `m`, into their place in the group of (at most) four that shares each read of it. */
static void quantize_tokens_(tern_step *step, const float *rows, int width, const float *norm, const tern_matrix *m,
                             range tokens) {
    for (int t = tokens.from; t < tokens.to; t++) {
        const float *row = rows + (size_t)t * (size_t)width;
        if (norm) {
            float *normed = step->normed + (size_t)t * (size_t)width;
            step->k->rms_norm(row, norm, (size_t)width, step->s.rms_eps, normed);
            row = normed;
        }
        int group = t / TERN_GROUP * TERN_GROUP;
        int in_group = step->n - group < TERN_GROUP ? step->n - group : TERN_GROUP;
        int8_t *out = step->q8 + (size_t)group * (size_t)width + (size_t)(t - group) * 4;
        step->q8_scale[t] = step->k->quantize(row, (size_t)width, out, (size_t)in_group * 4, &step->q8_sum[t]);
        if (m->group_scales) {
            tern_group_sums(out, (size_t)in_group * 4, m->n_lines, m->group_lines,
                            step->group_sums + (size_t)t * step->group_sums_of_token);
        }
    }
}

/* The raw sums of one block for the group of tokens that begins at `group`; returns how many tokens it has. */
static int block_sums_(const tern_step *step, const tern_matrix *m, int block, int group, int32_t *raw) {
    size_t n_lines = (size_t)m->n_lines;
    int in_group = step->n - group < TERN_GROUP ? step->n - group : TERN_GROUP;
    const int8_t *x = step->q8 + (size_t)group * n_lines * 4;
    step->k->ternary_block(m->lines + (size_t)block * n_lines * TERN_LINE, n_lines, x, in_group, raw);
    return in_group;
}

/* The same as floats, for blocks with factors for groups of columns and their neighbours. */
static int block_values_(const tern_step *step, const tern_matrix *m, int block, int group, float *values) {
    int in_group = step->n - group < TERN_GROUP ? step->n - group : TERN_GROUP;
    size_t sums = step->group_sums_of_token;
    tern_tokens tokens = {step->q8 + (size_t)group * (size_t)m->n_lines * 4, in_group, step->q8_scale + group,
                          step->q8_sum + group, step->group_sums + (size_t)group * sums, sums};
    tern_block_values(step->k, m, block, &tokens, values);
    return in_group;
}

/* What linear_ does, for one block with factors for groups of columns. */
static void linear_grouped_(tern_step *step, const tern_matrix *m, int is_added, float *y, int width, int block) {
    float values[TERN_GROUP * TERN_BLOCK_ROWS];
    int row = block * TERN_BLOCK_ROWS;
    int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
    for (int group = 0; group < step->n; group += TERN_GROUP) {
        int in_group = block_values_(step, m, block, group, values);
        for (int i = 0; i < in_group; i++) {
            float *to = y + (size_t)(group + i) * (size_t)width + row;
            const float *from = values + i * TERN_BLOCK_ROWS;
            for (int r = 0; r < n_rows; r++) to[r] = is_added ? to[r] + from[r] : from[r];
        }
    }
}

typedef void (*row_writer)(const int32_t *raw, int32_t sum, float factor, size_t n, float *y);

/* y[token][row] = or += (W x)[row] for this thread's blocks; rows past `width` are padding and not written. */
static void linear_(tern_step *step, const tern_matrix *m, row_writer write, float *y, int width, range blocks) {
    int32_t raw[TERN_GROUP * TERN_BLOCK_ROWS];
    for (int block = blocks.from; block < blocks.to; block++) {
        if (tern_is_grouped(m, block)) {
            linear_grouped_(step, m, write == step->k->add_rows, y, width, block);
            continue;
        }
        int row = block * TERN_BLOCK_ROWS;
        int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
        for (int group = 0; group < step->n; group += TERN_GROUP) {
            int in_group = block_sums_(step, m, block, group, raw);
            for (int i = 0; i < in_group; i++) {
                int t = group + i;
                float factor = m->block_scales[block] / step->q8_scale[t];
                write(raw + i * TERN_BLOCK_ROWS, step->q8_sum[t], factor, (size_t)n_rows,
                      y + (size_t)t * (size_t)width + row);
            }
        }
    }
}

/* What gate_up_ does, for one pair of blocks at least one of which has factors for groups of columns. */
static void gate_up_grouped_(tern_step *step, const tern_matrix *m, int pair) {
    float gate[TERN_GROUP * TERN_BLOCK_ROWS], up[TERN_GROUP * TERN_BLOCK_ROWS];
    int width = step->s.intermediate, row = pair * TERN_BLOCK_ROWS;
    int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
    for (int group = 0; group < step->n; group += TERN_GROUP) {
        int in_group = block_values_(step, m, 2 * pair, group, gate);
        block_values_(step, m, 2 * pair + 1, group, up);
        for (int i = 0; i < in_group; i++) {
            step->k->gate_values(gate + i * TERN_BLOCK_ROWS, up + i * TERN_BLOCK_ROWS, step->s.activation,
                                 (size_t)n_rows, step->gated + (size_t)(group + i) * (size_t)width + row);
        }
    }
}

/* gated[token][row] = activation(gate row) * up row; `pairs` counts pairs of blocks. */
static void gate_up_(tern_step *step, const tern_matrix *m, range pairs) {
    int32_t gate[TERN_GROUP * TERN_BLOCK_ROWS], up[TERN_GROUP * TERN_BLOCK_ROWS];
    int width = step->s.intermediate;
    for (int pair = pairs.from; pair < pairs.to; pair++) {
        if (tern_is_grouped(m, 2 * pair) || tern_is_grouped(m, 2 * pair + 1)) {
            gate_up_grouped_(step, m, pair);
            continue;
        }
        int row = pair * TERN_BLOCK_ROWS;
        int n_rows = width - row < TERN_BLOCK_ROWS ? width - row : TERN_BLOCK_ROWS;
        for (int group = 0; group < step->n; group += TERN_GROUP) {
            int in_group = block_sums_(step, m, 2 * pair, group, gate);
            block_sums_(step, m, 2 * pair + 1, group, up);
            for (int i = 0; i < in_group; i++) {
                int t = group + i;
                float gate_factor = m->block_scales[2 * pair] / step->q8_scale[t];
                float up_factor = m->block_scales[2 * pair + 1] / step->q8_scale[t];
                step->k->gate_rows(gate + i * TERN_BLOCK_ROWS, gate_factor, up + i * TERN_BLOCK_ROWS, up_factor,
                                   step->q8_sum[t], step->s.activation, (size_t)n_rows,
                                   step->gated + (size_t)t * (size_t)width + row);
            }
        }
    }
}

/* Rotates the queries in place; rotated keys and values go into the cache. */
static void rotate_and_store_(tern_step *step, int layer, int t) {
    const tern_shape *s = &step->s;
    size_t dim = (size_t)s->head_dim, half = dim / 2, position = (size_t)(step->start + t);
    const float *cosine = s->rope_cos + position * half, *sine = s->rope_sin + position * half;
    float *q = step->qkv + (size_t)t * (size_t)step->qkv_rows;
    float *k = q + step->q_rows, *v = k + step->kv_rows;
    for (int head = 0; head < s->n_heads; head++) step->k->rope(q + (size_t)head * dim, half, cosine, sine);
    for (int head = 0; head < s->n_kv_heads; head++) {
        float *key = k + (size_t)head * dim;
        step->k->rope(key, half, cosine, sine);
        tern_attention_store(&step->attention, layer, head, (int)position, key, v + (size_t)head * dim);
    }
}

static int n_tiles_(const tern_step *step) { return (step->s.vocab + TERN_HEAD_TILE - 1) / TERN_HEAD_TILE; }

/* The bounds of the t-th of some tokens. */
static tern_bounds bounds_at_(const tern_step *step, tern_bounds b, int t) {
    size_t tiles = (size_t)t * (size_t)n_tiles_(step), rows = tiles * TERN_HEAD_TILE;
    return (tern_bounds){b.lower + rows, b.upper + rows, b.tile_lower + tiles, b.tile_upper + tiles};
}

/* One item is a tile of rows of the vocabulary, for the last output.n tokens. */
static void head_items_(tern_step *step, range items) {
    const tern_shape *s = &step->s;
    const tern_output *to = &step->output;
    size_t hidden = (size_t)s->hidden;
    for (int item = items.from; item < items.to; item++) {
        int row = item * TERN_HEAD_TILE;
        size_t n_rows = (size_t)(s->vocab - row < TERN_HEAD_TILE ? s->vocab - row : TERN_HEAD_TILE);
        for (int t = 0; t < to->n; t++) {
            if (to->logits) {
                step->k->head_rows(s->head + (size_t)row * hidden, n_rows, hidden, step->normed + (size_t)t * hidden,
                                   to->logits + (size_t)t * (size_t)s->vocab + row);
            }
            if (to->bounds.lower) {
                tern_screen_tile(step->k, &s->screen, s->vocab, s->hidden, item, &step->screened[t],
                                 bounds_at_(step, to->bounds, t));
            }
        }
    }
}

static void final_norm_(tern_step *step, range items) {
    size_t hidden = (size_t)step->s.hidden;
    const tern_output *to = &step->output;
    const float *first = step->x + (size_t)(step->n - to->n) * hidden;
    for (int t = items.from; t < items.to; t++) {
        float *normed = step->normed + (size_t)t * hidden;
        step->k->rms_norm(first + (size_t)t * hidden, step->s.final_norm, hidden, step->s.rms_eps, normed);
        if (to->hidden) memcpy(to->hidden + (size_t)t * hidden, normed, hidden * sizeof *normed);
        if (to->bounds.lower) {
            char *planes = step->planes + (size_t)t * tern_screen_bytes(step->s.hidden);
            tern_screen_state(normed, step->s.hidden, planes, &step->screened[t]);
        }
    }
}

/* ---- the phases ---- */

static void do_layer_items_(tern_step *step, int index, int phase, range items, int thread) {
    const tern_layer *layer = &step->s.layers[index];
    const tern_shape *s = &step->s;
    const tern_kernels *k = step->k;
    switch (phase) {
        case PHASE_IN_NORM: quantize_tokens_(step, step->x, s->hidden, layer->input_norm, &layer->qkv, items); break;
        case PHASE_QKV: linear_(step, &layer->qkv, k->scale_rows, step->qkv, step->qkv_rows, items); break;
        case PHASE_ROPE:
            for (int t = items.from; t < items.to; t++) rotate_and_store_(step, index, t);
            break;
        case PHASE_ATTENTION:
            for (int i = items.from; i < items.to; i++) tern_attend_item(&step->attention, index, i, thread);
            break;
        case PHASE_MERGE:
            for (int i = items.from; i < items.to; i++) tern_merge_item(&step->attention, i);
            break;
        case PHASE_OUT_NORM:
            quantize_tokens_(step, step->attended, step->attention_width, layer->attn_sub_norm, &layer->o, items);
            break;
        case PHASE_OUT: linear_(step, &layer->o, k->add_rows, step->x, s->hidden, items); break;
        case PHASE_FFN_NORM: quantize_tokens_(step, step->x, s->hidden, layer->post_norm, &layer->gate_up, items); break;
        case PHASE_GATE_UP: gate_up_(step, &layer->gate_up, items); break;
        case PHASE_DOWN_NORM:
            quantize_tokens_(step, step->gated, s->intermediate, layer->ffn_sub_norm, &layer->down, items);
            break;
        default: linear_(step, &layer->down, k->add_rows, step->x, s->hidden, items); break;
    }
}

static void do_items_(void *argument, int phase, int from, int to, int thread) {
    tern_step *step = argument;
    range items = {from, to};
    int in_layers = phase - FIRST_LAYER, layer_phases = step->s.n_layers * PHASES_OF_LAYER;
    if (phase == PHASE_EMBED) {
        for (int t = from; t < to; t++) embed_(step, t);
    } else if (in_layers < layer_phases) {
        do_layer_items_(step, in_layers / PHASES_OF_LAYER, in_layers % PHASES_OF_LAYER, items, thread);
    } else if (in_layers == layer_phases) {
        final_norm_(step, items);
    } else {
        head_items_(step, items);
    }
}

/* How many items each phase of the coming batch has. Chunks of a few microseconds: a thread that loses its core in the
 * middle of one holds up the others, and each chunk costs an atomic exchange. */
static void plan_(tern_step *step) {
    const tern_shape *s = &step->s;
    int few = step->n == 1 ? 4 : 1, fewer = step->n == 1 ? 2 : 1, phase = FIRST_LAYER;
    tern_attention_batch(&step->attention, step->n, step->start);
    tern_phases_set(step->phases, PHASE_EMBED, step->n, 4);
    for (int i = 0; i < s->n_layers; i++, phase += PHASES_OF_LAYER) {
        const tern_layer *layer = &s->layers[i];
        for (int p = 0; p < PHASES_OF_LAYER; p++) tern_phases_set(step->phases, phase + p, step->n, 1);
        tern_phases_set(step->phases, phase + PHASE_QKV, layer->qkv.n_blocks, few);
        tern_phases_set(step->phases, phase + PHASE_ATTENTION, tern_attention_items(&step->attention), 1);
        tern_phases_set(step->phases, phase + PHASE_MERGE, tern_merge_items(&step->attention), 1);
        tern_phases_set(step->phases, phase + PHASE_OUT, layer->o.n_blocks, few);
        tern_phases_set(step->phases, phase + PHASE_GATE_UP, layer->gate_up.n_blocks / 2, fewer);
        tern_phases_set(step->phases, phase + PHASE_DOWN, layer->down.n_blocks, fewer);
    }
    tern_phases_set(step->phases, phase, step->output.n, 1);
    int has_head = step->output.n > 0 && (step->output.logits || step->output.bounds.lower);
    tern_phases_set(step->phases, phase + 1, has_head ? n_tiles_(step) : 0, step->output.logits ? 1 : fewer);
}

/* The part of an output that belongs to the n tokens from `done` on. */
static tern_output output_at_(const tern_step *step, const tern_output *all, int done, int n) {
    tern_output part = *all;
    part.n = n;
    if (all->logits) part.logits += (size_t)done * (size_t)step->s.vocab;
    if (all->hidden) part.hidden += (size_t)done * (size_t)step->s.hidden;
    if (all->bounds.lower) part.bounds = bounds_at_(step, all->bounds, done);
    return part;
}

int tern_step_forward(tern_step *step, const int32_t *ids, const uint16_t *embedded, int n, int start,
                      const tern_output *output) {
    for (int done = 0; done < n; done += step->n) {
        int is_last = n - done <= MAX_BATCH, are_all = output->n == n;
        step->n = is_last ? n - done : MAX_BATCH;
        step->ids = ids + done;
        step->embedded = embedded ? embedded + (size_t)done * (size_t)step->s.hidden : NULL;
        step->start = start + done;
        step->output = output_at_(step, output, are_all ? done : 0, are_all ? step->n : is_last ? output->n : 0);
        plan_(step);
        if (!tern_phases_run(step->phases, &step->interrupt)) return 0;
    }
    return 1;
}

void tern_step_head_rows(tern_step *step, const uint16_t *rows, int n_rows, const float *hidden, int n, float *out,
                         size_t stride) {
    tern_head_rows(step->k, step->pool, rows, n_rows, step->s.hidden, hidden, n, out, stride);
}

/* ---- one linear by itself ---- */

void tern_interleave(const int8_t *x, int n, size_t n_lines, int8_t *out) {
    for (int t = 0; t < n; t++) {
        int group = t / TERN_GROUP * TERN_GROUP;
        size_t in_group = (size_t)(n - group < TERN_GROUP ? n - group : TERN_GROUP);
        int8_t *to = out + (size_t)group * n_lines * 4 + (size_t)(t - group) * 4;
        for (size_t i = 0; i < n_lines; i++) memcpy(to + i * 4 * in_group, x + ((size_t)t * n_lines + i) * 4, 4);
    }
}

void tern_ternary_sums(const tern_kernels *kernels, const uint8_t *lines, int n_blocks, int n_lines, const int8_t *x,
                       int n, int8_t *scratch, int32_t *sums) {
    size_t depth = (size_t)n_lines * 4, rows = (size_t)n_blocks * TERN_BLOCK_ROWS;
    int32_t raw[TERN_GROUP * TERN_BLOCK_ROWS];
    tern_interleave(x, n, (size_t)n_lines, scratch);
    for (int block = 0; block < n_blocks; block++) {
        const uint8_t *from = lines + (size_t)block * (size_t)n_lines * TERN_LINE;
        for (int group = 0; group < n; group += TERN_GROUP) {
            int in_group = n - group < TERN_GROUP ? n - group : TERN_GROUP;
            kernels->ternary_block(from, (size_t)n_lines, scratch + (size_t)group * depth, in_group, raw);
            for (int i = 0; i < in_group; i++) {
                int32_t sum = 0;
                for (size_t k = 0; k < depth; k++) sum += x[(size_t)(group + i) * depth + k];
                int32_t *out = sums + (size_t)(group + i) * rows + (size_t)block * TERN_BLOCK_ROWS;
                for (int r = 0; r < TERN_BLOCK_ROWS; r++) out[r] = raw[i * TERN_BLOCK_ROWS + r] - sum;
            }
        }
    }
}

/* ---- the reference read of the benchmark ---- */

typedef struct {
    const uint8_t *bytes;
    size_t n;
    const tern_kernels *kernels;
    uint64_t sums[256];
} read_job;

static void read_part_(void *argument, int thread, int n_threads) {
    read_job *job = argument;
    size_t lines = job->n / 64;
    size_t from = lines * (size_t)thread / (size_t)n_threads, to = lines * (size_t)(thread + 1) / (size_t)n_threads;
    job->sums[thread % 256] = job->kernels->read_all(job->bytes + from * 64, (to - from) * 64);
}

double tern_sequential_read(const uint8_t *bytes, size_t n, int n_threads, int rounds) {
    tern_pool *pool = tern_pool_create(n_threads);
    if (!pool) return -1.0;
    read_job job = {.bytes = bytes, .n = n, .kernels = tern_available_kernels()[0]};
    double best = 1e30;
    for (int i = 0; i < rounds; i++) {
        double begin = tern_seconds();
        tern_pool_run(pool, read_part_, &job);
        double taken = tern_seconds() - begin;
        if (taken < best) best = taken;
    }
    tern_pool_destroy(pool);
    return best;
}
