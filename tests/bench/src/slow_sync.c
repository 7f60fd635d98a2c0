/* Preloaded into the host, this makes every sync take as long as on a common SD card or eMMC. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static void take_longer(void) {
    struct timespec pause = {0, 2000000};
    nanosleep(&pause, 0);
}

int fsync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    take_longer();
    return real(file);
}

int fdatasync(int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    take_longer();
    return real(file);
}
