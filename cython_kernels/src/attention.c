/* See attention.h. */
#include "attention.h"

#include <math.h>

enum {
    SPLIT_TOKENS = 16 /* up to so many, blocks of positions are shared too */
};

static size_t part_floats_(int head_dim) { return TERN_PART_SUMS + (size_t)head_dim; }

static int n_blocks_(int n_positions) { return (n_positions + TERN_ATTENTION_BLOCK - 1) / TERN_ATTENTION_BLOCK; }

/* Weights, then for each query of a tile the part so far and the one of the current block. */
size_t tern_attention_scratch(int head_dim) {
    return TERN_TILE_QUERIES * (TERN_ATTENTION_BLOCK + 2 * part_floats_(head_dim));
}

size_t tern_attention_partials(int n_heads, int head_dim, int max_context) {
    return (size_t)SPLIT_TOKENS * (size_t)n_heads * (size_t)n_blocks_(max_context) * part_floats_(head_dim);
}

void tern_attention_batch(tern_attention_state *a, int n, int start) {
    int queries = a->n_heads / a->n_kv_heads, tokens = TERN_TILE_QUERIES / queries;
    a->n = n;
    a->start = start;
    a->n_blocks = n_blocks_(start + n);
    a->is_split = n <= SPLIT_TOKENS && a->n_blocks > 1;
    a->tokens_of_item = tokens < 1 ? 1 : tokens < n ? tokens : n;
}

static int n_groups_(const tern_attention_state *a) { return (a->n + a->tokens_of_item - 1) / a->tokens_of_item; }

int tern_attention_items(const tern_attention_state *a) {
    return a->n_kv_heads * n_groups_(a) * (a->is_split ? a->n_blocks : 1);
}

int tern_merge_items(const tern_attention_state *a) { return a->is_split ? a->n * a->n_kv_heads : 0; }

/* The cache of one layer and KV head, from `position` on; that is a multiple of TERN_KV_BLOCK. */
static tern_kv cache_at_(const tern_attention_state *a, int layer, int kv_head, int position) {
    static const size_t sizes[] = {sizeof(float), sizeof(uint16_t), sizeof(int8_t)};
    size_t positions = ((size_t)layer * (size_t)a->n_kv_heads + (size_t)kv_head) * (size_t)a->max_context;
    size_t at = positions + (size_t)position, bytes = at * (size_t)a->head_dim * sizes[a->cache.type];
    tern_kv kv = {.type = a->cache.type, .keys = (char *)a->cache.keys + bytes, .values = (char *)a->cache.values + bytes};
    if (kv.type == TERN_KV_I8) {
        kv.key_scales = a->cache.key_scales + at;
        kv.value_scales = a->cache.value_scales + at;
    }
    return kv;
}

void tern_attention_store(const tern_attention_state *a, int layer, int kv_head, int position, const float *key,
                          const float *value) {
    tern_kv kv = cache_at_(a, layer, kv_head, 0);
    a->k->store_kv(&kv, (size_t)position, key, value, (size_t)a->head_dim);
}

static float *partial_(const tern_attention_state *a, int token, int head, int block) {
    size_t n_blocks = (size_t)n_blocks_(a->max_context), query = (size_t)token * (size_t)a->n_heads + (size_t)head;
    return a->partials + (query * n_blocks + (size_t)block) * part_floats_(a->head_dim);
}

/* Queries first .. of an item, at most a tile of them. */
typedef struct {
    int kv_head, token, n_tokens, first, n, thread;
} queries_of;

static int token_of_(const tern_attention_state *a, const queries_of *all, int i) {
    return all->token + (all->first + i) / (a->n_heads / a->n_kv_heads);
}

static int head_of_(const tern_attention_state *a, const queries_of *all, int i) {
    int queries = a->n_heads / a->n_kv_heads;
    return all->kv_head * queries + (all->first + i) % queries;
}

/* Where the part of the i-th query goes: the first block's is what others are merged into. */
static float *part_of_(const tern_attention_state *a, const queries_of *all, int i, int block) {
    if (a->is_split) return partial_(a, token_of_(a, all, i), head_of_(a, all, i), block);
    float *parts = a->scratch + (size_t)all->thread * tern_attention_scratch(a->head_dim);
    parts += TERN_TILE_QUERIES * TERN_ATTENTION_BLOCK;
    return parts + (size_t)(block ? TERN_TILE_QUERIES + i : i) * part_floats_(a->head_dim);
}

/* One block for those queries that see any of it; they are the last ones. Returns the first of them. */
static int attend_block_(const tern_attention_state *a, int layer, const queries_of *all, int block) {
    int from = block * TERN_ATTENTION_BLOCK, skipped = 0;
    tern_tile tile = {
        .kv = cache_at_(a, layer, all->kv_head, from),
        .weights = a->scratch + (size_t)all->thread * tern_attention_scratch(a->head_dim),
        .head_dim = a->head_dim,
        .scale = 1.0f / sqrtf((float)a->head_dim),
    };
    for (int i = 0; i < all->n; i++) {
        int token = token_of_(a, all, i), visible = a->start + token + 1 - from;
        if (visible <= 0) {
            skipped++;
            continue;
        }
        int at = tile.n_queries++;
        tile.q[at] = a->q + (size_t)token * a->q_stride + (size_t)head_of_(a, all, i) * (size_t)a->head_dim;
        tile.n_visible[at] = visible < TERN_ATTENTION_BLOCK ? visible : TERN_ATTENTION_BLOCK;
        tile.part[at] = part_of_(a, all, i, block);
    }
    if (tile.n_queries) a->k->attend_tile(&tile);
    return skipped;
}

static float *out_of_(const tern_attention_state *a, int token, int head) {
    return a->out + (size_t)token * a->out_stride + (size_t)head * (size_t)a->head_dim;
}

static void attend_queries_(const tern_attention_state *a, int layer, const queries_of *all) {
    size_t dim = (size_t)a->head_dim;
    int n_blocks = n_blocks_(a->start + all->token + all->n_tokens);
    attend_block_(a, layer, all, 0);
    for (int block = 1; block < n_blocks; block++) {
        for (int i = attend_block_(a, layer, all, block); i < all->n; i++) {
            a->k->merge_part(part_of_(a, all, i, 0), part_of_(a, all, i, block), dim);
        }
    }
    for (int i = 0; i < all->n; i++) {
        a->k->finish_part(part_of_(a, all, i, 0), dim, out_of_(a, token_of_(a, all, i), head_of_(a, all, i)));
    }
}

void tern_attend_item(const tern_attention_state *a, int layer, int item, int thread) {
    int n_groups = n_groups_(a), n_blocks = a->is_split ? a->n_blocks : 1;
    queries_of all = {.kv_head = item / n_blocks / n_groups, .thread = thread};
    all.token = item / n_blocks % n_groups * a->tokens_of_item;
    all.n_tokens = a->n - all.token < a->tokens_of_item ? a->n - all.token : a->tokens_of_item;
    int n_queries = all.n_tokens * (a->n_heads / a->n_kv_heads);
    for (; all.first < n_queries; all.first += TERN_TILE_QUERIES) {
        all.n = n_queries - all.first < TERN_TILE_QUERIES ? n_queries - all.first : TERN_TILE_QUERIES;
        if (a->is_split) {
            attend_block_(a, layer, &all, item % n_blocks);
        } else {
            attend_queries_(a, layer, &all);
        }
    }
}

void tern_merge_item(const tern_attention_state *a, int item) {
    int token = item / a->n_kv_heads, queries = a->n_heads / a->n_kv_heads, first = item % a->n_kv_heads * queries;
    int n_blocks = n_blocks_(a->start + token + 1);
    size_t dim = (size_t)a->head_dim;
    for (int head = first; head < first + queries; head++) {
        float *part = partial_(a, token, head, 0);
        for (int block = 1; block < n_blocks; block++) a->k->merge_part(part, partial_(a, token, head, block), dim);
        a->k->finish_part(part, dim, out_of_(a, token, head));
    }
}
