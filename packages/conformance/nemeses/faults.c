/*
 * Fails calls of a process to regular files with EIO, as often as a file says: put before the C library with LD_PRELOAD.
 * CALL_FAULTS names a file of four 32-bit numbers, in the order of the machine: of a million calls so many fail of syncs, writes, reads; the fourth
 * counts those that failed. The file is mapped, so a change counts at once. Unlike libfiu it has no thread of its own, which would get into a child between fork and exec.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static volatile uint32_t *shares;
static uint64_t dice = 88172645463325252ull;

__attribute__((constructor)) static void begin(void) {
  const char *name = getenv("CALL_FAULTS");
  int fd = name ? open(name, O_RDWR | O_CLOEXEC) : -1;
  if (fd < 0) return;
  void *found = mmap(NULL, 16, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (found != MAP_FAILED) shares = found;
  dice ^= (uint64_t)getpid() << 32;
  close(fd);
}

static int fails(int fd, int kind) {
  if (!shares || shares[kind] == 0) return 0;
  struct stat found;
  if (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)) return 0;
  uint64_t next = __atomic_add_fetch(&dice, 0x9e3779b97f4a7c15ull, __ATOMIC_RELAXED);
  next = (next ^ (next >> 30)) * 0xbf58476d1ce4e5b9ull;
  next = (next ^ (next >> 27)) * 0x94d049bb133111ebull;
  if ((next >> 33) % 1000000 >= shares[kind]) return 0;
  __atomic_add_fetch(&shares[3], 1, __ATOMIC_RELAXED);
  errno = EIO;
  return 1;
}

#define FAULTY(result, name, kind, parameters, ...)                                   \
  result name parameters {                                                            \
    static result(*real) parameters;                                                  \
    if (!real) real = (result(*) parameters)dlsym(RTLD_NEXT, #name);                  \
    return fails(fd, kind) ? -1 : real(__VA_ARGS__);                                  \
  }

enum { SYNCS, WRITES, READS };
FAULTY(int, fsync, SYNCS, (int fd), fd)
FAULTY(int, fdatasync, SYNCS, (int fd), fd)
FAULTY(ssize_t, pwrite, WRITES, (int fd, const void *from, size_t bytes, off_t at), fd, from, bytes, at)
FAULTY(ssize_t, pwrite64, WRITES, (int fd, const void *from, size_t bytes, off64_t at), fd, from, bytes, at)
FAULTY(ssize_t, pwritev, WRITES, (int fd, const struct iovec *from, int pieces, off_t at), fd, from, pieces, at)
FAULTY(ssize_t, pwritev64, WRITES, (int fd, const struct iovec *from, int pieces, off64_t at), fd, from, pieces, at)
FAULTY(ssize_t, pread, READS, (int fd, void *into, size_t bytes, off_t at), fd, into, bytes, at)
FAULTY(ssize_t, pread64, READS, (int fd, void *into, size_t bytes, off64_t at), fd, into, bytes, at)
FAULTY(ssize_t, preadv, READS, (int fd, const struct iovec *into, int pieces, off_t at), fd, into, pieces, at)
FAULTY(ssize_t, preadv64, READS, (int fd, const struct iovec *into, int pieces, off64_t at), fd, into, pieces, at)
