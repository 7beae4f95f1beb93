/* Loaded before libc: fsync and fdatasync take $BENCH_FSYNC_US microseconds longer, as on a slower disk. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int after_a_wait(const char *name, int descriptor) {
    const char *text = getenv("BENCH_FSYNC_US");
    long microseconds = text ? atol(text) : 0;
    struct timespec wait = {microseconds / 1000000, microseconds % 1000000 * 1000};
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    nanosleep(&wait, NULL);
    return real(descriptor);
}

int fsync(int descriptor) { return after_a_wait("fsync", descriptor); }
int fdatasync(int descriptor) { return after_a_wait("fdatasync", descriptor); }
