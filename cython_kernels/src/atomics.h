/* The few atomic operations that the thread pool needs, for gcc, clang and MSVC. */
#ifndef TERN_ATOMICS_H
#define TERN_ATOMICS_H

#include <stdint.h>

#if defined(_MSC_VER) && !defined(__clang__)
#include <intrin.h>
typedef volatile long tern_atomic;
static __inline int tern_load(tern_atomic *a) { return (int)_InterlockedOr(a, 0); }
static __inline void tern_store(tern_atomic *a, int v) { _InterlockedExchange(a, (long)v); }
static __inline int tern_add(tern_atomic *a, int v) { return (int)_InterlockedExchangeAdd(a, (long)v); }
typedef volatile __int64 tern_atomic64;
static __inline uint64_t tern_load64(tern_atomic64 *a) { return (uint64_t)_InterlockedOr64(a, 0); }
static __inline uint64_t tern_swap64(tern_atomic64 *a, uint64_t v) { return (uint64_t)_InterlockedExchange64(a, (__int64)v); }
static __inline int tern_replace64(tern_atomic64 *a, uint64_t *seen, uint64_t v) {
    uint64_t was = (uint64_t)_InterlockedCompareExchange64(a, (__int64)v, (__int64)*seen);
    int done = was == *seen;
    *seen = was;
    return done;
}
#else
typedef int tern_atomic;
static inline int tern_load(tern_atomic *a) { return __atomic_load_n(a, __ATOMIC_ACQUIRE); }
static inline void tern_store(tern_atomic *a, int v) { __atomic_store_n(a, v, __ATOMIC_RELEASE); }
/* Returns the value before the addition. */
static inline int tern_add(tern_atomic *a, int v) { return __atomic_fetch_add(a, v, __ATOMIC_ACQ_REL); }
typedef uint64_t tern_atomic64;
static inline uint64_t tern_load64(tern_atomic64 *a) { return __atomic_load_n(a, __ATOMIC_ACQUIRE); }
static inline uint64_t tern_swap64(tern_atomic64 *a, uint64_t v) { return __atomic_exchange_n(a, v, __ATOMIC_ACQ_REL); }
/* Puts v where *seen still stands and returns 1; else returns 0 with what stands there in *seen. */
static inline int tern_replace64(tern_atomic64 *a, uint64_t *seen, uint64_t v) {
    return __atomic_compare_exchange_n(a, seen, v, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
#endif

#if defined(__x86_64__) || defined(_M_X64) || defined(__i386__)
#include <immintrin.h>
#define tern_pause() _mm_pause()
#elif defined(__aarch64__) && !defined(_MSC_VER)
#define tern_pause() __asm__ __volatile__("yield")
#else
#define tern_pause() ((void)0)
#endif

#endif
