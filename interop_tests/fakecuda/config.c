/* config.c: the environment, read at the first call; README.md lists the variables. */
#include "fakecuda.h"

#include <stdio.h>
#include <unistd.h>

Config config;

static uint64_t number(const char *name, uint64_t dflt) {
	const char *v = getenv(name);
	return v && *v ? strtoull(v, NULL, 0) : dflt;
}

void configure(void) {
	config.devices = (int)number("FAKECUDA_DEVICES", 1);
	if (config.devices > MAX_DEVICES) config.devices = MAX_DEVICES;
	config.memory = number("FAKECUDA_MEM_MB", 1024) << 20;
	config.delay_us = (int)number("FAKECUDA_DELAY_US", 200);
	config.stuck_us = (int64_t)number("FAKECUDA_STUCK_MS", 5000) * 1000;
	config.seed = number("FAKECUDA_SEED", 1);
	config.sticky = number("FAKECUDA_STICKY", 0);
	config.abort = number("FAKECUDA_ABORT", 0);
	config.leaks = number("FAKECUDA_LEAKS", 0);
	config.host_pointers = number("FAKECUDA_HOSTPTR", 0);
	config.check = number("FAKECUDA_CHECK", 1);
	config.no_peer = number("FAKECUDA_NOPEER", 0);
	const char *order = getenv("FAKECUDA_ORDER");
	config.order = !order         ? ORDER_SOON
		: !strcmp(order, "late")  ? ORDER_LATE
		: !strcmp(order, "mixed") ? ORDER_MIXED
								  : ORDER_SOON;
	config.late_us = (int)number("FAKECUDA_LATE_US", 5000);
	const char *dir = getenv("FAKECUDA_DIR");
	config.own_dir = dir && *dir;
	if (config.own_dir)
		snprintf(config.dir, sizeof config.dir, "%s", dir);
	else
		snprintf(config.dir, sizeof config.dir, "/dev/shm/fakecuda-%u", getuid());
}

/* Platforms on which the attributes promise shared memory and the calls refuse it. */
static const struct {
	const char *name, *faults;
} personas[] = {
	{"wsl",
		"cuIpcOpenMemHandle_v2:0:400;cuIpcOpenEventHandle:0:400;cuMemExportToShareableHandle:0:801"},
	{"mig", "cuIpcOpenMemHandle_v2:0:801;cuIpcOpenEventHandle:0:801"},
	{"jetson", "cuIpcOpenMemHandle_v2:0:1"},
};

const char *persona_faults(void) {
	const char *like = getenv("FAKECUDA_LIKE");
	for (size_t i = 0; like && i < sizeof personas / sizeof *personas; i++)
		if (!strcmp(personas[i].name, like)) return personas[i].faults;
	return "";
}

/* Returns an attribute's value after FAKECUDA_NOATTR ("125;103": those are 0) and FAKECUDA_ATTR
 * ("18=1;91=0": those have these values). */
int attribute_override(int attribute, int value) {
	const char *none = getenv("FAKECUDA_NOATTR"), *some = getenv("FAKECUDA_ATTR");
	while (none && *none) {
		char *end;
		if (strtol(none, &end, 10) == attribute && end != none) return 0;
		none = *end ? end + 1 : end;
	}
	while (some && *some) {
		int a, v, used = 0;
		if (sscanf(some, "%d=%d%n", &a, &v, &used) == 2 && a == attribute) return v;
		some = strchr(some, ';');
		if (some) some++;
	}
	return value;
}
