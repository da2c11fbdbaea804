/* The screened head: eight bits a weight of the head, a hidden state in two int8 planes, and for every row two numbers
 * between which its logit lies for certain. Included by float_ops.h, once for each kernel set.
 *
 * Layout H1, 16 rows a block, line i (64 bytes) covers inputs k = 4 i .. 4 i + 3:
 *     byte r * 4 + j   (r = 0..15, j = 0..3)   q(row r, input 4 i + j) + 128,  |q| <= 127
 * The hidden state is x = t X + e with whole X, |X| <= 32512, X = 255 high + low, |high|, |low| <= 127.
 *
 * PROOF. u = 2^-24. Row w (bfloat16, depth d), w = s q + r. Norms are Euclidean; <a, b> is the exact product.
 *   1. The logit of the plain head is the float sum of dot_bf16_: each term goes through one rounding of its product
 *      and at most d / 64 + 9 of additions, so |logit - <w, x>| <= g |w| |x|, g = 1.01 (d / 64 + 10) u (Higham, Accuracy
 *      and Stability, 3.1, and Cauchy-Schwarz; d <= 65536 keeps g below 1e-4).
 *   2. <w, x> - s t <q, X> = <r, t X> + <w, e>, so at most |r| |t X| + |w| |e|. <q, X> is exact, in whole numbers.
 *   3. The centre c = fl(fl(s t) fl(<q, X>)) is off by at most 3.1 u (|w| + |r|) |t X|, as |s q| <= |w| + |r|.
 *   4. c - half and c + half are rounded once more: at most u (|c| + half).
 *   Together: |logit - c| <= R H + W G with R >= |r|, W >= |w|, H >= |t X| (1 + 5 u), G >= |e| + g (|t X| + |e|) +
 *   5 u |t X|. H and G are made 16 u too large, which pays for the roundings of R H + W G and for half in 4.
 *   5. What underflows anywhere above, even where small numbers are flushed to zero, is below 2^-80.
 * R and W: with v = fl(w fl(1 / s)), |v - w / s| <= 127 * 2.1 u < 2^-15.9 in every element, v - q is exact or off by u / 2,
 * and the float sums of squares are off by at most (d / 16 + 20) u of themselves, d <= 65536: 2^-12 of the root. So
 * |w - s q| <= s (|v - q| (1 + 2^-12) + sqrt(d) 2^-15), and |w| the same with v. Infinite bounds are true as well. */
#ifndef TERN_SCREEN_NUMBERS
#define TERN_SCREEN_NUMBERS
#define TERN_SCREEN_TINY 8.271806125530277e-25f /* 2^-80 */
#endif

/* One row to the place of row r of its block: `line` is the block's first line plus 4 r. Finite weights. */
static void screen_row_(const uint16_t *row, size_t n, uint8_t *line, float *scale, float *residual, float *norm) {
    v16 largest = v16_zero(), squares = v16_zero(), rest_squares = v16_zero();
    for (size_t i = 0; i < n; i += 16) largest = v16_max(largest, v16_abs(v16_from_bf16(row + i)));
    float most = max16_(largest) / 127.0f, least = 7.888609052210118e-31f; /* 2^-100: 1 / s stays finite */
    float s = most > least ? most : least, root = sqrtf((float)n) * 3.0517578125e-5f;
    v16 inverse = v16_set1(1.0f / s);
    for (size_t i = 0; i < n; i += 16) {
        int8_t bytes[16];
        v16 v = v16_mul(v16_from_bf16(row + i), inverse), q = v16_round(v), rest = v16_sub(v, q);
        squares = v16_add(squares, v16_mul(v, v));
        rest_squares = v16_add(rest_squares, v16_mul(rest, rest));
        v16_to_i8(bytes, q);
        for (size_t j = 0; j < 4; j++) {
            uint32_t word;
            memcpy(&word, bytes + 4 * j, 4);
            word ^= 0x80808080u; /* + 128 */
            memcpy(line + (i / 4 + j) * TERN_LINE, &word, 4);
        }
    }
    *scale = s;
    *residual = s * (sqrtf(tree16_(rest_squares)) * 1.000244140625f + root);
    *norm = s * (sqrtf(tree16_(squares)) * 1.000244140625f + root);
}

/* lower and upper bounds of 16 logits. */
static void screen_bounds_(const int64_t *sums, const float *scale, const float *residual, const float *norm,
                           const tern_screened *x, float *lower, float *upper) {
    float whole[16];
    for (int i = 0; i < 16; i++) whole[i] = (float)sums[i];
    v16 centre = v16_mul(v16_mul(v16_load(scale), v16_set1(x->scale)), v16_load(whole));
    v16 half = v16_add(v16_mul(v16_load(residual), v16_set1(x->length)), v16_mul(v16_load(norm), v16_set1(x->rest)));
    half = v16_add(half, v16_set1(TERN_SCREEN_TINY));
    v16_store(lower, v16_sub(centre, half));
    v16_store(upper, v16_add(centre, half));
}
