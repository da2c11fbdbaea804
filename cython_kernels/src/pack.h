/* Repacking of ternary codes into the layout of kernels.h. */
#ifndef TERN_PACK_H
#define TERN_PACK_H

#include "kernels.h"

/* Row r of the source is bits 2p..2p+1 of source[r % source_rows][...], p = r / source_rows (at most 3).
 * Writes blocks first_block, first_block + block_step, ... Returns 0 when a code is 3. */
int tern_pack(uint8_t *lines, size_t n_lines, const uint8_t *source, size_t source_rows, size_t rows,
              size_t first_block, size_t block_step);

#endif
