/* fuzz_segment.c: plays a peer that writes anything past the immutable part, before and between
 * the steps of one producer and one consumer (libFuzzer, or replay.c). They may return errors
 * and nonsense; ASan and UBSan see to it that they stay within the ring, and the time limit
 * that they end. The first byte picks the shape of the ring, the rest are steps. */
#include "ring.h"

typedef struct {
	const uint8_t *at, *end;
} Program;

static uint8_t next(Program *p) { return p->at < p->end ? *p->at++ : 0; }

static void scribble(gr_ring *r, Program *p) {
	uint8_t where = next(p), what = next(p);
	uint64_t places[] = {
		r->header_off,
		r->header_off + 8,
		r->header_off + 32,
		GR_OFF_PUT_HINT,
		GR_OFF_TAKE_HINT,
		GR_OFF_REQUEUE_GEN,
		GR_OFF_HEAD,
		r->participants_off,
		r->participants_off + r->max_producers * GR_PARTICIPANT_SIZE + GR_PART_CURSOR,
	};
	uint64_t at = places[where % (sizeof places / sizeof *places)];
	if (at >= r->header_off) at += where / 16 % r->slots * r->header_stride;
	uint64_t values[] = {
		what >> 3 & 3,
		(uint64_t)(what >> 4) << 8 | (what & 3),
		(uint64_t)(what >> 4) << 8 | 1 << 2 | (what & 3),
		UINT64_MAX,
		1ull << 63,
		UINT32_MAX,
		what,
		(uint64_t)what << 32,
	};
	memcpy(r->control + at, &values[what % 8], 8);
}

static volatile uint8_t sink;

/* Reads every byte that the message claims to have. */
static void look(gr_ring *r, gr_pos at, uint64_t sizes) {
	const uint8_t *b = gr_payload(r, at.idx), *m = gr_meta(r, at.idx);
	for (uint64_t i = 0; i < (sizes & 0xffffffff); i++) sink = b[i];
	for (uint64_t i = 0; i < (sizes >> 32 & 0xffff); i++) sink = m[i];
}

typedef struct {
	gr_producer p;
	gr_consumer c;
	gr_cursor cursor;
	gr_pos held[4];
	int nheld;
} Actors;

static void take(gr_ring *r, Actors *a, bool hints) {
	gr_pos at;
	if (a->nheld == 4 || gr_holds_every_slot(&a->c) || gr_overrun(&a->c) ||
		!gr_try_take(&a->c, hints, &at))
		return;
	uint64_t sizes = gr_slot(r, at.idx)->sizes; /* Loads once; only this copy is used. */
	if (gr_sizes_fit(r, sizes)) {
		look(r, at, sizes);
		a->held[a->nheld++] = at;
	} else if (a->c.discipline != GR_OVERWRITE || gr_intact(r, at)) {
		gr_release_any(&a->c, at, 1);
	}
}

static void step(gr_ring *r, Actors *a, Program *p) {
	switch (next(p) % 10) {
	case 0:
	case 1: scribble(r, p); break;
	case 2: take(r, a, true); break;
	case 3: take(r, a, false); break;
	case 4:
		if (gr_try_reserve(&a->p, next(p) & 1)) {
			memset(gr_payload(r, a->p.pos.idx), 7, r->bytes);
			gr_publish(&a->p, (uint32_t)r->bytes, 0, 1);
		}
		break;
	case 5:
		if (a->nheld && gr_is_held_any(&a->c, a->held[--a->nheld]))
			gr_release_any(&a->c, a->held[a->nheld], 1);
		break;
	case 6:
		if (a->nheld && a->c.discipline == GR_MULTI && gr_is_held_any(&a->c, a->held[--a->nheld]))
			gr_requeue(&a->c, a->held[a->nheld]);
		break;
	case 7:
		if (r->mode != GR_MODE_QUEUE) gr_skip_to_newest(&a->c);
		break;
	case 8: gr_give_back(r, next(p) & 63); break;
	case 9:
		if (gr_try_reserve(&a->p, true)) gr_abort(&a->p);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2 || size > 512) return 0;
	Program p = {data + 1, data + size};
	gr_ring r = ring_make(data[0] % SHAPES, 3);
	for (int n = next(&p) % 8; n; n--) scribble(&r, &p);
	unsigned consumer = r.max_producers + 1u;
	uint64_t *early = calloc(1, gr_cursor_early_size(&r));
	Actors a = {0};
	gr_cursor_start(&a.cursor, &r, consumer, early);
	gr_producer_start(&a.p, &r, 1);
	gr_consumer_start(&a.c, &r, consumer, &a.cursor);
	while (p.at < p.end) step(&r, &a, &p);
	free(early);
	ring_free(&r);
	return 0;
}
