/* overwrite.h: marking a slot before its bytes change, and knowing whether they have (spec
 * section 7). Both fences are needed: payloads are plain memory. */
#ifndef GORING_OVERWRITE_H
#define GORING_OVERWRITE_H
#include "words.h"

/* Stores WRITING into a slot before its bytes change. SYNC overwrite store */
static inline void gr_mark_writing(const gr_ring *r, gr_pos at, unsigned seat) {
	uint64_t w = gr_writing_word(at.lap, seat);
	atomic_store_explicit(&gr_slot(r, at.idx)->word, w, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

/* Reports whether the slot of the message at at still has its word. The caller has read the
 * message's bytes before: if it reports true, they were whole. SYNC overwrite load */
static inline bool gr_intact(const gr_ring *r, gr_pos at) {
	atomic_thread_fence(memory_order_acquire);
	uint64_t w = atomic_load_explicit(&gr_slot(r, at.idx)->word, memory_order_relaxed);
	return w == gr_ready_word(at.lap);
}
#endif
