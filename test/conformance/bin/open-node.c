/*
 * Preloaded into the programs of a replay: lets them open the device nodes that
 * the simulated kernel made, though no driver of this system is behind them.
 *
 * (The nodes lie on a mount without devices, so that no driver of this system
 * can be reached by accident.) An open that fails for that reason becomes a connection to the daemon, which
 * opens the node in the simulation and closes it when the last copy of the
 * descriptor is closed, whoever has it then. Reading and writing are refused
 * there (EPERM), as zcrypt does; calls that a C library makes inside itself
 * (printf) are not seen.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int enabled(void) {
  /* The programs in perl speak to the control tree themselves. */
  return getenv("AP_SIM_CLOCK") && strcmp(program_invocation_short_name, "perl") != 0;
}

static int connected(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path, getenv("AP_SIM_CLOCK"), sizeof address.sun_path - 1);
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

/* A descriptor that refuses writes by itself, and thereby those that are not seen here. */
static int write_only(int node) {
  int fd = memfd_create("node", MFD_ALLOW_SEALING);
  if (fd >= 0) fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE);
  fcntl(node, F_SETFD, FD_CLOEXEC);
  fcntl(node, F_DUPFD_CLOEXEC, 100);
  close(node);
  return fd;
}

static int node_open(const char *path, int flags, int fd) {
  int failed = errno;
  struct stat st;
  /* /dev is mounted without devices: EACCES, whatever the rights. */
  int access_mode = (flags & O_ACCMODE) == O_RDONLY ? R_OK : (flags & O_ACCMODE) == O_WRONLY ? W_OK : R_OK | W_OK;
  if (fd >= 0 || failed != EACCES || !enabled() || stat(path, &st) < 0 || !S_ISCHR(st.st_mode) ||
      access(path, access_mode) < 0) {
    errno = failed;
    return fd;
  }
  char text[64];
  int node = connected();
  int length = snprintf(text, sizeof text, "node %u %u\n", major(st.st_rdev), minor(st.st_rdev));
  if (node >= 0 && NEXT(write)(node, text, length) == length && NEXT(read)(node, text, sizeof text) >= 2 && text[0] == 'o')
    return (flags & O_ACCMODE) == O_WRONLY ? write_only(node) : node;
  if (node >= 0) close(node);
  errno = failed;
  return -1;
}

static int is_node(int fd) {
  struct sockaddr_un peer;
  socklen_t length = sizeof peer;
  struct stat st;
  if (fstat(fd, &st) < 0 || !S_ISSOCK(st.st_mode) || !enabled()) return 0;
  if (getpeername(fd, (struct sockaddr *)&peer, &length) < 0 || peer.sun_family != AF_UNIX) return 0;
  return strncmp(peer.sun_path, getenv("AP_SIM_CLOCK"), sizeof peer.sun_path) == 0;
}

#define OPEN(name)                                          \
  int name(const char *path, int flags, ...) {              \
    va_list rest;                                           \
    va_start(rest, flags);                                  \
    mode_t mode = va_arg(rest, mode_t);                     \
    va_end(rest);                                           \
    return node_open(path, flags, NEXT(name)(path, flags, mode));  \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                            \
  int name(int dir, const char *path, int flags, ...) {         \
    va_list rest;                                               \
    va_start(rest, flags);                                      \
    mode_t mode = va_arg(rest, mode_t);                         \
    va_end(rest);                                               \
    return node_open(path, flags, NEXT(name)(dir, path, flags, mode)); \
  }
OPENAT(openat)
OPENAT(openat64)

ssize_t read(int fd, void *buffer, size_t size) {
  if (!is_node(fd)) return NEXT(read)(fd, buffer, size);
  errno = EPERM;
  return -1;
}

ssize_t write(int fd, const void *buffer, size_t size) {
  if (!is_node(fd)) return NEXT(write)(fd, buffer, size);
  errno = EPERM;
  return -1;
}
