/* Codes of any row-major source into layout A1. See kernels.h for the picture. */
#include "pack.h"

#include <string.h>

enum { WORD_OF_ZEROS = 0x01010101 }; /* code 1 four times: weight 0, for the rows that pad the last block */

/* One plane of one line: the codes of 16 rows lie 4 bytes apart. Returns the OR of all words seen, to find code 3. */
static uint32_t pack_row_(const uint8_t *source, int shift, size_t n_lines, uint8_t *lines, int row) {
    int plane = row / 16;
    uint8_t *out = lines + (size_t)(row % 16) * 4;
    uint32_t bad = 0;
    for (size_t i = 0; i < n_lines; i++) {
        uint32_t word = WORD_OF_ZEROS, line;
        if (source) {
            memcpy(&word, source + i * 4, 4);
            word = word >> shift & 0x03030303u;
            bad |= word & word >> 1 & WORD_OF_ZEROS;
        }
        memcpy(&line, out + i * TERN_LINE, 4);
        line |= word << (2 * plane);
        memcpy(out + i * TERN_LINE, &line, 4);
    }
    return bad;
}

int tern_pack(uint8_t *lines, size_t n_lines, const uint8_t *source, size_t source_rows, size_t rows,
              size_t first_block, size_t block_step) {
    size_t n_blocks = (rows + TERN_BLOCK_ROWS - 1) / TERN_BLOCK_ROWS;
    size_t cols = n_lines * 4;
    uint32_t bad = 0;
    for (size_t block = 0; block < n_blocks; block++) {
        uint8_t *target = lines + (first_block + block * block_step) * n_lines * TERN_LINE;
        memset(target, 0, n_lines * TERN_LINE);
        for (int r = 0; r < TERN_BLOCK_ROWS; r++) {
            size_t row = block * TERN_BLOCK_ROWS + (size_t)r;
            const uint8_t *from = row < rows ? source + row % source_rows * cols : NULL;
            bad |= pack_row_(from, row < rows ? 2 * (int)(row / source_rows) : 0, n_lines, target, r);
        }
    }
    return bad == 0;
}
