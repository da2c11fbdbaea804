/* NEON with dot products (Apple M1 and later, ARMv8.2): four rows in a register, activations broadcast by lane. */
#if defined(__aarch64__) || defined(_M_ARM64)

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC target("arch=armv8.2-a+dotprod")
#endif

#include <arm_neon.h>
#include <string.h>

#include "kernels.h"

typedef struct {
    float32x4_t q[4];
} v16;
#if defined(__GNUC__)
#define tern_prefetch(p) __builtin_prefetch(p)
#else
#define tern_prefetch(p) ((void)(p))
#endif

#define FOUR(expression)                                                                                             \
    do {                                                                                                             \
        for (int i = 0; i < 4; i++) r.q[i] = (expression);                                                           \
    } while (0);                                                                                                     \
    return r
static inline v16 v16_load(const float *p) { v16 r; FOUR(vld1q_f32(p + 4 * i)); }
static inline void v16_store(float *p, v16 a) { for (int i = 0; i < 4; i++) vst1q_f32(p + 4 * i, a.q[i]); }
static inline v16 v16_set1(float x) { v16 r; FOUR(vdupq_n_f32(x)); }
static inline v16 v16_zero(void) { return v16_set1(0.0f); }
static inline v16 v16_add(v16 a, v16 b) { v16 r; FOUR(vaddq_f32(a.q[i], b.q[i])); }
static inline v16 v16_sub(v16 a, v16 b) { v16 r; FOUR(vsubq_f32(a.q[i], b.q[i])); }
static inline v16 v16_mul(v16 a, v16 b) { v16 r; FOUR(vmulq_f32(a.q[i], b.q[i])); }
static inline v16 v16_div(v16 a, v16 b) { v16 r; FOUR(vdivq_f32(a.q[i], b.q[i])); }
static inline v16 v16_max(v16 a, v16 b) { v16 r; FOUR(vbslq_f32(vcgtq_f32(a.q[i], b.q[i]), a.q[i], b.q[i])); }
static inline v16 v16_min(v16 a, v16 b) { v16 r; FOUR(vbslq_f32(vcltq_f32(a.q[i], b.q[i]), a.q[i], b.q[i])); }
static inline v16 v16_abs(v16 a) { v16 r; FOUR(vabsq_f32(a.q[i])); }
static inline v16 v16_round(v16 a) { v16 r; FOUR(vrndnq_f32(a.q[i])); }
static inline v16 v16_pow2(v16 n) {
    v16 r;
    FOUR(vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(vcvtq_s32_f32(n.q[i]), vdupq_n_s32(127)), 23)));
}
static inline v16 v16_from_bf16(const uint16_t *p) {
    v16 r;
    FOUR(vreinterpretq_f32_u32(vshll_n_u16(vld1_u16(p + 4 * i), 16)));
}
static inline v16 v16_from_f16(const uint16_t *p) {
    v16 r;
    FOUR(vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p + 4 * i))));
}
static inline void v16_to_f16(uint16_t *p, v16 a) {
    for (int i = 0; i < 4; i++) vst1_u16(p + 4 * i, vreinterpret_u16_f16(vcvt_f16_f32(a.q[i])));
}
static inline v16 v16_from_i8(const int8_t *p) {
    int8x16_t q = vld1q_s8(p);
    int16x8_t low = vmovl_s8(vget_low_s8(q)), high = vmovl_s8(vget_high_s8(q));
    v16 r;
    r.q[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
    r.q[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
    r.q[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
    r.q[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
    return r;
}
static inline v16 v16_from_i32(const int32_t *p, int32_t minus) {
    v16 r;
    FOUR(vcvtq_f32_s32(vsubq_s32(vld1q_s32(p + 4 * i), vdupq_n_s32(minus))));
}
static inline void v16_to_i8(int8_t *p, v16 a) {
    int16x4_t w[4];
    for (int i = 0; i < 4; i++) w[i] = vmovn_s32(vcvtq_s32_f32(a.q[i]));
    vst1_s8(p, vmovn_s16(vcombine_s16(w[0], w[1])));
    vst1_s8(p + 8, vmovn_s16(vcombine_s16(w[2], w[3])));
}
#undef FOUR

typedef struct {
    uint64x2_t q[4];
} bits;
static inline bits bits_zero(void) {
    bits r;
    for (int i = 0; i < 4; i++) r.q[i] = vdupq_n_u64(0);
    return r;
}
static inline bits bits_add(bits a, const uint8_t *p) {
    for (int i = 0; i < 4; i++) a.q[i] = vaddq_u64(a.q[i], vreinterpretq_u64_u8(vld1q_u8(p + 16 * i)));
    return a;
}
static inline uint64_t bits_sum(bits a) {
    uint64x2_t s = vaddq_u64(vaddq_u64(a.q[0], a.q[1]), vaddq_u64(a.q[2], a.q[3]));
    return vgetq_lane_u64(s, 0) + vgetq_lane_u64(s, 1);
}

#include "float_ops.h"

/* A register of a line holds four rows of each plane. Planes 0 to 2 stay where they are, 1, 4 and 16 times too large
 * (at most 2 << 4 = 32, inside int8); plane 3 would be 128, so it is shifted down. */
#define DECLARE(q) int32x4_t a##q##0 = vdupq_n_s32(0), a##q##1 = a##q##0, a##q##2 = a##q##0, a##q##3 = a##q##0

#define MULTIPLY(q, lane)                                                                                            \
    do {                                                                                                             \
        uint8x16_t v_ = vld1q_u8(line + 16 * (q));                                                                   \
        a##q##0 = vdotq_laneq_s32(a##q##0, vreinterpretq_s8_u8(vandq_u8(v_, m0)), xs, lane);                         \
        a##q##1 = vdotq_laneq_s32(a##q##1, vreinterpretq_s8_u8(vandq_u8(v_, m1)), xs, lane);                         \
        a##q##2 = vdotq_laneq_s32(a##q##2, vreinterpretq_s8_u8(vandq_u8(v_, m2)), xs, lane);                         \
        a##q##3 = vdotq_laneq_s32(a##q##3, vreinterpretq_s8_u8(vshrq_n_u8(v_, 6)), xs, lane);                        \
    } while (0)

#define FINISH(q)                                                                                                    \
    do {                                                                                                             \
        vst1q_s32(raw + 4 * (q), a##q##0);                                                                           \
        vst1q_s32(raw + 4 * (q) + 16, vshrq_n_s32(a##q##1, 2));                                                      \
        vst1q_s32(raw + 4 * (q) + 32, vshrq_n_s32(a##q##2, 4));                                                      \
        vst1q_s32(raw + 4 * (q) + 48, a##q##3);                                                                      \
    } while (0)

#define LINE(lane)                                                                                                   \
    do {                                                                                                             \
        MULTIPLY(0, lane);                                                                                           \
        MULTIPLY(1, lane);                                                                                           \
        MULTIPLY(2, lane);                                                                                           \
        MULTIPLY(3, lane);                                                                                           \
        line += TERN_LINE;                                                                                           \
    } while (0)

/* One token: sixteen activations serve four lines. */
static void ternary_one_(const uint8_t *line, size_t n_lines, const int8_t *x, int32_t *raw) {
    const uint8x16_t m0 = vdupq_n_u8(3), m1 = vdupq_n_u8(12), m2 = vdupq_n_u8(48);
    DECLARE(0);
    DECLARE(1);
    DECLARE(2);
    DECLARE(3);
    size_t i = 0;
    for (; i + 4 <= n_lines; i += 4, x += 16) {
        int8x16_t xs = vld1q_s8(x);
        tern_prefetch(line + 1024);
        LINE(0);
        LINE(1);
        LINE(2);
        LINE(3);
    }
    for (; i < n_lines; i++, x += 4) {
        int32_t word;
        memcpy(&word, x, 4);
        int8x16_t xs = vreinterpretq_s8_s32(vdupq_n_s32(word));
        LINE(0);
    }
    FINISH(0);
    FINISH(1);
    FINISH(2);
    FINISH(3);
}

/* Four rows of each plane for two to four tokens: the codes are masked once for all tokens. */
#define TOKEN(t)                                                                                                     \
    do {                                                                                                             \
        a##t##0 = vdotq_laneq_s32(a##t##0, c0, xs, t);                                                               \
        a##t##1 = vdotq_laneq_s32(a##t##1, c1, xs, t);                                                               \
        a##t##2 = vdotq_laneq_s32(a##t##2, c2, xs, t);                                                               \
        a##t##3 = vdotq_laneq_s32(a##t##3, c3, xs, t);                                                               \
    } while (0)

#define FINISH_TOKEN(t)                                                                                              \
    do {                                                                                                             \
        vst1q_s32(raw + 64 * (t), a##t##0);                                                                          \
        vst1q_s32(raw + 64 * (t) + 16, vshrq_n_s32(a##t##1, 2));                                                     \
        vst1q_s32(raw + 64 * (t) + 32, vshrq_n_s32(a##t##2, 4));                                                     \
        vst1q_s32(raw + 64 * (t) + 48, a##t##3);                                                                     \
    } while (0)

#define TERNARY(n, DECLARE_ALL, TOKENS, FINISH_ALL)                                                                  \
    static void ternary_##n##_(const uint8_t *quarter, size_t n_lines, const int8_t *x, int32_t *raw) {              \
        const uint8x16_t m0 = vdupq_n_u8(3), m1 = vdupq_n_u8(12), m2 = vdupq_n_u8(48);                               \
        DECLARE_ALL;                                                                                                 \
        for (size_t i = 0; i < n_lines; i++, quarter += TERN_LINE, x += 4 * (n)) {                                   \
            int32_t words[4] = {0};                                                                                  \
            memcpy(words, x, 4 * (n));                                                                               \
            int8x16_t xs = vreinterpretq_s8_s32(vld1q_s32(words));                                                   \
            uint8x16_t v = vld1q_u8(quarter);                                                                        \
            int8x16_t c0 = vreinterpretq_s8_u8(vandq_u8(v, m0)), c1 = vreinterpretq_s8_u8(vandq_u8(v, m1)),          \
                      c2 = vreinterpretq_s8_u8(vandq_u8(v, m2)), c3 = vreinterpretq_s8_u8(vshrq_n_u8(v, 6));         \
            TOKENS;                                                                                                  \
        }                                                                                                            \
        FINISH_ALL;                                                                                                  \
    }

TERNARY(2, DECLARE(0); DECLARE(1), TOKEN(0); TOKEN(1), FINISH_TOKEN(0); FINISH_TOKEN(1))
TERNARY(3, DECLARE(0); DECLARE(1); DECLARE(2), TOKEN(0); TOKEN(1); TOKEN(2),
        FINISH_TOKEN(0); FINISH_TOKEN(1); FINISH_TOKEN(2))
TERNARY(4, DECLARE(0); DECLARE(1); DECLARE(2); DECLARE(3), TOKEN(0); TOKEN(1); TOKEN(2); TOKEN(3),
        FINISH_TOKEN(0); FINISH_TOKEN(1); FINISH_TOKEN(2); FINISH_TOKEN(3))

static void ternary_block_(const uint8_t *lines, size_t n_lines, const int8_t *x, int n_tokens, int32_t *raw) {
    if (n_tokens == 1) {
        ternary_one_(lines, n_lines, x, raw);
        return;
    }
    for (int quarter = 0; quarter < 4; quarter++) {
        const uint8_t *from = lines + 16 * quarter;
        int32_t *to = raw + 4 * quarter;
        switch (n_tokens) {
            case 2: ternary_2_(from, n_lines, x, to); break;
            case 3: ternary_3_(from, n_lines, x, to); break;
            default: ternary_4_(from, n_lines, x, to); break;
        }
    }
}

#define SCREEN_ROWS(q, lane)                                                                                         \
    do {                                                                                                             \
        int8x16_t w_ = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(line + 16 * (q)), signs));                              \
        h##q = vdotq_laneq_s32(h##q, w_, high, lane);                                                                \
        l##q = vdotq_laneq_s32(l##q, w_, low, lane);                                                                 \
    } while (0)

#define SCREEN_LINE(lane)                                                                                            \
    do {                                                                                                             \
        SCREEN_ROWS(0, lane);                                                                                        \
        SCREEN_ROWS(1, lane);                                                                                        \
        SCREEN_ROWS(2, lane);                                                                                        \
        SCREEN_ROWS(3, lane);                                                                                        \
        line += TERN_LINE;                                                                                           \
    } while (0)

/* A plane's sum stays below 127 * 127 * 2^16 < 2^31. */
static void screen_sums_(const uint8_t *line, size_t n_lines, const tern_screened *x, int64_t *sums) {
    const uint8x16_t signs = vdupq_n_u8(0x80);
    int32x4_t h0 = vdupq_n_s32(0), h1 = h0, h2 = h0, h3 = h0, l0 = h0, l1 = h0, l2 = h0, l3 = h0;
    for (size_t i = 0; i < n_lines; i += 4) {
        int8x16_t high = vld1q_s8(x->high + 4 * i), low = vld1q_s8(x->low + 4 * i);
        tern_prefetch(line + 1024);
        SCREEN_LINE(0);
        SCREEN_LINE(1);
        SCREEN_LINE(2);
        SCREEN_LINE(3);
    }
    int32_t highs[16], lows[16];
    vst1q_s32(highs, h0), vst1q_s32(highs + 4, h1), vst1q_s32(highs + 8, h2), vst1q_s32(highs + 12, h3);
    vst1q_s32(lows, l0), vst1q_s32(lows + 4, l1), vst1q_s32(lows + 8, l2), vst1q_s32(lows + 12, l3);
    for (int r = 0; r < 16; r++) sums[r] = 255 * (int64_t)highs[r] + lows[r];
}

TERN_KERNEL_TABLE(neon);

#else
typedef int tern_no_neon_here;
#endif
