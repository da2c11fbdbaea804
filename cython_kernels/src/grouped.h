/* Ternary matrices whose factor differs from group to group of columns (128 or 256 of them): TQ1_0 and TQ2_0 files, and
 * models trained with a scale for each group.
 *
 * Such a block of 64 rows has block_scales 0 and factors in group_scales, [n_blocks][groups][64]. Inside a group the sum
 * is the exact int32 of kernels.h; over the groups it is float, in ONE order for every kernel set, thread and batch:
 *
 *     y[row] = (((0 + a_0 f_0) + a_1 f_1) + a_2 f_2 + ...) / activation_scale,   a_g = sum over group g of w x
 *
 * each product rounded, then added (add_group in float_ops.h): within (groups + 2) 2^-24 of sum |a_g f_g| of what it
 * would be without rounding. A block with one factor beside it in the same matrix
 * keeps its own way and its own bits. */
#ifndef TERN_GROUPED_H
#define TERN_GROUPED_H

#include "forward.h"

enum { TERN_FEWEST_GROUP_COLS = 128 };

static inline int tern_is_grouped(const tern_matrix *m, int block) {
    return m->group_scales != NULL && m->block_scales[block] == 0.0f;
}

/* sums[g] = sum of the inputs of group g of one token, whose inputs lie 4 together and `stride` bytes apart. */
void tern_group_sums(const int8_t *x, size_t stride, int n_lines, int group_lines, int32_t *sums);

/* What a group of (at most four) tokens brings along. */
typedef struct {
    const int8_t *x;           /* see kernels.h */
    int n_tokens;
    const float *scales;       /* [n_tokens], of the activations */
    const int32_t *sums;       /* [n_tokens], of all inputs */
    const int32_t *group_sums; /* [n_tokens][group_sums_of_token], by tern_group_sums */
    size_t group_sums_of_token;
} tern_tokens;

/* values[t][row] = (W x_t)[row] of one block, whichever kind it is; values is [n_tokens][64]. */
void tern_block_values(const tern_kernels *k, const tern_matrix *m, int block, const tern_tokens *tokens,
                       float *values);

/* values[t][row] of all blocks for n tokens, [n][64 * n_blocks]; x is plain [n][4 * n_lines] with scales [n]. scratch
 * holds n * 4 * n_lines bytes, group_sums 4 * (4 * n_lines / 128). One linear by itself, for tests and tools. */
void tern_ternary_values(const tern_kernels *k, const tern_matrix *m, const int8_t *x, const float *scales, int n,
                         int8_t *scratch, int32_t *group_sums, float *values);

#endif
