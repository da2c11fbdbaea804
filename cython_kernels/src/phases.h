/* Work in phases, each of which needs all of the one before it, shared by threads that may lose their core at any time.
 *
 * A phase is a number of items. Every thread has a range of them, taken from the front in chunks, so that it reads
 * memory in order; who has finished takes chunks from the far end of the others' ranges. A phase is over when its
 * items are done, no matter by whom: a thread that is not running holds up nobody, unless it stopped in the middle of
 * a chunk. Which thread does an item never changes its result. */
#ifndef TERN_PHASES_H
#define TERN_PHASES_H

#include "threads.h"

typedef struct tern_phases tern_phases;

/* Does items from .. to - 1 of a phase; called by several threads at once for different items. */
typedef void (*tern_phase_work)(void *argument, int phase, int from, int to, int thread);

/* Returns NULL when memory cannot be had. The pool must outlive it. */
tern_phases *tern_phases_create(tern_pool *pool, int n_phases, tern_phase_work work, void *argument);

/* After the pool has been destroyed: a late thread may still look at it. */
void tern_phases_destroy(tern_phases *phases);

/* What the next run does in `phase`: n_items below 2^20 (0: nothing), taken `chunk` at a time. Not during a run. */
void tern_phases_set(tern_phases *phases, int phase, int n_items, int chunk);

/* Runs all phases in order. Returns 0 when *interrupt became other than 0: then nothing runs any more. */
int tern_phases_run(tern_phases *phases, tern_atomic *interrupt);

#endif
