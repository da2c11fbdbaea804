/* See phases.h. What is left of a range is one 64-bit word with the number of the run in it, so that a thread that comes
 * late, from a run that is over, can take nothing: its number no longer fits. */
#include "phases.h"

#include <stdlib.h>

enum { POSITION_BITS = 20, RUN_BITS = 24 };

typedef struct {
    tern_atomic64 left; /* run << 40 | from << 20 | to */
    char apart_[56];    /* ranges of different threads on cache lines of their own */
} lane;

struct tern_phases {
    tern_pool *pool;
    int n_phases, n_threads;
    tern_phase_work work;
    void *argument;
    lane *lanes; /* [n_phases][n_threads] */
    tern_atomic *n_items, *chunk, *n_done; /* [n_phases] */
    tern_atomic run;
};

static uint64_t pack_(int run, int from, int to) {
    uint64_t number = (uint64_t)((unsigned)run & ((1u << RUN_BITS) - 1));
    return number << (2 * POSITION_BITS) | (uint64_t)from << POSITION_BITS | (uint64_t)to;
}

static int from_of_(uint64_t left) { return (int)(left >> POSITION_BITS & ((1u << POSITION_BITS) - 1)); }
static int to_of_(uint64_t left) { return (int)(left & ((1u << POSITION_BITS) - 1)); }
static int is_of_run_(uint64_t left, int run) { return left >> (2 * POSITION_BITS) == pack_(run, 0, 0) >> (2 * POSITION_BITS); }

tern_phases *tern_phases_create(tern_pool *pool, int n_phases, tern_phase_work work, void *argument) {
    tern_phases *p = calloc(1, sizeof *p);
    if (!p) return NULL;
    size_t n = (size_t)n_phases;
    p->pool = pool;
    p->n_phases = n_phases;
    p->n_threads = tern_pool_size(pool);
    p->work = work;
    p->argument = argument;
    p->lanes = calloc(n * (size_t)p->n_threads, sizeof *p->lanes);
    p->n_items = calloc(3 * n, sizeof *p->n_items);
    if (!p->lanes || !p->n_items) {
        tern_phases_destroy(p);
        return NULL;
    }
    p->chunk = p->n_items + n;
    p->n_done = p->chunk + n;
    return p;
}

void tern_phases_destroy(tern_phases *phases) {
    if (!phases) return;
    free(phases->lanes);
    free((void *)phases->n_items);
    free(phases);
}

void tern_phases_set(tern_phases *phases, int phase, int n_items, int chunk) {
    tern_store(&phases->n_items[phase], n_items);
    tern_store(&phases->chunk[phase], chunk);
}

/* Takes a chunk: the next of the own range, else the last of somebody else's. Returns 1, 0 for nothing left, -1 for a
 * run that is over. */
static int take_(tern_phases *p, int phase, int thread, int run, int *from, int *to) {
    int chunk = tern_load(&p->chunk[phase]);
    for (int i = 0; i < p->n_threads; i++) {
        lane *l = &p->lanes[(size_t)phase * (size_t)p->n_threads + (size_t)((thread + i) % p->n_threads)];
        uint64_t left = tern_load64(&l->left);
        for (;;) {
            if (!is_of_run_(left, run)) return -1;
            int first = from_of_(left), end = to_of_(left);
            if (first >= end) break;
            int n = end - first < chunk ? end - first : chunk;
            *from = i == 0 ? first : end - n;
            *to = *from + n;
            uint64_t rest = i == 0 ? pack_(run, first + n, end) : pack_(run, first, end - n);
            if (tern_replace64(&l->left, &left, rest)) return 1;
        }
    }
    return 0;
}

/* Helps with a phase until it is over. Returns 0 when the run itself is. */
static int finish_phase_(tern_phases *p, int phase, int thread, int run) {
    int from, to, taken;
    while ((taken = take_(p, phase, thread, run, &from, &to)) > 0) {
        p->work(p->argument, phase, from, to, thread);
        tern_add(&p->n_done[phase], to - from);
    }
    if (taken < 0) return 0;
    for (int looks = 0; tern_load(&p->n_done[phase]) < tern_load(&p->n_items[phase]); looks++) {
        if (tern_load(&p->run) != run) return 0;
        tern_wait_a_little(looks);
    }
    return 1;
}

static void help_(void *argument, int thread, int n_threads) {
    (void)n_threads;
    tern_phases *p = argument;
    if (thread == 0) return; /* leads, see tern_phases_run */
    int run = tern_load(&p->run);
    for (int phase = 0; phase < p->n_phases; phase++) {
        if (!finish_phase_(p, phase, thread, run)) return;
    }
}

/* Takes away what nobody has begun, from `phase` on, and waits for what somebody has. Others go on to the next phase
 * only where this one was all begun, so the first phase with something left is the last to look at. */
static void close_(tern_phases *p, int phase, int run) {
    for (int left = 0; phase < p->n_phases && left == 0; phase++) {
        for (int t = 0; t < p->n_threads; t++) {
            lane *l = &p->lanes[(size_t)phase * (size_t)p->n_threads + (size_t)t];
            uint64_t was = tern_swap64(&l->left, pack_(run, 0, 0));
            left += to_of_(was) - from_of_(was);
        }
        int begun = tern_load(&p->n_items[phase]) - left;
        for (int looks = 0; tern_load(&p->n_done[phase]) < begun; looks++) tern_wait_a_little(looks);
    }
    tern_store(&p->run, run + 1); /* whoever waits for the rest goes home */
}

static void deal_(tern_phases *p, int run) {
    for (int phase = 0; phase < p->n_phases; phase++) {
        int64_t n = tern_load(&p->n_items[phase]);
        tern_store(&p->n_done[phase], 0);
        for (int t = 0; t < p->n_threads; t++) {
            int from = (int)(n * t / p->n_threads), to = (int)(n * (t + 1) / p->n_threads);
            tern_swap64(&p->lanes[(size_t)phase * (size_t)p->n_threads + (size_t)t].left, pack_(run, from, to));
        }
    }
}

static int run_alone_(tern_phases *p, tern_atomic *interrupt) {
    for (int phase = 0; phase < p->n_phases; phase++) {
        if (tern_load(interrupt)) return 0;
        int n = tern_load(&p->n_items[phase]);
        if (n > 0) p->work(p->argument, phase, 0, n, 0);
    }
    return 1;
}

int tern_phases_run(tern_phases *phases, tern_atomic *interrupt) {
    if (phases->n_threads == 1) return run_alone_(phases, interrupt);
    int run = tern_load(&phases->run) + 1;
    deal_(phases, run);
    tern_store(&phases->run, run);
    tern_pool_offer(phases->pool, help_, phases);
    for (int phase = 0; phase < phases->n_phases; phase++) {
        if (tern_load(interrupt)) {
            close_(phases, phase, run);
            return 0;
        }
        finish_phase_(phases, phase, 0, run);
    }
    return 1;
}
