/* The forward pass of one model over one KV cache. Shapes are fixed at creation; nothing is allocated in a step. */
#ifndef TERN_FORWARD_H
#define TERN_FORWARD_H

#include "attention.h"
#include "head.h"
#include "kernels.h"
#include "threads.h"

typedef struct {
    const uint8_t *lines;      /* [n_blocks][n_lines][64] */
    const float *block_scales; /* [n_blocks]; 0: the factors are in group_scales */
    int n_blocks;
    int n_lines;               /* inputs / 4 */
    const float *group_scales; /* [n_blocks][n_lines / group_lines][64], see grouped.h; NULL: none */
    int group_lines;           /* inputs of a group / 4 */
} tern_matrix;

typedef struct {
    tern_matrix qkv;     /* q, k, v, each padded to whole blocks */
    tern_matrix o;       /* attention output -> hidden */
    tern_matrix gate_up; /* blocks alternate: gate, up, gate, up */
    tern_matrix down;    /* intermediate -> hidden */
    const float *input_norm, *post_norm;
    const float *attn_sub_norm, *ffn_sub_norm; /* NULL: none */
} tern_layer;

typedef struct {
    int hidden, intermediate, n_layers, n_heads, n_kv_heads, head_dim, vocab, max_context;
    float rms_eps;
    tern_activation activation;
    const uint16_t *embedding, *head; /* bfloat16 [vocab][hidden]; NULL: rows are handed in, the head is screened */
    tern_screen screen;
    const float *final_norm;
    const float *rope_cos, *rope_sin; /* [max_context][head_dim / 2] */
    tern_layer *layers;               /* owned, filled by the caller */
    tern_kv cache;                    /* of all layers and KV heads: keys, values [n_layers][n_kv_heads][..] */
} tern_shape;

/* What a step gives for its last id or for all of its ids; NULL: not wanted. */
typedef struct {
    int n;         /* ids: 0 none, 1 the last, n all */
    float *logits; /* [n][vocab], by the plain head */
    float *hidden; /* [n][hidden], what the head multiplies */
    tern_bounds bounds; /* by the screened head */
} tern_output;

typedef struct tern_step tern_step;

/* Takes over shape->layers. Returns NULL when memory or threads cannot be had. */
tern_step *tern_step_create(const tern_shape *shape, const tern_kernels *kernels, int n_threads);
void tern_step_destroy(tern_step *step);

/* Runs n ids at positions start.. and writes their keys and values. embedded: their rows of the embedding, [n][hidden],
 * or NULL to look them up in shape->embedding. Returns 0 when tern_step_interrupt stopped it. */
int tern_step_forward(tern_step *step, const int32_t *ids, const uint16_t *embedded, int n, int start,
                      const tern_output *output);

/* Logits of n_rows rows of the head for n hidden states; see tern_head_rows. Not during a step. */
void tern_step_head_rows(tern_step *step, const uint16_t *rows, int n_rows, const float *hidden, int n, float *out,
                         size_t stride);

/* Callable from any thread. */
void tern_step_interrupt(tern_step *step, int on);

/* sums[t][row] = sum over k of w(row, k) * x[t][k], exact; x is plain [n][4 * n_lines], sums is [n][64 * n_blocks].
 * scratch holds n * 4 * n_lines bytes. One linear by itself, for tests and tools. */
void tern_ternary_sums(const tern_kernels *kernels, const uint8_t *lines, int n_blocks, int n_lines, const int8_t *x,
                       int n, int8_t *scratch, int32_t *sums);

/* Plain inputs [n][4 * n_lines] into the order of kernels.h, groups of at most four tokens. */
void tern_interleave(const int8_t *x, int n, size_t n_lines, int8_t *out);

/* Best of `rounds`: seconds that n_threads threads need to read n bytes in order, each its own part. */
double tern_sequential_read(const uint8_t *bytes, size_t n, int n_threads, int rounds);

#endif
