/* cudadrv.h: finding the driver, and opening the memory of GPU rings. Not on a hot path. */
#ifndef GORING_CUDADRV_H
#define GORING_CUDADRV_H
#include "goring/gpu.h"

/* driver.c */

/* Loads and initialises the driver, once. Returns 0 or an error. */
int cudadrv_ready(void);

/* Returns the loader's text after cudadrv_ready has failed. */
const char *cudadrv_why(void);

/* Returns the driver's functions, once cudadrv_ready has returned 0. */
const gr_cuda *cudadrv_table(void);

/* Sets the driver's name and text of an error, or NULL. */
void cudadrv_describe(int error, const char **name, const char **text);
int cudadrv_devices(int *n);
int cudadrv_uuid(int ordinal, gr_uuid *uuid);
int cudadrv_name(int ordinal, char *name, int n);
int cudadrv_version(int *version);

/* ring.c */

/* cudadrv_params describe the memory to open. The segment has been checked. */
typedef struct {
	int fd; /* A description of its own, closed with the ring. */
	int ordinal;
	uint32_t memory, sync; /* As in the block. */
	bool create;           /* Try whether streams write to the cells. */
	bool queue;
	uint64_t slots, done_cells, stride;
	uint64_t bytes; /* Of device memory. */
	uint64_t gpu_off, gpu_size, data_off;
	gr_ipc handle; /* Given to cudadrv_open, made by cudadrv_alloc. */
} cudadrv_params;

/* Allocates zeroed device memory and makes its handle. */
int cudadrv_alloc(cudadrv_params *w, gr_deviceptr *base);
int cudadrv_free(int ordinal, gr_deviceptr base);

/* Opens the memory. base is the process's own allocation, or 0. *step names the failed step. */
int cudadrv_open(const cudadrv_params *w, gr_deviceptr base, gr_gpu **out, const char **step);

/* Makes the last unreference keep the allocation, since another process has it open. */
void cudadrv_abandon(gr_gpu *g);

/* Sets the free and the total memory of a device in bytes. */
int cudadrv_memory(int ordinal, uint64_t *unused, uint64_t *total);

/* Opens a handle, writes a byte and closes it. */
int cudadrv_try_handle(int ordinal, gr_ipc handle, unsigned char mark);

/* Reads and clears a byte of device memory. */
int cudadrv_take_byte(int ordinal, gr_deviceptr p, unsigned char *value);
#endif
