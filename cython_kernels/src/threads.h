/* A pool whose threads run one function together ("all threads in step") and meet at barriers inside it.
 *
 * Knows nothing of models. Between runs the threads spin for some microseconds, then yield, then sleep: an idle pool
 * costs no CPU. Inside a run a barrier spins shortly and then yields, so that a thread that shares its core with
 * somebody else is let through. */
#ifndef TERN_THREADS_H
#define TERN_THREADS_H

#include "atomics.h"

typedef struct tern_pool tern_pool;
typedef void (*tern_job)(void *argument, int thread, int n_threads);

/* Returns NULL when memory or threads cannot be had. The calling thread is thread 0 of every run. */
tern_pool *tern_pool_create(int n_threads);
void tern_pool_destroy(tern_pool *pool);
int tern_pool_size(const tern_pool *pool);

/* Runs job(argument, 0 .. n_threads - 1) and returns when all are done. Not reentrant. */
void tern_pool_run(tern_pool *pool, tern_job job, void *argument);

/* Runs job(argument, 0) here and offers it to the other threads, but does not wait for them: a thread may come late, or
 * not at all when its core is taken, or be in an earlier run's job still. The job sees to it that nothing is missing
 * when job(argument, 0) returns (phases.c). */
void tern_pool_offer(tern_pool *pool, tern_job job, void *argument);

/* One look at something that another thread is about to do: `looks` counts them; first spins, then lets others run. */
void tern_wait_a_little(int looks);

/* Waits until all threads of the current run are here; everything written before is visible after. */
void tern_barrier(tern_pool *pool);

#endif
