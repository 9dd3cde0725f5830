/* goring.h: the data plane of one ring in plain C11 (spec/LAYOUT.md sections 4 to 7). No
 * allocation, no Python, no Go. With goring_wait.h and goring_attach.h a program in any
 * language that can include C joins a ring.
 *
 *   goring_words.h    slot words, positions, waking
 *   goring_produce.h  reserving, committing, aborting
 *   goring_consume.h  taking and releasing
 *   goring_slip.h     keeping two participants apart, which makes them fast
 *   goring_seat.h     who is alive, and repairing what the dead left
 *   goring_wait.h     sleeping
 *   goring_attach.h   opening a ring and joining it (goring_geometry.h checks it) */
#ifndef GORING_H
#define GORING_H
#include "goring_consume.h"
#include "goring_produce.h"
#endif
