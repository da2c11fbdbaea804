/* A monotonic clock in seconds. */
#ifndef TERN_CLOCK_H
#define TERN_CLOCK_H

#ifdef _WIN32
#include <windows.h>
static inline double tern_seconds(void) {
    LARGE_INTEGER now, per_second;
    QueryPerformanceCounter(&now);
    QueryPerformanceFrequency(&per_second);
    return (double)now.QuadPart / (double)per_second.QuadPart;
}
#else
#include <time.h>
static inline double tern_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif

#endif
