/* peer.h: declares the parts that the files of the C peer share. peers.py defines its commands. */
#ifndef PEER_H
#define PEER_H
#include <inttypes.h>
#include <stdlib.h>

#include "goring/attach.h"

enum { MAX_HELD = 4096, LINE = 1 << 22 };

/* The causes of no message, besides GR_WAIT_ENDED and GR_WAIT_PEER_DEAD. */
enum { HELD = -3, CORRUPT = -4, FAILED = -5 };

typedef struct {
	gr_ring ring;
	int fd, lock; /* The segment, and the seat's lock; -1 when there is none. */
	unsigned seat;
	bool produces, consumes, reserved;
	gr_producer p;
	gr_consumer c;
	gr_cursor cursor;
	gr_waiter w;
	gr_pos again[MAX_HELD]; /* GR_SINGLE: the requeued messages, ascending. */
	size_t nagain;
	gr_pos batch;
	uint64_t nbatch;
} Peer;

/* queue.c */
int room(Peer *p, int64_t ns);
int data(Peer *p, int64_t ns, gr_pos *at, uint64_t *sizes);
void requeue(Peer *p, gr_pos at);
int64_t milliseconds(const char *text);
/* main.c: every command ends in one of these. */
int ok(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline int done(void) { return fputs("ok", stdout), 0; }

int err(const char *class, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns v of option k=v of a command, or dflt. */
uint64_t option(char **args, const char *k, uint64_t dflt);
const char *text_option(char **args, const char *k);
void put_hex(const uint8_t *b, uint64_t n);
int64_t get_hex(const char *text, uint8_t *to, uint64_t room);

typedef int Command(Peer *, char **args);
Command do_reserve, do_commit, do_abort, do_write, do_put, do_writebatch, do_tryread, do_read,
	do_latest, do_lost, do_release, do_requeue, do_readbatch, do_releasebatch, do_produce,
	do_consume, do_make, do_take, do_step;

/* load.c */
uint64_t mix(uint64_t x);
uint64_t make_message(const gr_ring *r, uint8_t *b, uint64_t id);
bool good_message(const gr_ring *r, const uint8_t *b, uint64_t len);
#endif
