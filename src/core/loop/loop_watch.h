#ifndef CORE_LOOP_LOOP_WATCH_H
#define CORE_LOOP_LOOP_WATCH_H
/*
 * The loop's own side of its watches (core/loop/loop.h) and of waiting awake. Loop thread; only
 * src/core/loop*.c includes it.
 */
#include "core/loop/loop_backend.h"

/* Calls look or rest of every watch; whether one found something. */
bool watches_look(struct loop *l);
bool watches_rest(struct loop *l);

/* Whether waiting awake can help on this host. */
bool watches_may_spin(void);

/* There is nothing to do: waits awake for as long as that has been worth it; whether there is now.
 */
bool watches_spin(struct loop *l);

/* The wait, awake or asleep, is over. */
void watches_learn(struct loop *l);

#endif
