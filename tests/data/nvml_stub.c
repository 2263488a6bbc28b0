/* A stand-in for libnvidia-ml.so.1 that answers from environment variables, so that the real ctypes path can be tested
 * on a machine without a GPU.
 *
 *   STUB_GPUS=N            number of GPUs (default 1)
 *   STUB_NAMES=A;B         their names (default "NVIDIA Stub"), the last one repeated
 *   STUB_MIG=K             GPU 0 is partitioned into K slices
 *   STUB_ERRORS=f=9,g=3    function f returns NVML error 9, g returns 3; "f@1=15": only for GPU 1
 *   STUB_HANG=f            function f never returns
 *   STUB_CRASH=f           function f kills the process
 *
 * GPU i has 24 GiB in all and i+1 GiB in use. Slice k of a GPU has 10 GiB, all free.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB (1024ULL * 1024 * 1024)
#define SLICE 1000 /* handles: 1 + gpu, or SLICE + slice; never null */

typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned int gpu, memory; } rates_t;

static int number(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}

static int fault(const char *function, long gpu) {
    const char *hang = getenv("STUB_HANG"), *crash = getenv("STUB_CRASH"), *errors = getenv("STUB_ERRORS");
    char wanted[128], particular[128], copy[1024];
    if (hang && !strcmp(hang, function)) for (;;) pause();
    if (crash && !strcmp(crash, function)) raise(SIGSEGV);
    if (!errors) return 0;
    snprintf(wanted, sizeof wanted, "%s=", function);
    snprintf(particular, sizeof particular, "%s@%ld=", function, gpu);
    snprintf(copy, sizeof copy, "%s", errors);
    for (char *rest = copy, *entry; (entry = strtok_r(rest, ",", &rest));) {
        if (!strncmp(entry, wanted, strlen(wanted))) return atoi(entry + strlen(wanted));
        if (!strncmp(entry, particular, strlen(particular))) return atoi(entry + strlen(particular));
    }
    return 0;
}

#define ENTER(name, gpu) int code = fault(name, gpu); if (code) return code

static long gpu_of(void *handle) { return (long)handle >= SLICE ? 0 : (long)handle - 1; }
static int is_slice(void *handle) { return (long)handle >= SLICE; }

int nvmlInitWithFlags(unsigned int flags) { (void)flags; ENTER("nvmlInitWithFlags", -1); return 0; }
int nvmlShutdown(void) { return 0; }

int nvmlSystemGetDriverVersion(char *text, unsigned int size) {
    ENTER("nvmlSystemGetDriverVersion", -1);
    snprintf(text, size, "999.42");
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    ENTER("nvmlDeviceGetCount", -1);
    *count = number("STUB_GPUS", 1);
    return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void **handle) {
    ENTER("nvmlDeviceGetHandleByIndex", index);
    *handle = (void *)(long)(index + 1);
    return 0;
}

int nvmlDeviceGetUUID(void *handle, char *text, unsigned int size) {
    ENTER("nvmlDeviceGetUUID", gpu_of(handle));
    if (is_slice(handle)) snprintf(text, size, "MIG-%08ld-aaaa", (long)handle - SLICE);
    else snprintf(text, size, "GPU-%08ld-bbbb", gpu_of(handle));
    return 0;
}

int nvmlDeviceGetName(void *handle, char *text, unsigned int size) {
    char names[256], *rest = names, *name = "NVIDIA Stub", *entry;
    ENTER("nvmlDeviceGetName", gpu_of(handle));
    snprintf(names, sizeof names, "%s", getenv("STUB_NAMES") ? getenv("STUB_NAMES") : "");
    for (long i = 0; i <= gpu_of(handle) && (entry = strtok_r(rest, ";", &rest)); i++) name = entry;
    snprintf(text, size, is_slice(handle) ? "%s MIG 1g.10gb" : "%s", name);
    return 0;
}

int nvmlDeviceGetMemoryInfo(void *handle, memory_t *memory) {
    ENTER("nvmlDeviceGetMemoryInfo", gpu_of(handle));
    memory->total = (is_slice(handle) ? 10 : 24) * GIB;
    memory->used = is_slice(handle) ? 0 : (gpu_of(handle) + 1) * GIB;
    memory->free = memory->total - memory->used;
    return 0;
}

int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    ENTER("nvmlDeviceGetCudaComputeCapability", gpu_of(handle));
    *major = 8 + (int)gpu_of(handle); /* later ones are newer, so that CUDA's order differs from NVML's */
    *minor = 6;
    return 0;
}

int nvmlDeviceGetMigMode(void *handle, unsigned int *current, unsigned int *pending) {
    if (!getenv("STUB_MIG")) return 3;
    *current = *pending = gpu_of(handle) == 0;
    return 0;
}

int nvmlDeviceGetMaxMigDeviceCount(void *handle, unsigned int *count) { (void)handle; *count = 7; return 0; }

int nvmlDeviceGetMigDeviceHandleByIndex(void *handle, unsigned int index, void **slice) {
    (void)handle;
    if ((int)index >= number("STUB_MIG", 0)) return 6;
    *slice = (void *)(long)(SLICE + index);
    return 0;
}

int nvmlDeviceGetGpuInstanceId(void *handle, unsigned int *id) { *id = (long)handle - SLICE + 7; return 0; }
int nvmlDeviceGetComputeInstanceId(void *handle, unsigned int *id) { (void)handle; *id = 0; return 0; }
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned int *value) { (void)handle; (void)sensor; *value = 41; return 0; }
int nvmlDeviceGetPowerUsage(void *handle, unsigned int *value) { ENTER("nvmlDeviceGetPowerUsage", gpu_of(handle)); *value = 71500; return 0; }
int nvmlDeviceGetUtilizationRates(void *handle, rates_t *rates) { (void)handle; rates->gpu = 3; rates->memory = 1; return 0; }
