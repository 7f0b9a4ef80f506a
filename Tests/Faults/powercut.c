// What a power cut would leave: beside every file of one folder this library keeps a shadow that
// holds only the bytes that were synced.
//
//   cc -O2 -Wall -Wextra -shared -fPIC -o powercut.so powercut.c -ldl -lpthread
//   POWERCUT_STORE=/folder POWERCUT_SHADOW=/other LD_PRELOAD=./powercut.so program …
//
// A cut: SIGKILL the program, then put the shadow files in the place of the real ones. Before the
// program starts, the shadow folder holds copies of the files that are there already.
// With POWERCUT_IGNORE_SYNC=1 syncs are ignored, as by a disk that lies: a test of the test.
//
// Taken as lasting at once: names (create, unlink, rename). Not simulated: torn sectors. SQLite's
// -shm is memory only and left out; after a cut it has to be deleted. A sync that is interrupted
// leaves some of its blocks, as on a disk.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BLOCK_BYTES = 4096,
    // Descriptors followed; the usual limit of a process is 1,024.
    FDS_MAX = 65536,
};

struct file {
    char name[NAME_MAX + 1]; // empty once unlinked
    int shadow;
    unsigned char *dirty; // one per block: written since the last sync
    size_t blocks;
    struct file *next;
};

static char store[PATH_MAX], shadow_folder[PATH_MAX];
static bool ignores_sync;
static struct file *files, *by_fd[FDS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

// The function that this library hides.
#define REAL(function)                                                                             \
    static __typeof__(&function) real_##function;                                                  \
    if (!real_##function) real_##function = (__typeof__(&function))dlsym(RTLD_NEXT, #function)

// A shim that errs would prove nothing, so it ends the program.
static void fail(const char *what, const char *name)
{
    fprintf(stderr, "powercut: %s %s: %s\n", what, name, strerror(errno));
    abort();
}

__attribute__((constructor)) static void begin(void)
{
    const char *from = getenv("POWERCUT_STORE"), *to = getenv("POWERCUT_SHADOW");
    if (!from || !to || !realpath(from, store) || !realpath(to, shadow_folder))
        fail("POWERCUT_STORE and POWERCUT_SHADOW must be folders", "");
    ignores_sync = getenv("POWERCUT_IGNORE_SYNC") != NULL;
}

// The file's name when `path` lies in the store; NULL for everybody else's files.
static const char *name_in_store(const char *path)
{
    size_t length = strlen(store);
    if (strncmp(path, store, length) != 0 || path[length] != '/') return NULL;
    const char *name = path + length + 1;
    size_t count = strlen(name);
    if (count > 4 && strcmp(name + count - 4, "-shm") == 0) return NULL;
    return name;
}

static void shadow_path(char *path, const char *name)
{
    if (snprintf(path, PATH_MAX, "%s/%s", shadow_folder, name) >= PATH_MAX) fail("too long:", name);
}

static struct file *find(const char *name)
{
    for (struct file *file = files; file; file = file->next)
        if (strcmp(file->name, name) == 0) return file;
    return NULL;
}

static void mark(struct file *file, off_t from, off_t to)
{
    size_t first = (size_t)from / BLOCK_BYTES, end = ((size_t)to + BLOCK_BYTES - 1) / BLOCK_BYTES;
    if (end > file->blocks) {
        size_t count = end * 2;
        file->dirty = realloc(file->dirty, count);
        if (!file->dirty) fail("no memory for", file->name);
        memset(file->dirty + file->blocks, 0, count - file->blocks);
        file->blocks = count;
    }
    if (end > first) memset(file->dirty + first, 1, end - first);
}

static off_t size_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 ? status.st_size : 0;
}

// What an O_TRUNC is about to cut off; call it before the file is opened.
static off_t size_before(const char *path, int flags)
{
    struct stat status;
    return (flags & O_TRUNC) && stat(path, &status) == 0 ? status.st_size : 0;
}

static int opened(int fd, const char *path, off_t truncated)
{
    const char *name = fd < 0 ? NULL : name_in_store(path);
    if (!name) return fd;
    if (fd >= FDS_MAX) fail("too many open files for", name);
    pthread_mutex_lock(&mutex);
    struct file *file = find(name);
    if (!file) {
        REAL(open);
        char path_of_shadow[PATH_MAX];
        shadow_path(path_of_shadow, name);
        file = calloc(1, sizeof *file);
        if (!file || strlen(name) > NAME_MAX) fail("no place for", name);
        strcpy(file->name, name);
        file->shadow = real_open(path_of_shadow, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (file->shadow < 0) fail("no shadow of", name);
        file->next = files;
        files = file;
    }
    mark(file, 0, truncated);
    by_fd[fd] = file;
    pthread_mutex_unlock(&mutex);
    return fd;
}

static ssize_t wrote(int fd, ssize_t count, off_t from)
{
    if (count <= 0 || fd >= FDS_MAX || !by_fd[fd]) return count;
    pthread_mutex_lock(&mutex);
    mark(by_fd[fd], from, from + count);
    pthread_mutex_unlock(&mutex);
    return count;
}

// After a good sync: the written blocks are on disk now.
static int synced(int fd, int code)
{
    if (code != 0 || ignores_sync || fd >= FDS_MAX || !by_fd[fd]) return code;
    REAL(pwrite);
    REAL(ftruncate);
    pthread_mutex_lock(&mutex);
    struct file *file = by_fd[fd];
    char block[BLOCK_BYTES];
    for (size_t index = 0; index < file->blocks; index++) {
        if (!file->dirty[index]) continue;
        off_t from = (off_t)index * BLOCK_BYTES;
        ssize_t count = pread(fd, block, BLOCK_BYTES, from);
        if (count < 0 || real_pwrite(file->shadow, block, (size_t)count, from) != count)
            fail("cannot copy", file->name);
        file->dirty[index] = 0;
    }
    if (real_ftruncate(file->shadow, size_of(fd)) != 0) fail("cannot cut", file->name);
    pthread_mutex_unlock(&mutex);
    return code;
}

// Bytes that are cut off and come again later come as zeros: they count as written.
static void truncates(int fd, off_t length)
{
    if (fd < 0 || fd >= FDS_MAX || !by_fd[fd]) return;
    pthread_mutex_lock(&mutex);
    off_t size = size_of(fd);
    mark(by_fd[fd], length < size ? length : size, length < size ? size : length);
    pthread_mutex_unlock(&mutex);
}

// MARK: What programs call

#define MODE_OF(flags)                                                                             \
    mode_t mode = 0;                                                                               \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                         \
        va_list list;                                                                              \
        va_start(list, flags);                                                                     \
        mode = va_arg(list, mode_t);                                                               \
        va_end(list);                                                                              \
    }

int open(const char *path, int flags, ...)
{
    REAL(open);
    MODE_OF(flags);
    off_t truncated = size_before(path, flags);
    return opened(real_open(path, flags, mode), path, truncated);
}

int open64(const char *path, int flags, ...)
{
    REAL(open64);
    MODE_OF(flags);
    off_t truncated = size_before(path, flags);
    return opened(real_open64(path, flags, mode), path, truncated);
}

// Paths relative to a folder's descriptor never name a file of the store, whose paths are absolute.
int openat(int folder, const char *path, int flags, ...)
{
    REAL(openat);
    MODE_OF(flags);
    off_t truncated = size_before(path, flags);
    return opened(real_openat(folder, path, flags, mode), path, truncated);
}

int openat64(int folder, const char *path, int flags, ...)
{
    REAL(openat64);
    MODE_OF(flags);
    off_t truncated = size_before(path, flags);
    return opened(real_openat64(folder, path, flags, mode), path, truncated);
}

int close(int fd)
{
    REAL(close);
    // Before the real one: the next open may get the same number.
    if (fd >= 0 && fd < FDS_MAX) by_fd[fd] = NULL;
    return real_close(fd);
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    REAL(write);
    ssize_t written = real_write(fd, bytes, count);
    // The position after the write is right for O_APPEND too.
    bool isFollowed = fd >= 0 && fd < FDS_MAX && by_fd[fd];
    return isFollowed ? wrote(fd, written, lseek(fd, 0, SEEK_CUR) - written) : written;
}

ssize_t pwrite(int fd, const void *bytes, size_t count, off_t from)
{
    REAL(pwrite);
    return wrote(fd, real_pwrite(fd, bytes, count, from), from);
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t from)
{
    REAL(pwrite64);
    return wrote(fd, real_pwrite64(fd, bytes, count, from), from);
}

int ftruncate(int fd, off_t length)
{
    REAL(ftruncate);
    truncates(fd, length);
    return real_ftruncate(fd, length);
}

int ftruncate64(int fd, off64_t length)
{
    REAL(ftruncate64);
    truncates(fd, length);
    return real_ftruncate64(fd, length);
}

int fsync(int fd)
{
    REAL(fsync);
    return synced(fd, real_fsync(fd));
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    return synced(fd, real_fdatasync(fd));
}

int unlink(const char *path)
{
    REAL(unlink);
    int code = real_unlink(path);
    const char *name = code == 0 ? name_in_store(path) : NULL;
    if (!name) return code;
    char path_of_shadow[PATH_MAX];
    shadow_path(path_of_shadow, name);
    pthread_mutex_lock(&mutex);
    struct file *file = find(name);
    if (file) file->name[0] = '\0';
    real_unlink(path_of_shadow);
    pthread_mutex_unlock(&mutex);
    return code;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    int code = real_rename(from, to);
    const char *old = code == 0 ? name_in_store(from) : NULL;
    const char *new = code == 0 ? name_in_store(to) : NULL;
    if (!old && !new) return code;
    if (!old || !new) fail("renamed over the store's border:", from);
    char shadow_from[PATH_MAX], shadow_to[PATH_MAX];
    shadow_path(shadow_from, old);
    shadow_path(shadow_to, new);
    pthread_mutex_lock(&mutex);
    struct file *replaced = find(new), *file = find(old);
    if (replaced) replaced->name[0] = '\0';
    if (file) strcpy(file->name, new);
    // A file that was never opened under this library has no shadow to move.
    if (real_rename(shadow_from, shadow_to) != 0 && errno != ENOENT) fail("cannot rename", old);
    pthread_mutex_unlock(&mutex);
    return code;
}
