/* Preloaded into a process under test: notes every write and sync below IO_SHIM_ROOT, in order, to the file
   IO_SHIM_TRACE, and makes them fail or dawdle as the first byte of the file IO_SHIM_CONTROL says:
   w: writes fail with EIO, f: with ENOSPC, r: with EROFS; s: syncs fail with EIO, d: syncs wait while it says so.
   A note: op, length of path (u16), offset (i64), length of data (u32), path, data; little-endian. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *root;
static volatile char *control;
static int trace = -1;

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

__attribute__((constructor)) static void begin(void) {
    const char *name = getenv("IO_SHIM_CONTROL");
    root = getenv("IO_SHIM_ROOT");
    if (name) {
        int fd = open(name, O_RDONLY);
        void *page = mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0);
        if (page != MAP_FAILED) control = page;
        close(fd);
    }
    if ((name = getenv("IO_SHIM_TRACE"))) trace = open(name, O_WRONLY | O_APPEND | O_CREAT, 0600);
}

static char mode(void) { return control ? *control : 0; }

static int below_root(int fd, char *path) {
    char link[64];
    if (!root || fd == trace) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return strncmp(path, root, strlen(root)) == 0 && !strstr(path, "-shm");
}

static void note(char op, const char *path, int64_t offset, const void *data, uint32_t size) {
    if (trace < 0) return;
    uint16_t length = (uint16_t)strlen(path);
    char head[15];
    head[0] = op;
    memcpy(head + 1, &length, 2);
    memcpy(head + 3, &offset, 8);
    memcpy(head + 11, &size, 4);
    struct iovec parts[3] = {{head, sizeof head}, {(void *)path, length}, {(void *)data, size}};
    ssize_t (*out)(int, const struct iovec *, int) = next("writev");
    if (out(trace, parts, 3) < 0) abort();
}

static ssize_t put(int fd, const void *data, size_t size, off_t offset) {
    ssize_t (*at)(int, const void *, size_t, off_t) = next("pwrite64");
    ssize_t (*on)(int, const void *, size_t) = next("write");
    char path[PATH_MAX];
    if (!below_root(fd, path)) return offset < 0 ? on(fd, data, size) : at(fd, data, size, offset);
    if (mode() == 'w' || mode() == 'f' || mode() == 'r') {
        errno = mode() == 'w' ? EIO : mode() == 'f' ? ENOSPC : EROFS;
        return -1;
    }
    pthread_mutex_lock(&lock);
    off_t place = offset < 0 ? lseek(fd, 0, SEEK_CUR) : offset;
    ssize_t done = offset < 0 ? on(fd, data, size) : at(fd, data, size, offset);
    if (done > 0) note('W', path, place, data, (uint32_t)done);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *data, size_t size) { return put(fd, data, size, -1); }
ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) { return put(fd, data, size, offset); }
ssize_t pwrite64(int fd, const void *data, size_t size, off_t offset) { return put(fd, data, size, offset); }

static int sync_by(const char *name, int fd) {
    int (*real)(int) = next(name);
    char path[PATH_MAX];
    if (!below_root(fd, path)) return real(fd);
    if (mode() == 's') {
        errno = EIO;
        return -1;
    }
    while (mode() == 'd') usleep(10000);
    pthread_mutex_lock(&lock);
    int result = real(fd);
    if (result == 0) note('S', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int fsync(int fd) { return sync_by("fsync", fd); }
int fdatasync(int fd) { return sync_by("fdatasync", fd); }

static int cut(int fd, off_t size) {
    int (*real)(int, off_t) = next("ftruncate64");
    char path[PATH_MAX];
    if (!below_root(fd, path)) return real(fd, size);
    pthread_mutex_lock(&lock);
    int result = real(fd, size);
    if (result == 0) note('T', path, size, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}

int ftruncate(int fd, off_t size) { return cut(fd, size); }
int ftruncate64(int fd, off_t size) { return cut(fd, size); }

int rename(const char *from, const char *to) {
    int (*real)(const char *, const char *) = next("rename");
    pthread_mutex_lock(&lock);
    int result = real(from, to);
    if (result == 0 && root && !strncmp(from, root, strlen(root))) {
        note('R', from, 0, to, (uint32_t)strlen(to));
    }
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path) {
    int (*real)(const char *) = next("unlink");
    pthread_mutex_lock(&lock);
    int result = real(path);
    if (result == 0 && root && !strncmp(path, root, strlen(root))) note('U', path, 0, "", 0);
    pthread_mutex_unlock(&lock);
    return result;
}
