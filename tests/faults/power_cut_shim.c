/* Loaded with LD_PRELOAD: keeps a copy of every file at each of its syncs, as <n>.<name> in $CUT_DIR, and logs
 * "sync <n> <name>", "unlink <name>" and "directory" (synced, which makes the removals last). What was not synced is
 * what a power cut may lose. Nothing is really synced, which is faster. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned n_syncs;

static void report(char const *format, unsigned number, char const *name) {
    char path[PATH_MAX], line[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/log", getenv("CUT_DIR"));
    int log = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    int n = number ? snprintf(line, sizeof line, format, number, name) : snprintf(line, sizeof line, format, name);
    if (write(log, line, (size_t)n) != n)
        abort();
    close(log);
}

static void keep(int fd) {
    char link[64], target[PATH_MAX + 1], name[PATH_MAX * 2], block[65536];
    struct stat info;
    if (fstat(fd, &info) != 0)
        return;
    if (S_ISDIR(info.st_mode)) {
        report("directory%s\n", 0, "");
        return;
    }
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, target, PATH_MAX);
    if (length <= 0)
        return;
    target[length] = 0;
    char const *base = strrchr(target, '/') + 1;
    n_syncs++;
    snprintf(name, sizeof name, "%s/%u.%s", getenv("CUT_DIR"), n_syncs, base);
    int copy = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    /* pread on the same descriptor: closing a second one would drop SQLite's locks. */
    for (off_t at = 0;;) {
        ssize_t got = pread(fd, block, sizeof block, at);
        if (got <= 0 || write(copy, block, (size_t)got) != got)
            break;
        at += got;
    }
    close(copy);
    report("sync %u %s\n", n_syncs, base);
}

int fdatasync(int fd) {
    keep(fd);
    return 0;
}

int fsync(int fd) {
    keep(fd);
    return 0;
}

int unlink(char const *path) {
    int (*real)(char const *) = (int (*)(char const *))dlsym(RTLD_NEXT, "unlink");
    int result = real(path);
    char const *slash = strrchr(path, '/');
    if (result == 0)
        report("unlink %s\n", 0, slash ? slash + 1 : path);
    return result;
}
