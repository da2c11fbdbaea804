/* AVX2: eight rows in a register; a line is two halves of 32 bytes (rows 0-7 and 8-15 of each plane). */
#if defined(__x86_64__) || defined(_M_X64)

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2,f16c"))), apply_to = function)
#elif defined(__GNUC__)
#pragma GCC target("avx2,f16c")
#endif

#include <immintrin.h>

#include "kernels.h"

typedef struct {
    __m256 low, high;
} v16;
#define tern_prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)

static inline v16 pair_(__m256 low, __m256 high) {
    v16 r = {low, high};
    return r;
}
static inline v16 v16_load(const float *p) { return pair_(_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)); }
static inline void v16_store(float *p, v16 a) {
    _mm256_storeu_ps(p, a.low);
    _mm256_storeu_ps(p + 8, a.high);
}
static inline v16 v16_set1(float x) { return pair_(_mm256_set1_ps(x), _mm256_set1_ps(x)); }
static inline v16 v16_zero(void) { return pair_(_mm256_setzero_ps(), _mm256_setzero_ps()); }
#define BOTH(name, operation)                                                                                        \
    static inline v16 name(v16 a, v16 b) { return pair_(operation(a.low, b.low), operation(a.high, b.high)); }
BOTH(v16_add, _mm256_add_ps)
BOTH(v16_sub, _mm256_sub_ps)
BOTH(v16_mul, _mm256_mul_ps)
BOTH(v16_div, _mm256_div_ps)
BOTH(v16_max, _mm256_max_ps)
BOTH(v16_min, _mm256_min_ps)
#undef BOTH
static inline v16 v16_abs(v16 a) {
    __m256 sign = _mm256_set1_ps(-0.0f);
    return pair_(_mm256_andnot_ps(sign, a.low), _mm256_andnot_ps(sign, a.high));
}
static inline v16 v16_round(v16 a) {
    return pair_(_mm256_round_ps(a.low, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(a.high, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
static inline __m256 pow2_half_(__m256 n) {
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}
static inline v16 v16_pow2(v16 n) { return pair_(pow2_half_(n.low), pow2_half_(n.high)); }
static inline __m256 bf16_half_(const uint16_t *p) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p)), 16));
}
static inline v16 v16_from_bf16(const uint16_t *p) { return pair_(bf16_half_(p), bf16_half_(p + 8)); }
static inline v16 v16_from_f16(const uint16_t *p) {
    return pair_(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p)),
                 _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(p + 8))));
}
static inline void v16_to_f16(uint16_t *p, v16 a) {
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a.low, _MM_FROUND_TO_NEAREST_INT));
    _mm_storeu_si128((__m128i *)(p + 8), _mm256_cvtps_ph(a.high, _MM_FROUND_TO_NEAREST_INT));
}
static inline v16 v16_from_i8(const int8_t *p) {
    __m128i q = _mm_loadu_si128((const __m128i *)p);
    return pair_(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q)),
                 _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(q, q))));
}
static inline __m256 i32_half_(const int32_t *p, __m256i minus) {
    return _mm256_cvtepi32_ps(_mm256_sub_epi32(_mm256_loadu_si256((const __m256i *)p), minus));
}
static inline v16 v16_from_i32(const int32_t *p, int32_t minus) {
    __m256i m = _mm256_set1_epi32(minus);
    return pair_(i32_half_(p, m), i32_half_(p + 8, m));
}
static inline void v16_to_i8(int8_t *p, v16 a) {
    int32_t wide[16];
    _mm256_storeu_si256((__m256i *)wide, _mm256_cvtps_epi32(a.low));
    _mm256_storeu_si256((__m256i *)(wide + 8), _mm256_cvtps_epi32(a.high));
    for (int i = 0; i < 16; i++) p[i] = (int8_t)wide[i];
}

typedef struct {
    __m256i low, high;
} bits;
static inline bits bits_zero(void) {
    bits r = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    return r;
}
static inline bits bits_add(bits a, const uint8_t *p) {
    a.low = _mm256_add_epi64(a.low, _mm256_loadu_si256((const __m256i *)p));
    a.high = _mm256_add_epi64(a.high, _mm256_loadu_si256((const __m256i *)(p + 32)));
    return a;
}
static inline uint64_t bits_sum(bits a) {
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, _mm256_add_epi64(a.low, a.high));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

#include "float_ops.h"

/* 32 lines add at most 32 * 2 * 2 * 128 = 16384 to an int16 lane. */
enum { LINES_AT_ONCE = 32 };

static inline __m256i words_(const int8_t *p) {
    int word;
    memcpy(&word, p, 4);
    return _mm256_set1_epi32(word);
}

#define DECLARE(t)                                                                                                   \
    __m256i a##t##0 = _mm256_setzero_si256(), a##t##1 = a##t##0, a##t##2 = a##t##0, a##t##3 = a##t##0

#define MULTIPLY(t)                                                                                                  \
    do {                                                                                                             \
        __m256i x_ = words_(x + 4 * (t));                                                                            \
        a##t##0 = _mm256_add_epi16(a##t##0, _mm256_maddubs_epi16(v0, x_));                                           \
        a##t##1 = _mm256_add_epi16(a##t##1, _mm256_maddubs_epi16(v1, x_));                                           \
        a##t##2 = _mm256_add_epi16(a##t##2, _mm256_maddubs_epi16(v2, x_));                                           \
        a##t##3 = _mm256_add_epi16(a##t##3, _mm256_maddubs_epi16(v3, x_));                                           \
    } while (0)

static inline void widen_(int32_t *raw, __m256i pairs) {
    __m256i sums = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
    _mm256_storeu_si256((__m256i *)raw, _mm256_add_epi32(_mm256_loadu_si256((const __m256i *)raw), sums));
}

#define FINISH(t)                                                                                                    \
    do {                                                                                                             \
        widen_(raw + 64 * (t), a##t##0);                                                                             \
        widen_(raw + 64 * (t) + 16, a##t##1);                                                                        \
        widen_(raw + 64 * (t) + 32, a##t##2);                                                                        \
        widen_(raw + 64 * (t) + 48, a##t##3);                                                                        \
    } while (0)

/* Adds up one half of n lines for one or two tokens whose inputs lie x_step bytes apart from line to line. */
#define TERNARY_HALF(n, DECLARE_ALL, MULTIPLY_ALL, FINISH_ALL)                                                       \
    static void half_##n##_(const uint8_t *half, size_t n_lines, const int8_t *x, size_t x_step, int32_t *raw) {     \
        const __m256i mask = _mm256_set1_epi8(3);                                                                    \
        DECLARE_ALL;                                                                                                 \
        for (size_t i = 0; i < n_lines; i++, half += TERN_LINE, x += x_step) {                                       \
            __m256i v = _mm256_loadu_si256((const __m256i *)half);                                                   \
            __m256i v0 = _mm256_and_si256(v, mask), v1 = _mm256_and_si256(_mm256_srli_epi16(v, 2), mask),            \
                    v2 = _mm256_and_si256(_mm256_srli_epi16(v, 4), mask),                                            \
                    v3 = _mm256_and_si256(_mm256_srli_epi16(v, 6), mask);                                            \
            tern_prefetch(half + 4096);                                                                              \
            MULTIPLY_ALL;                                                                                            \
        }                                                                                                            \
        FINISH_ALL;                                                                                                  \
    }

TERNARY_HALF(1, DECLARE(0), MULTIPLY(0), FINISH(0))
TERNARY_HALF(2, DECLARE(0); DECLARE(1), MULTIPLY(0); MULTIPLY(1), FINISH(0); FINISH(1))

static void ternary_block_(const uint8_t *lines, size_t n_lines, const int8_t *x, int n_tokens, int32_t *raw) {
    size_t x_step = 4 * (size_t)n_tokens;
    memset(raw, 0, sizeof *raw * TERN_BLOCK_ROWS * (size_t)n_tokens);
    for (size_t i = 0; i < n_lines; i += LINES_AT_ONCE) {
        size_t n = n_lines - i < LINES_AT_ONCE ? n_lines - i : LINES_AT_ONCE;
        for (int half = 0; half < 2; half++) {
            const uint8_t *from = lines + i * TERN_LINE + half * 32;
            const int8_t *xs = x + i * x_step;
            int32_t *sums = raw + half * 8;
            int t = 0;
            for (; t + 2 <= n_tokens; t += 2) half_2_(from, n, xs + 4 * t, x_step, sums + 64 * t);
            if (t < n_tokens) half_1_(from, n, xs + 4 * t, x_step, sums + 64 * t);
        }
    }
}

/* Two products of at most 255 * 32512 a line and lane: 128 lines stay below 2^31. */
enum { SCREEN_LINES_AT_ONCE = 128 };

#define SCREEN_ROWS(i)                                                                                               \
    do {                                                                                                             \
        __m256i w_ = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(line + 16 * (i))));                      \
        a##i = _mm256_add_epi32(a##i, _mm256_madd_epi16(w_, xs));                                                    \
    } while (0)

static inline void add_pairs_(int64_t *sums, __m256i pairs) {
    int32_t p[8];
    _mm256_storeu_si256((__m256i *)p, pairs);
    for (int r = 0; r < 4; r++) sums[r] += (int64_t)p[2 * r] + p[2 * r + 1];
}

static void screen_sums_(const uint8_t *lines, size_t n_lines, const tern_screened *x, int64_t *sums) {
    int64_t bias = 128 * (255 * (int64_t)x->high_sum + x->low_sum);
    for (int r = 0; r < 16; r++) sums[r] = -bias;
    for (size_t i = 0; i < n_lines; i += SCREEN_LINES_AT_ONCE) {
        size_t n = n_lines - i < SCREEN_LINES_AT_ONCE ? n_lines - i : SCREEN_LINES_AT_ONCE;
        const uint8_t *line = lines + i * TERN_LINE;
        const int16_t *whole = x->whole + 4 * i;
        __m256i a0 = _mm256_setzero_si256(), a1 = a0, a2 = a0, a3 = a0;
        for (size_t j = 0; j < n; j++, line += TERN_LINE, whole += 4) {
            int64_t four;
            memcpy(&four, whole, 8);
            __m256i xs = _mm256_set1_epi64x(four);
            tern_prefetch(line + 1024);
            SCREEN_ROWS(0);
            SCREEN_ROWS(1);
            SCREEN_ROWS(2);
            SCREEN_ROWS(3);
        }
        add_pairs_(sums, a0);
        add_pairs_(sums + 4, a1);
        add_pairs_(sums + 8, a2);
        add_pairs_(sums + 12, a3);
    }
}

TERN_KERNEL_TABLE(avx2);

#if defined(__clang__)
#pragma clang attribute pop
#endif

#else
typedef int tern_no_avx2_here;
#endif
