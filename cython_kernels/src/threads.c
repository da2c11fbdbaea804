/* See threads.h. pthreads or Win32; no OpenMP, so nothing but the C runtime has to be shipped. */
#include "threads.h"

#include <stdlib.h>

#ifdef _WIN32
#include <process.h>
#include <windows.h>
typedef HANDLE thread_handle;
typedef SRWLOCK mutex_type;
typedef CONDITION_VARIABLE condition_type;
#define mutex_init(m) InitializeSRWLock(m)
#define mutex_lock(m) AcquireSRWLockExclusive(m)
#define mutex_unlock(m) ReleaseSRWLockExclusive(m)
#define mutex_destroy(m) ((void)(m))
#define condition_init(c) InitializeConditionVariable(c)
#define condition_wait(c, m) SleepConditionVariableSRW(c, m, INFINITE, 0)
#define condition_wake_all(c) WakeAllConditionVariable(c)
#define condition_destroy(c) ((void)(c))
#define yield_thread() SwitchToThread()
#define THREAD_RESULT unsigned __stdcall
#else
#include <pthread.h>
#include <sched.h>
typedef pthread_t thread_handle;
typedef pthread_mutex_t mutex_type;
typedef pthread_cond_t condition_type;
#define mutex_init(m) pthread_mutex_init(m, NULL)
#define mutex_lock(m) pthread_mutex_lock(m)
#define mutex_unlock(m) pthread_mutex_unlock(m)
#define mutex_destroy(m) pthread_mutex_destroy(m)
#define condition_init(c) pthread_cond_init(c, NULL)
#define condition_wait(c, m) pthread_cond_wait(c, m)
#define condition_wake_all(c) pthread_cond_broadcast(c)
#define condition_destroy(c) pthread_cond_destroy(c)
#define yield_thread() sched_yield()
#define THREAD_RESULT void *
#endif

enum { SPINS = 2000, YIELDS = 100 };

typedef struct {
    tern_pool *pool;
    int index;
    thread_handle handle;
} worker;

struct tern_pool {
    int n_threads;
    worker *workers; /* n_threads - 1 of them: thread 0 is the caller */
    tern_job job; /* the current run: these three change together with epoch, under the mutex */
    void *argument;
    int is_together;
    tern_atomic stop;
    tern_atomic epoch; /* one more for every run */
    tern_atomic n_sleeping;
    mutex_type mutex;
    condition_type wake;
    char apart_[64]; /* the barrier's words on a cache line of their own */
    tern_atomic barrier_count;
    tern_atomic barrier_epoch;
};

void tern_wait_a_little(int looks) {
    if (looks < SPINS) {
        tern_pause();
    } else {
        yield_thread();
    }
}

void tern_barrier(tern_pool *pool) {
    if (pool->n_threads == 1) return;
    int epoch = tern_load(&pool->barrier_epoch);
    if (tern_add(&pool->barrier_count, 1) + 1 == pool->n_threads) {
        tern_store(&pool->barrier_count, 0);
        tern_store(&pool->barrier_epoch, epoch + 1);
        return;
    }
    for (int looks = 0; tern_load(&pool->barrier_epoch) == epoch; looks++) tern_wait_a_little(looks);
}

static void sleep_until_(tern_pool *pool, int seen) {
    mutex_lock(&pool->mutex);
    tern_add(&pool->n_sleeping, 1);
    while (tern_load(&pool->epoch) == seen) condition_wait(&pool->wake, &pool->mutex);
    tern_add(&pool->n_sleeping, -1);
    mutex_unlock(&pool->mutex);
}

static void await_run_(tern_pool *pool, int seen) {
    for (int looks = 0; looks < SPINS + YIELDS; looks++) {
        if (tern_load(&pool->epoch) != seen) return;
        tern_wait_a_little(looks);
    }
    sleep_until_(pool, seen);
}

/* One more run (or the end) for everybody. The mutex closes the gap between a worker's last look and its sleep. */
static void announce_(tern_pool *pool, tern_job job, void *argument, int is_together) {
    mutex_lock(&pool->mutex);
    pool->job = job;
    pool->argument = argument;
    pool->is_together = is_together;
    tern_add(&pool->epoch, 1);
    if (tern_load(&pool->n_sleeping) > 0) condition_wake_all(&pool->wake);
    mutex_unlock(&pool->mutex);
}

/* A worker that was away takes up the newest run; the ones that it missed were finished without it. */
static THREAD_RESULT work_(void *argument) {
    worker *self = argument;
    tern_pool *pool = self->pool;
    for (int seen = 0;;) {
        await_run_(pool, seen);
        mutex_lock(&pool->mutex);
        seen = tern_load(&pool->epoch);
        tern_job job = pool->job;
        void *of_job = pool->argument;
        int is_together = pool->is_together;
        mutex_unlock(&pool->mutex);
        if (tern_load(&pool->stop)) break;
        job(of_job, self->index, pool->n_threads);
        if (is_together) tern_barrier(pool);
    }
    return 0;
}

static int start_thread_(worker *w) {
#ifdef _WIN32
    w->handle = (HANDLE)_beginthreadex(NULL, 0, work_, w, 0, NULL);
    return w->handle != 0;
#else
    return pthread_create(&w->handle, NULL, work_, w) == 0;
#endif
}

static void join_thread_(worker *w) {
#ifdef _WIN32
    WaitForSingleObject(w->handle, INFINITE);
    CloseHandle(w->handle);
#else
    pthread_join(w->handle, NULL);
#endif
}

static void stop_workers_(tern_pool *pool, int n_workers) {
    tern_store(&pool->stop, 1);
    announce_(pool, NULL, NULL, 0);
    for (int i = 0; i < n_workers; i++) join_thread_(&pool->workers[i]);
}

static void free_pool_(tern_pool *pool) {
    condition_destroy(&pool->wake);
    mutex_destroy(&pool->mutex);
    free(pool->workers);
    free(pool);
}

tern_pool *tern_pool_create(int n_threads) {
    tern_pool *pool = calloc(1, sizeof *pool);
    if (!pool) return NULL;
    pool->n_threads = n_threads;
    pool->workers = calloc((size_t)n_threads, sizeof *pool->workers);
    mutex_init(&pool->mutex);
    condition_init(&pool->wake);
    if (!pool->workers) {
        free_pool_(pool);
        return NULL;
    }
    for (int i = 0; i < n_threads - 1; i++) {
        pool->workers[i].pool = pool;
        pool->workers[i].index = i + 1;
        if (!start_thread_(&pool->workers[i])) {
            stop_workers_(pool, i);
            free_pool_(pool);
            return NULL;
        }
    }
    return pool;
}

void tern_pool_destroy(tern_pool *pool) {
    if (!pool) return;
    stop_workers_(pool, pool->n_threads - 1);
    free_pool_(pool);
}

int tern_pool_size(const tern_pool *pool) { return pool->n_threads; }

void tern_pool_run(tern_pool *pool, tern_job job, void *argument) {
    if (pool->n_threads == 1) {
        job(argument, 0, 1);
        return;
    }
    announce_(pool, job, argument, 1);
    job(argument, 0, pool->n_threads);
    tern_barrier(pool);
}

void tern_pool_offer(tern_pool *pool, tern_job job, void *argument) {
    if (pool->n_threads > 1) announce_(pool, job, argument, 0);
    job(argument, 0, pool->n_threads);
}
