/* The reference set: plain C for any CPU. It defines the answer that the others must give bit for bit. */
#include "kernels.h"

#include <math.h>
#include <string.h>

typedef struct {
    float f[16];
} v16;

#if defined(__GNUC__)
#define tern_prefetch(p) __builtin_prefetch(p)
#else
#define tern_prefetch(p) ((void)(p))
#endif

#define EACH for (int i = 0; i < 16; i++)
static inline v16 v16_load(const float *p) { v16 r; memcpy(r.f, p, sizeof r.f); return r; }
static inline void v16_store(float *p, v16 a) { memcpy(p, a.f, sizeof a.f); }
static inline v16 v16_set1(float x) { v16 r; EACH r.f[i] = x; return r; }
static inline v16 v16_zero(void) { return v16_set1(0.0f); }
static inline v16 v16_add(v16 a, v16 b) { EACH a.f[i] = a.f[i] + b.f[i]; return a; }
static inline v16 v16_sub(v16 a, v16 b) { EACH a.f[i] = a.f[i] - b.f[i]; return a; }
static inline v16 v16_mul(v16 a, v16 b) { EACH a.f[i] = a.f[i] * b.f[i]; return a; }
static inline v16 v16_div(v16 a, v16 b) { EACH a.f[i] = a.f[i] / b.f[i]; return a; }
static inline v16 v16_max(v16 a, v16 b) { EACH a.f[i] = a.f[i] > b.f[i] ? a.f[i] : b.f[i]; return a; }
static inline v16 v16_min(v16 a, v16 b) { EACH a.f[i] = a.f[i] < b.f[i] ? a.f[i] : b.f[i]; return a; }
static inline v16 v16_abs(v16 a) { EACH a.f[i] = fabsf(a.f[i]); return a; }
static inline v16 v16_round(v16 a) { EACH a.f[i] = rintf(a.f[i]); return a; }
static inline v16 v16_pow2(v16 n) {
    EACH {
        uint32_t bits = (uint32_t)((int32_t)n.f[i] + 127) << 23;
        memcpy(&n.f[i], &bits, 4);
    }
    return n;
}
static inline v16 v16_from_bf16(const uint16_t *p) {
    v16 r;
    EACH {
        uint32_t bits = (uint32_t)p[i] << 16;
        memcpy(&r.f[i], &bits, 4);
    }
    return r;
}
/* Half precision: numbers below 2^-14 are whole multiples of 2^-24, the others have 10 bits behind the point. */
static inline v16 v16_from_f16(const uint16_t *p) {
    v16 r;
    EACH {
        uint32_t sign = (uint32_t)(p[i] & 0x8000) << 16, exponent = p[i] >> 10 & 31, fraction = p[i] & 1023;
        uint32_t bits = exponent == 31 ? 0x7f800000u | fraction << 13 : (exponent + 112) << 23 | fraction << 13;
        if (exponent == 0) {
            float tiny = (float)fraction * 5.9604644775390625e-8f; /* 2^-24, exact */
            memcpy(&bits, &tiny, 4);
        }
        bits |= sign;
        memcpy(&r.f[i], &bits, 4);
    }
    return r;
}
/* Half to even by adding half of the last place, less one where it is even already; a carry enters the exponent as it
 * should. Below 2^-14 the rounding is that of an addition to 0.5, whose last place is 2^-24. */
static inline void v16_to_f16(uint16_t *p, v16 a) {
    EACH {
        uint32_t bits, rounded;
        memcpy(&bits, &a.f[i], 4);
        uint32_t sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
        if (size < 0x38800000u) {
            float shifted;
            memcpy(&shifted, &size, 4);
            shifted += 0.5f;
            memcpy(&rounded, &shifted, 4);
            rounded -= 0x3f000000u;
        } else {
            rounded = (size - 0x38000000u + 0xfff + (size >> 13 & 1)) >> 13;
        }
        p[i] = (uint16_t)(sign | rounded);
    }
}
static inline v16 v16_from_i8(const int8_t *p) { v16 r; EACH r.f[i] = (float)p[i]; return r; }
static inline v16 v16_from_i32(const int32_t *p, int32_t minus) { v16 r; EACH r.f[i] = (float)(p[i] - minus); return r; }
static inline void v16_to_i8(int8_t *p, v16 a) { EACH p[i] = (int8_t)a.f[i]; }
#undef EACH

typedef struct {
    uint64_t lane[8];
} bits;
static inline bits bits_zero(void) {
    bits r = {{0}};
    return r;
}
static inline bits bits_add(bits a, const uint8_t *p) {
    uint64_t line[8];
    memcpy(line, p, 64);
    for (int i = 0; i < 8; i++) a.lane[i] += line[i];
    return a;
}
static inline uint64_t bits_sum(bits a) {
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) sum += a.lane[i];
    return sum;
}

#include "float_ops.h"

static void ternary_block_(const uint8_t *lines, size_t n_lines, const int8_t *x, int n_tokens, int32_t *raw) {
    memset(raw, 0, sizeof *raw * TERN_BLOCK_ROWS * (size_t)n_tokens);
    for (size_t i = 0; i < n_lines; i++) {
        const uint8_t *line = lines + i * TERN_LINE;
        for (int t = 0; t < n_tokens; t++) {
            const int8_t *xs = x + (i * (size_t)n_tokens + (size_t)t) * 4;
            int32_t *sums = raw + t * TERN_BLOCK_ROWS;
            for (int plane = 0; plane < 4; plane++) {
                for (int r = 0; r < 16; r++) {
                    int32_t sum = 0;
                    for (int j = 0; j < 4; j++) sum += (line[r * 4 + j] >> (2 * plane) & 3) * xs[j];
                    sums[plane * 16 + r] += sum;
                }
            }
        }
    }
}

static void screen_sums_(const uint8_t *lines, size_t n_lines, const tern_screened *x, int64_t *sums) {
    for (int r = 0; r < 16; r++) {
        const uint8_t *line = lines + r * 4;
        int64_t sum = 0;
        for (size_t i = 0; i < n_lines; i++, line += TERN_LINE) {
            for (size_t j = 0; j < 4; j++) sum += (int64_t)(((int)line[j] - 128) * x->whole[4 * i + j]);
        }
        sums[r] = sum;
    }
}

TERN_KERNEL_TABLE(scalar);
