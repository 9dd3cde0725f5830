/* cudadrv.h: finding the driver, and opening the memory of GPU rings. Nothing here is on a hot path. */
#ifndef GORING_CUDADRV_H
#define GORING_CUDADRV_H
#include "goring/gpu.h"

/* driver.c */
int cudadrv_ready(void);             /* loads and initialises it, once; 0 or an error */
const char *cudadrv_why(void);       /* what the loader said */
const gr_cuda *cudadrv_table(void);  /* once cudadrv_ready was 0 */
void cudadrv_describe(int error, const char **name, const char **text);
int cudadrv_devices(int *n);
int cudadrv_uuid(int ordinal, gr_uuid *uuid);
int cudadrv_name(int ordinal, char *name, int n);
int cudadrv_version(int *version);

typedef struct { /* what is to be opened; the segment has been checked */
	int fd;                /* a description of its own, closed with the ring */
	int ordinal;
	uint32_t memory, sync; /* as in the block */
	bool create;
	bool queue;
	uint64_t slots, done_cells, stride;
	uint64_t bytes;        /* of device memory */
	uint64_t gpu_off, gpu_size, data_off;
	gr_ipc handle;         /* given, or made */
} cudadrv_params;

/* ring.c */
int cudadrv_alloc(cudadrv_params *w, gr_deviceptr *base); /* zeroed device memory, and its handle */
int cudadrv_free(int ordinal, gr_deviceptr base);
/* opens the memory, base being the process's own allocation or 0; *step says where it failed */
int cudadrv_open(const cudadrv_params *w, gr_deviceptr base, gr_gpu **out, const char **step);
void cudadrv_abandon(gr_gpu *g); /* whoever frees it later keeps the allocation: somebody has it open */
int cudadrv_memory(int ordinal, uint64_t *unused, uint64_t *total);
int cudadrv_try_handle(int ordinal, gr_ipc handle, unsigned char mark); /* opens, writes a byte, closes */
int cudadrv_take_byte(int ordinal, gr_deviceptr p, unsigned char *value); /* and clears it */
#endif
