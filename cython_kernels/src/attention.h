/* Attention of a batch of tokens over the KV cache, cut into items that threads share.
 *
 * An item is some tokens, one KV head and, for a small batch, one block of positions; its parts are then merged by items
 * of a second phase. The blocks are always the same (attention_ops.h), so the cut changes no bit. Memory: linear in the
 * context, whatever the batch. */
#ifndef TERN_ATTENTION_H
#define TERN_ATTENTION_H

#include "kernels.h"

typedef struct {
    /* set once */
    const tern_kernels *k;
    tern_kv cache; /* of all layers and KV heads, one after the other */
    int n_heads, n_kv_heads, head_dim, max_context;
    float *scratch;  /* tern_attention_scratch floats for each thread */
    float *partials; /* tern_attention_partials floats */

    /* where the queries of the first token stand and where its output goes; floats to the next token's */
    const float *q;
    float *out;
    size_t q_stride, out_stride;

    /* the current batch */
    int n, start, tokens_of_item, n_blocks, is_split;
} tern_attention_state;

size_t tern_attention_scratch(int head_dim);
size_t tern_attention_partials(int n_heads, int head_dim, int max_context);

/* What follows is for n tokens at positions start.. */
void tern_attention_batch(tern_attention_state *a, int n, int start);
int tern_attention_items(const tern_attention_state *a);
int tern_merge_items(const tern_attention_state *a);

/* Writes key and value of one KV head into the cache. */
void tern_attention_store(const tern_attention_state *a, int layer, int kv_head, int position, const float *key,
                          const float *value);

/* Items of the two phases; the second one has none where the first does it all. */
void tern_attend_item(const tern_attention_state *a, int layer, int item, int thread);
void tern_merge_item(const tern_attention_state *a, int item);

#endif
