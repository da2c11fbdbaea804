/* See grouped.h. */
#include "grouped.h"

#include <string.h>

void tern_group_sums(const int8_t *x, size_t stride, int n_lines, int group_lines, int32_t *sums) {
    for (int first = 0; first < n_lines; first += group_lines, sums++) {
        int32_t sum = 0;
        for (int i = first; i < first + group_lines; i++) {
            const int8_t *four = x + (size_t)i * stride;
            sum += four[0] + four[1] + four[2] + four[3];
        }
        *sums = sum;
    }
}

static void grouped_values_(const tern_kernels *k, const tern_matrix *m, int block, const tern_tokens *tokens,
                            float *values) {
    int32_t raw[TERN_GROUP * TERN_BLOCK_ROWS];
    int n_groups = m->n_lines / m->group_lines;
    size_t group_lines = (size_t)m->group_lines, n = (size_t)tokens->n_tokens;
    const uint8_t *lines = m->lines + (size_t)block * (size_t)m->n_lines * TERN_LINE;
    const float *factors = m->group_scales + (size_t)block * (size_t)n_groups * TERN_BLOCK_ROWS;
    memset(values, 0, n * TERN_BLOCK_ROWS * sizeof *values);
    for (int g = 0; g < n_groups; g++) {
        const int8_t *x = tokens->x + (size_t)g * group_lines * 4 * n;
        k->ternary_block(lines + (size_t)g * group_lines * TERN_LINE, group_lines, x, tokens->n_tokens, raw);
        for (int t = 0; t < tokens->n_tokens; t++) {
            k->add_group(raw + t * TERN_BLOCK_ROWS, tokens->group_sums[(size_t)t * tokens->group_sums_of_token + (size_t)g],
                         factors + (size_t)g * TERN_BLOCK_ROWS, TERN_BLOCK_ROWS, values + t * TERN_BLOCK_ROWS);
        }
    }
    for (int t = 0; t < tokens->n_tokens; t++) {
        float *of_token = values + t * TERN_BLOCK_ROWS, scale = tokens->scales[t];
        for (int r = 0; r < TERN_BLOCK_ROWS; r++) of_token[r] = of_token[r] / scale;
    }
}

void tern_block_values(const tern_kernels *k, const tern_matrix *m, int block, const tern_tokens *tokens,
                       float *values) {
    if (tern_is_grouped(m, block)) {
        grouped_values_(k, m, block, tokens, values);
        return;
    }
    int32_t raw[TERN_GROUP * TERN_BLOCK_ROWS];
    size_t n_lines = (size_t)m->n_lines;
    k->ternary_block(m->lines + (size_t)block * n_lines * TERN_LINE, n_lines, tokens->x, tokens->n_tokens, raw);
    for (int t = 0; t < tokens->n_tokens; t++) {
        k->scale_rows(raw + t * TERN_BLOCK_ROWS, tokens->sums[t], m->block_scales[block] / tokens->scales[t],
                      TERN_BLOCK_ROWS, values + t * TERN_BLOCK_ROWS);
    }
}

void tern_ternary_values(const tern_kernels *k, const tern_matrix *m, const int8_t *x, const float *scales, int n,
                         int8_t *scratch, int32_t *group_sums, float *values) {
    size_t depth = (size_t)m->n_lines * 4, rows = (size_t)m->n_blocks * TERN_BLOCK_ROWS;
    int group_lines = m->group_scales ? m->group_lines : m->n_lines;
    size_t sums_of_token = (size_t)(m->n_lines / group_lines);
    float of_block[TERN_GROUP * TERN_BLOCK_ROWS];
    tern_interleave(x, n, (size_t)m->n_lines, scratch);
    for (int group = 0; group < n; group += TERN_GROUP) {
        int in_group = n - group < TERN_GROUP ? n - group : TERN_GROUP;
        const int8_t *of_group = scratch + (size_t)group * depth;
        int32_t sums[TERN_GROUP];
        for (int t = 0; t < in_group; t++) {
            int32_t *own = group_sums + (size_t)t * sums_of_token;
            tern_group_sums(of_group + t * 4, (size_t)in_group * 4, m->n_lines, group_lines, own);
            sums[t] = 0;
            for (size_t g = 0; g < sums_of_token; g++) sums[t] += own[g];
        }
        tern_tokens tokens = {of_group, in_group, scales + group, sums, group_sums, sums_of_token};
        for (int block = 0; block < m->n_blocks; block++) {
            tern_block_values(k, m, block, &tokens, of_block);
            for (int t = 0; t < in_group; t++) {
                memcpy(values + (size_t)(group + t) * rows + (size_t)block * TERN_BLOCK_ROWS,
                       of_block + t * TERN_BLOCK_ROWS, sizeof(float) * TERN_BLOCK_ROWS);
            }
        }
    }
}
