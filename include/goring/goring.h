/* goring.h: the protocol of a ring in plain C11 (spec/LAYOUT.md). No allocation, no Python, no
 * Go: a program in any language that can include C joins a ring with these headers, compiled with
 * -I<the folder that holds goring/>. With -std=c11 include them before the C library's, or define
 * _GNU_SOURCE: they call syscall() and clock_gettime(), which pure C does not declare.
 *
 *   words.h      slot words, sizes, positions, waking
 *   produce.h    reserving, publishing, aborting
 *   consume.h    taking, releasing, requeueing
 *   cursor.h     the cursors of broadcast rings and their gate
 *   overwrite.h  marking, intact messages, lost messages
 *   seat.h       joining, leaving, reaping
 *   peers.h      the death of peers
 *   wait.h       spinning, yielding, sleeping
 *   slip.h       temporal slipping, which makes streams fast
 *   cells.h      claims of device work on GPU rings, as the host sees them
 *   geometry.h   the checks of a superblock
 *   attach.h     opening, checking and mapping a ring
 *   driver.h     the part of the CUDA driver that GPU rings need
 *   gpu.h        the device steps of GPU rings, over the driver
 *   layout.h     offsets and constants, generated
 *
 * Package internal/proto has the same functions in Go, file for file; its doc.go lists the tags
 * (`SYNC commit store`) that both ends of each atomic pair carry. */
#ifndef GORING_GORING_H
#define GORING_GORING_H
#include "consume.h"
#include "produce.h"
#endif
