/* Hidden states of one whole sequence: the graphs of Qwen3 and Gemma 3 with a norm before each ternary projection
 * (BitNet embedding models). Nothing is kept between runs; keys and values live for one layer. */
#ifndef TERN_ENCODER_H
#define TERN_ENCODER_H

#include "forward.h"

typedef struct {
    tern_matrix q, k, v, o, gate, up, down;
    const float *attn_norm, *ffn_norm;                               /* [hidden] */
    const float *q_in, *k_in, *v_in, *o_in, *gate_in, *up_in, *down_in; /* before each projection, on its inputs */
    const float *q_head, *k_head;                                    /* [head_dim], after the projection */
    const float *post_attn, *post_ffn;                               /* [hidden], before the sum; NULL: none */
    const float *rope_cos, *rope_sin;                                /* [max_tokens][head_dim / 2] */
    int window; /* positions that a token sees, its own included; 0: all up to its own */
} tern_encoder_layer;

typedef struct {
    int hidden, intermediate, n_layers, n_heads, n_kv_heads, head_dim, max_tokens;
    float rms_eps, attention_scale;
    tern_activation activation;
    const float *final_norm;
    tern_encoder_layer *layers; /* owned, filled by the caller */
} tern_encoder_shape;

typedef struct tern_encoder tern_encoder;

/* Takes over shape->layers. Returns NULL when memory or threads cannot be had. */
tern_encoder *tern_encoder_create(const tern_encoder_shape *shape, const tern_kernels *kernels, int n_threads);
void tern_encoder_destroy(tern_encoder *encoder);

/* x[n][hidden] holds the embeddings of a sequence and gets the normed states after the last layer; n <= max_tokens.
 * Returns 0 when tern_encoder_interrupt stopped it; x is then undefined. */
int tern_encoder_run(tern_encoder *encoder, float *x, int n);

/* Callable from any thread. */
void tern_encoder_interrupt(tern_encoder *encoder, int on);

#endif
