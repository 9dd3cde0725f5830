/* leaks.c: the end of the process: its open objects, and its rows in the registry. */
#include "fakecuda.h"

/* Returns the number of open objects and logs a line when there are any. */
API int fakecuda_leaks(void) {
	int allocated = 0, imported = 0, mapped = 0, running = 0, pinned = 0,
		events = atomic_load(&live_events);
	if (!atomic_load(&initialised)) return 0;
	pthread_mutex_lock(&world);
	for (Range *r = ranges; r; r = r->next) {
		allocated += r->kind == R_ALLOCATED;
		imported += r->kind == R_IMPORTED;
		mapped += r->kind == R_MAPPED || r->kind == R_RESERVED;
	}
	for (Stream *s = streams; s; s = s->next) running += s != s->context->legacy && !s->closing;
	for (Pin *p = pins; p; p = p->next) pinned++;
	pthread_mutex_unlock(&world);
	int all = allocated + imported + mapped + running + events + pinned;
	if (all)
		say("LEAK: allocations %d imports %d vmm %d streams %d events %d pinned %d", allocated,
			imported, mapped, running, events, pinned);
	return all;
}

__attribute__((destructor)) static void leave(void) {
	if (!atomic_load(&initialised) || atomic_load(&forked)) return;
	if (config.leaks) fakecuda_leaks();
	int none = 0;
	atomic_compare_exchange_strong(&poisoned, &none, CUDA_ERROR_DEINITIALIZED);
	shared_close();
}
