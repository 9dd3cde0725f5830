/* races.c: runs threads on a ring in heap memory, under ThreadSanitizer: races SHAPE MESSAGES.
 *
 * TSan knows C11 atomics but no fences, so overwrite mode, which rests on two of them, would
 * be reported falsely; spec/litmus has that one. Built with -DMISTAKE the producers fill the
 * slot after its commit: a run that TSan must report. */
#include <pthread.h>

#include "ring.h"

typedef struct {
	gr_ring *r;
	unsigned seat;
	uint64_t count;
	_Atomic uint64_t *got;
} Task;

static bool look_room(void *p, bool final) { return gr_try_reserve(p, !final); }

typedef struct {
	gr_consumer *c;
	gr_pos at;
} Look;

static bool look_data(void *arg, bool final) {
	Look *l = arg;
	return gr_try_take(l->c, !final, &l->at);
}

static void *produce(void *arg) {
	Task *t = arg;
	gr_producer p;
	gr_waiter w;
	gr_producer_start(&p, t->r, t->seat);
	gr_waiter_start(&w, t->r, t->seat, -1, GR_STRATEGY_ADAPTIVE, true);
	for (uint64_t n = 0; n < t->count; n++) {
		while (!gr_try_reserve(&p, true) && gr_sleep(&w, look_room, &p, GR_WAIT_SLICE_NS) != 1) {
		}
		uint8_t *b = gr_payload(t->r, p.pos.idx);
#ifndef MISTAKE
		memcpy(b, &n, 8);
		gr_publish(&p, 40, 0, n);
#else
		gr_publish(&p, 40, 0, n);
		memcpy(b, &n, 8);
#endif
	}
	return NULL;
}

static void *consume(void *arg) {
	Task *t = arg;
	gr_consumer c;
	gr_cursor k;
	gr_waiter w;
	uint64_t *early = calloc(1, gr_cursor_early_size(t->r)), sum = 0;
	gr_cursor_start(&k, t->r, t->seat, early);
	gr_consumer_start(&c, t->r, t->seat, &k);
	gr_waiter_start(&w, t->r, t->seat, -1, GR_STRATEGY_ADAPTIVE, true);
	for (;;) {
		Look l = {&c, {0, 0}};
		int r = look_data(&l, false) ? 1 : gr_sleep(&w, look_data, &l, GR_WAIT_SLICE_NS);
		if (r == GR_WAIT_ENDED) break;
		if (r != 1) continue;
		uint64_t n;
		memcpy(&n, gr_payload(t->r, l.at.idx), 8);
		sum += n + gr_slot(t->r, l.at.idx)->tag;
		gr_release_any(&c, l.at, 1);
		atomic_fetch_add(t->got, 1);
	}
	free(early);
	return (void *)(uintptr_t)(sum | 1);
}

int main(int argc, char **argv) {
	if (argc != 3) return fprintf(stderr, "races SHAPE MESSAGES\n"), 2;
	gr_ring r = ring_make(atoi(argv[1]), 8);
	uint64_t count = strtoull(argv[2], NULL, 10), all = count * r.max_producers;
	_Atomic uint64_t got = 0;
	pthread_t threads[4];
	Task tasks[4];
	unsigned n = r.max_producers + r.max_consumers;
	for (unsigned i = 0; i < n; i++) atomic_store(gr_seat_state(&r, i + 1), GR_PART_IN_USE);
	for (unsigned i = 0; i < n; i++) {
		tasks[i] = (Task){&r, i + 1, count, &got};
		pthread_create(&threads[i], NULL, i < r.max_producers ? produce : consume, &tasks[i]);
	}
	for (unsigned i = 0; i < r.max_producers; i++) pthread_join(threads[i], NULL);
	if (r.mode == GR_MODE_BROADCAST) all *= r.max_consumers;
	while (atomic_load(&got) < all) usleep(1000);
	gr_shutdown(&r);
	for (unsigned i = r.max_producers; i < n; i++) pthread_join(threads[i], NULL);
	printf("%llu messages\n", (unsigned long long)got);
	ring_free(&r);
	return got != all;
}
