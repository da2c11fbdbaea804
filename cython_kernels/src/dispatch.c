/* Chooses kernel sets by what the CPU and the operating system say. cpuid by hand: __builtin_cpu_supports does not
 * link with every toolchain. */
#include "kernels.h"

#include <string.h>

#if defined(__x86_64__) || defined(_M_X64)
#define TERN_X86 1
#ifdef _MSC_VER
#include <intrin.h>
static void cpuid_(uint32_t leaf, uint32_t out[4]) { __cpuidex((int *)out, (int)leaf, 0); }
static uint64_t enabled_state_(void) { return _xgetbv(0); }
#else
#include <cpuid.h>
static void cpuid_(uint32_t leaf, uint32_t out[4]) { __cpuid_count(leaf, 0, out[0], out[1], out[2], out[3]); }
static uint64_t enabled_state_(void) {
    uint32_t low, high;
    __asm__ __volatile__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}
#endif

enum { OSXSAVE = 1 << 27, F16C = 1 << 29, AVX = 1 << 28, AVX2 = 1 << 5, AVX512F = 1 << 16, AVX512DQ = 1 << 17, VNNI = 1 << 11 };
#define AVX512BW (1u << 30)
#define AVX512VL (1u << 31)

static void detect_(int *has_avx2, int *has_avx512vnni) {
    uint32_t leaf0[4], leaf1[4], leaf7[4];
    *has_avx2 = *has_avx512vnni = 0;
    cpuid_(0, leaf0);
    if (leaf0[0] < 7) return;
    cpuid_(1, leaf1);
    if (!(leaf1[2] & OSXSAVE) || !(leaf1[2] & AVX) || !(leaf1[2] & F16C)) return;
    uint64_t state = enabled_state_();
    if ((state & 0x6) != 0x6) return; /* xmm and ymm saved by the operating system */
    cpuid_(7, leaf7);
    *has_avx2 = (leaf7[1] & AVX2) != 0;
    uint32_t wide = AVX512F | AVX512DQ | AVX512BW | AVX512VL;
    *has_avx512vnni = (state & 0xe6) == 0xe6 && (leaf7[1] & wide) == wide && (leaf7[2] & VNNI) != 0;
}
#endif

#if defined(__aarch64__) || defined(_M_ARM64)
#if defined(__linux__)
#include <sys/auxv.h>
static int has_dot_products_(void) { return (getauxval(AT_HWCAP) >> 20 & 1) != 0; } /* HWCAP_ASIMDDP */
#elif defined(__APPLE__)
#include <sys/sysctl.h>
static int has_dot_products_(void) {
    int has = 0;
    size_t size = sizeof has;
    return sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) == 0 && has;
}
#elif defined(_WIN32)
#include <windows.h>
#ifndef PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
#define PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE 43
#endif
static int has_dot_products_(void) { return IsProcessorFeaturePresent(PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE) != 0; }
#else
static int has_dot_products_(void) { return 0; }
#endif
#endif

const tern_kernels *const *tern_available_kernels(void) {
    static const tern_kernels *found[4];
    int n = 0;
#ifdef TERN_X86
    int has_avx2, has_avx512vnni;
    detect_(&has_avx2, &has_avx512vnni);
    if (has_avx512vnni) found[n++] = &tern_kernels_avx512vnni;
    if (has_avx2) found[n++] = &tern_kernels_avx2;
#endif
#if defined(__aarch64__) || defined(_M_ARM64)
    if (has_dot_products_()) found[n++] = &tern_kernels_neon;
#endif
    found[n++] = &tern_kernels_scalar;
    found[n] = NULL;
    return found;
}

const tern_kernels *tern_find_kernels(const char *name) {
    for (const tern_kernels *const *k = tern_available_kernels(); *k; k++) {
        if (strcmp((*k)->name, name) == 0) return *k;
    }
    return NULL;
}
