/* AVX-512 with VNNI: 16 rows in a register, no shifts in the loop. */
#if defined(__x86_64__) || defined(_M_X64)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), \
                             apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,prefer-vector-width=512")
#endif

#include <immintrin.h>

#include "kernels.h"

typedef __m512 v16;
#define tern_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)

static inline v16 v16_load(const float *p) { return _mm512_loadu_ps(p); }
static inline void v16_store(float *p, v16 a) { _mm512_storeu_ps(p, a); }
static inline v16 v16_set1(float x) { return _mm512_set1_ps(x); }
static inline v16 v16_zero(void) { return _mm512_setzero_ps(); }
static inline v16 v16_add(v16 a, v16 b) { return _mm512_add_ps(a, b); }
static inline v16 v16_sub(v16 a, v16 b) { return _mm512_sub_ps(a, b); }
static inline v16 v16_mul(v16 a, v16 b) { return _mm512_mul_ps(a, b); }
static inline v16 v16_div(v16 a, v16 b) { return _mm512_div_ps(a, b); }
static inline v16 v16_max(v16 a, v16 b) { return _mm512_max_ps(a, b); }
static inline v16 v16_min(v16 a, v16 b) { return _mm512_min_ps(a, b); }
static inline v16 v16_abs(v16 a) { return _mm512_abs_ps(a); }
static inline v16 v16_round(v16 a) { return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline v16 v16_pow2(v16 n) {
    __m512i exponent = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
    return _mm512_castsi512_ps(_mm512_slli_epi32(exponent, 23));
}
static inline v16 v16_from_bf16(const uint16_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}
static inline v16 v16_from_f16(const uint16_t *p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p)); }
static inline void v16_to_f16(uint16_t *p, v16 a) {
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static inline v16 v16_from_i8(const int8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline v16 v16_from_i32(const int32_t *p, int32_t minus) {
    return _mm512_cvtepi32_ps(_mm512_sub_epi32(_mm512_loadu_si512(p), _mm512_set1_epi32(minus)));
}
static inline void v16_to_i8(int8_t *p, v16 a) {
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

typedef __m512i bits;
static inline bits bits_zero(void) { return _mm512_setzero_si512(); }
static inline bits bits_add(bits a, const uint8_t *p) { return _mm512_add_epi64(a, _mm512_loadu_si512(p)); }
static inline uint64_t bits_sum(bits a) { return (uint64_t)_mm512_reduce_add_epi64(a); }

#include "float_ops.h"

/* Accumulators have names: as an array gcc 12 keeps them in memory. */
#define DECLARE(t)                                                                                                   \
    __m512i a##t##0 = _mm512_setzero_si512(), a##t##1 = a##t##0, a##t##2 = a##t##0, a##t##3 = a##t##0

#define MULTIPLY(t, n)                                                                                               \
    do {                                                                                                             \
        __m512i x_ = _mm512_set1_epi32(load_word_(x + 4 * (t)));                                                     \
        a##t##0 = _mm512_dpbusd_epi32(a##t##0, v0, x_);                                                              \
        a##t##1 = _mm512_dpbusd_epi32(a##t##1, v1, x_);                                                              \
        a##t##2 = _mm512_dpbusd_epi32(a##t##2, v2, x_);                                                              \
        a##t##3 = _mm512_dpbusd_epi32(a##t##3, v3, x_);                                                              \
    } while (0)

/* Plane p came out 4^p times too large; the division is exact. */
#define FINISH(t)                                                                                                    \
    do {                                                                                                             \
        _mm512_storeu_si512(raw + 64 * (t), a##t##0);                                                                \
        _mm512_storeu_si512(raw + 64 * (t) + 16, _mm512_srai_epi32(a##t##1, 2));                                     \
        _mm512_storeu_si512(raw + 64 * (t) + 32, _mm512_srai_epi32(a##t##2, 4));                                     \
        _mm512_storeu_si512(raw + 64 * (t) + 48, _mm512_srai_epi32(a##t##3, 6));                                     \
    } while (0)

#define TERNARY(n, DECLARE_ALL, MULTIPLY_ALL, FINISH_ALL)                                                            \
    static void ternary_##n##_(const uint8_t *lines, size_t n_lines, const int8_t *x, int32_t *raw) {                \
        const __m512i m0 = _mm512_set1_epi8(3), m1 = _mm512_set1_epi8(12), m2 = _mm512_set1_epi8(48),                \
                      m3 = _mm512_set1_epi8((char)0xc0);                                                             \
        DECLARE_ALL;                                                                                                 \
        for (size_t i = 0; i < n_lines; i++, lines += TERN_LINE, x += 4 * (n)) {                                     \
            __m512i v = _mm512_loadu_si512(lines);                                                                   \
            __m512i v0 = _mm512_and_si512(v, m0), v1 = _mm512_and_si512(v, m1), v2 = _mm512_and_si512(v, m2),        \
                    v3 = _mm512_and_si512(v, m3);                                                                    \
            tern_prefetch(lines + 512);                                                                              \
            MULTIPLY_ALL;                                                                                            \
        }                                                                                                            \
        FINISH_ALL;                                                                                                  \
    }

static inline int load_word_(const int8_t *p) {
    int word;
    memcpy(&word, p, 4);
    return word;
}

TERNARY(1, DECLARE(0), MULTIPLY(0, 1), FINISH(0))
TERNARY(2, DECLARE(0); DECLARE(1), MULTIPLY(0, 2); MULTIPLY(1, 2), FINISH(0); FINISH(1))
TERNARY(3, DECLARE(0); DECLARE(1); DECLARE(2), MULTIPLY(0, 3); MULTIPLY(1, 3); MULTIPLY(2, 3),
        FINISH(0); FINISH(1); FINISH(2))
TERNARY(4, DECLARE(0); DECLARE(1); DECLARE(2); DECLARE(3),
        MULTIPLY(0, 4); MULTIPLY(1, 4); MULTIPLY(2, 4); MULTIPLY(3, 4), FINISH(0); FINISH(1); FINISH(2); FINISH(3))

static void ternary_block_(const uint8_t *lines, size_t n_lines, const int8_t *x, int n_tokens, int32_t *raw) {
    switch (n_tokens) {
        case 1: ternary_1_(lines, n_lines, x, raw); break;
        case 2: ternary_2_(lines, n_lines, x, raw); break;
        case 3: ternary_3_(lines, n_lines, x, raw); break;
        default: ternary_4_(lines, n_lines, x, raw); break;
    }
}

/* A plane's sum stays below 255 * 127 * 2^16 < 2^31. Named accumulators, four lines in flight. */
#define SCREEN_LINE(i)                                                                                               \
    do {                                                                                                             \
        __m512i w_ = _mm512_loadu_si512(lines + (i) * TERN_LINE);                                                    \
        h##i = _mm512_dpbusd_epi32(h##i, w_, _mm512_set1_epi32(load_word_(high + 4 * (i))));                         \
        l##i = _mm512_dpbusd_epi32(l##i, w_, _mm512_set1_epi32(load_word_(low + 4 * (i))));                          \
    } while (0)

static void screen_sums_(const uint8_t *lines, size_t n_lines, const tern_screened *x, int64_t *sums) {
    __m512i h0 = _mm512_setzero_si512(), h1 = h0, h2 = h0, h3 = h0, l0 = h0, l1 = h0, l2 = h0, l3 = h0;
    const int8_t *high = x->high, *low = x->low;
    for (size_t i = 0; i < n_lines; i += 4, lines += 4 * TERN_LINE, high += 16, low += 16) {
        for (size_t ahead = 0; ahead < 4; ahead++) tern_prefetch(lines + 1024 + ahead * TERN_LINE);
        SCREEN_LINE(0);
        SCREEN_LINE(1);
        SCREEN_LINE(2);
        SCREEN_LINE(3);
    }
    int32_t highs[16], lows[16];
    _mm512_storeu_si512(highs, _mm512_add_epi32(_mm512_add_epi32(h0, h1), _mm512_add_epi32(h2, h3)));
    _mm512_storeu_si512(lows, _mm512_add_epi32(_mm512_add_epi32(l0, l1), _mm512_add_epi32(l2, l3)));
    for (int r = 0; r < 16; r++) {
        sums[r] = 255 * ((int64_t)highs[r] - 128 * (int64_t)x->high_sum) + lows[r] - 128 * (int64_t)x->low_sum;
    }
}

TERN_KERNEL_TABLE(avx512vnni);

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
typedef int tern_no_avx512vnni_here;
#endif
