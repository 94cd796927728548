"""The table of generic file operations, run on a directory shaped like a network device.

  operations.py dump ROOT              prints the shape of the tree as JSON, to build a toy of it
  operations.py run ROOT REMOVE ADD    runs the table on ROOT, prints {operation: result} as JSON
  operations.py user ROOT              the part that an ordinary user can do, as uid 65534

ROOT is a sysfs, real or not, with class/net/tun9; REMOVE and ADD are shell commands that take the device away
and bring it back. Python, because Node has no pread past 2^53, renameat2, mknod, xattrs, mmap or poll.
A result is a value, or the name of an errno.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import select
import stat
import subprocess
import sys
import time

libc = ctypes.CDLL(None, use_errno=True)
ROOT = sys.argv[2].rstrip("/")
DEVICE = f"{ROOT}/class/net/tun9"
results = {}

# name -> path; one of each kind that matters
FILES = {
    "rw": f"{DEVICE}/mtu",
    "ro": f"{DEVICE}/address",
    "wo": f"{ROOT}/bus/platform/drivers_probe",
    "dir": f"{DEVICE}/queues",
    "link": f"{DEVICE}/subsystem",
    "missing": f"{DEVICE}/nothing",
}
MODES = {"r": os.O_RDONLY, "w": os.O_WRONLY, "rw": os.O_RDWR, "3": 3}
FLAGS = {
    "": 0,
    "CREAT": os.O_CREAT,
    "CREAT|EXCL": os.O_CREAT | os.O_EXCL,
    "CREAT|TRUNC": os.O_CREAT | os.O_TRUNC,
    "CREAT|DIRECTORY": os.O_CREAT | os.O_DIRECTORY,
    "TRUNC": os.O_TRUNC,
    "APPEND": os.O_APPEND,
    "NONBLOCK": os.O_NONBLOCK,
    "SYNC": os.O_SYNC,
    "NOFOLLOW": os.O_NOFOLLOW,
    "DIRECTORY": os.O_DIRECTORY,
    "DIRECT": os.O_DIRECT,
    "PATH": os.O_PATH,
    "NOATIME": os.O_NOATIME,
}


def attempt(body):
    """The value, or the errno's name."""
    try:
        value = body()
        if isinstance(value, bytes):
            value = value.decode("latin1")
        return value
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e.errno))


def op(name, body):
    assert name not in results, name
    results[name] = attempt(body)


def check(value):
    """The result of a libc function; its errno as an exception."""
    if value < 0:
        raise OSError(ctypes.get_errno(), "libc")
    return value


def with_fd(path, flags, body):
    fd = os.open(path, flags)
    try:
        return body(fd)
    finally:
        os.close(fd)


def opened(path, flags):
    return with_fd(path, flags, lambda fd: "ok")


def done(_):
    return "ok"


def write_path(path, data, flags=os.O_WRONLY):
    return with_fd(path, flags, lambda fd: os.write(fd, data))


def read_path(path):
    return with_fd(path, os.O_RDONLY, lambda fd: os.read(fd, 65536))


def opens(who):
    for kind, path in FILES.items():
        for mode, m in MODES.items():
            for flag, f in FLAGS.items():
                op(f"{who}open {kind} {mode} {flag}", lambda: opened(path, m | f))
    for kind in ("rw", "dir", "missing"):
        op(f"{who}open {kind} TMPFILE", lambda: opened(FILES[kind], os.O_TMPFILE | os.O_RDWR))
    op(f"{who}open long name", lambda: opened(f"{DEVICE}/{'n' * 255}", 0))
    op(f"{who}open below a file", lambda: opened(f"{FILES['rw']}/x", 0))
    for name, mask in (("F", os.F_OK), ("R", os.R_OK), ("W", os.W_OK), ("X", os.X_OK)):
        for kind, path in FILES.items():
            op(f"{who}access {kind} {name}", lambda: os.access(path, mask))


def opens_after_chmod():
    for mode in (0o000, 0o200, 0o400, 0o444, 0o600, 0o222):
        for kind in ("rw", "ro"):
            path = FILES[kind]
            before = stat.S_IMODE(os.stat(path).st_mode)
            op(f"chmod {mode:o} {kind}", lambda: done(os.chmod(path, mode)))
            op(f"mode after chmod {mode:o} {kind}", lambda: os.stat(path).st_mode)
            for access in ("r", "w", "rw"):
                op(f"open {kind} {access} after chmod {mode:o}", lambda: opened(path, MODES[access]))
            os.chmod(path, before)
    os.chmod(FILES["ro"], 0o644)
    op("write without a store", lambda: write_path(FILES["ro"], b"x"))
    op("empty write without a store", lambda: write_path(FILES["ro"], b""))
    os.chmod(FILES["ro"], 0o444)
    os.chmod(FILES["wo"], 0o644)
    op("read without a show", lambda: read_path(FILES["wo"]))
    os.chmod(FILES["wo"], 0o200)


def reads():
    mtu, alias = FILES["rw"], f"{DEVICE}/ifalias"
    write_path(mtu, b"1400\n")
    write_path(alias, b"alias of the device\n")
    op("read", lambda: read_path(mtu))
    op("read nothing", lambda: with_fd(mtu, 0, lambda fd: os.read(fd, 0)))
    op("read bytewise", lambda: with_fd(mtu, 0, lambda fd: [os.read(fd, 1).decode() for _ in range(7)]))
    op("read twice", lambda: with_fd(mtu, 0, lambda fd: [os.read(fd, 99).decode() for _ in range(3)]))
    for offset in (0, 1, 4, 5, 6, 4095, 4096, 4097, 10_000, 2**31 - 1, 2**31, 2**40):
        op(f"pread at {offset}", lambda: with_fd(mtu, 0, lambda fd: os.pread(fd, 99, offset)))
    op("pread at -1", lambda: with_fd(mtu, 0, lambda fd: os.pread(fd, 99, -1)))
    op("readv", lambda: with_fd(mtu, 0, lambda fd: os.readv(fd, [bytearray(2), bytearray(90)])))
    op("read that fails", lambda: read_path(f"{DEVICE}/carrier"))
    op("read that fails, again", lambda: with_fd(f"{DEVICE}/carrier", 0, lambda fd: [attempt(lambda: os.read(fd, 9)) for _ in range(2)] + [os.lseek(fd, 0, 1)]))
    op("read on a write-only fd", lambda: with_fd(mtu, os.O_WRONLY, lambda fd: os.read(fd, 9)))
    op("read a directory", lambda: with_fd(DEVICE, 0, lambda fd: os.read(fd, 9)))

    def snapshot(fd):
        parts = [os.read(fd, 5)]
        write_path(alias, b"something else\n")
        parts.append(os.read(fd, 5))
        os.lseek(fd, 0, 0)
        parts.append(os.read(fd, 5))
        parts.append(os.pread(fd, 9, 0))
        parts.append(os.read(fd, 5))
        write_path(alias, b"alias of the device\n")
        parts.append(os.read(fd, 99))
        parts.append(os.pread(fd, 3, 1))
        parts.append(os.pread(fd, 3, 4))
        return [part.decode() for part in parts]

    op("a snapshot for an open file", lambda: with_fd(alias, 0, snapshot))
    op("two open files, two snapshots", lambda: with_fd(alias, 0, lambda a: with_fd(alias, 0, lambda b: [os.read(f, 5).decode() for f in (a, b, b, a)])))
    op("dup shares the position", lambda: with_fd(mtu, 0, lambda fd: [os.read(fd, 2).decode(), os.read(os.dup(fd), 9).decode()]))
    op("EFAULT on read", lambda: with_fd(mtu, 0, lambda fd: check(libc.read(fd, ctypes.c_void_p(8), 9))))


def writes():
    mtu, alias = FILES["rw"], f"{DEVICE}/ifalias"

    def mtu_after(body, flags=os.O_WRONLY):
        write_path(mtu, b"1400\n")

        def run(fd):
            result = attempt(lambda: body(fd))
            return [result, os.lseek(fd, 0, 1), read_path(mtu).decode()]

        return with_fd(mtu, flags, run)

    cases = {
        "": b"1401\n",
        " without newline": b"1402",
        " in hex": b"0x580",
        " with NUL": b"1403\0junk",
        " of words": b"word",
        " of nothing": b"",
        " of a number too large": b"99999999",
        " of a page": b"1404\0" + b"x" * 4091,
        " of a page and one": b"1405\0" + b"x" * 4092,
        " of three pages": b"1406\0" + b"x" * 12283,
        " of 200000": b"1407\0" + b"x" * 199995,
        " of a blank page": b" " * 4096,
    }
    for name, data in cases.items():
        op(f"write{name}", lambda: mtu_after(lambda fd: os.write(fd, data)))
    op("write twice", lambda: mtu_after(lambda fd: [os.write(fd, b"1408"), os.write(fd, b"1409\n")]))
    op("pwrite at 100", lambda: mtu_after(lambda fd: os.pwrite(fd, b"1410", 100)))
    op("pwrite at 2^40", lambda: mtu_after(lambda fd: os.pwrite(fd, b"1410", 2**40)))
    op("pwrite at -1", lambda: mtu_after(lambda fd: os.pwrite(fd, b"1410", -1)))
    op("writev is one store", lambda: mtu_after(lambda fd: os.writev(fd, [b"14", b"11", b"\n"])))
    op("write after lseek", lambda: mtu_after(lambda fd: [os.lseek(fd, 50, 0), os.write(fd, b"1412")]))
    op("write with O_APPEND", lambda: mtu_after(lambda fd: os.write(fd, b"1413"), os.O_WRONLY | os.O_APPEND)[::2])
    op("position after O_APPEND", lambda: mtu_after(lambda fd: os.write(fd, b"1413"), os.O_WRONLY | os.O_APPEND)[1])
    op("write with O_TRUNC", lambda: mtu_after(lambda fd: os.write(fd, b"1414"), os.O_WRONLY | os.O_TRUNC))
    op("write on a read-only fd", lambda: mtu_after(lambda fd: os.write(fd, b"1415"), os.O_RDONLY))
    op("write and read on one fd", lambda: mtu_after(lambda fd: [os.write(fd, b"1416\n"), os.read(fd, 9).decode(), os.lseek(fd, 0, 0), os.read(fd, 9).decode()], os.O_RDWR))
    op("read and write on one fd", lambda: mtu_after(lambda fd: [os.read(fd, 2).decode(), os.write(fd, b"1417\n"), os.read(fd, 9).decode()], os.O_RDWR))
    op("EFAULT on write", lambda: mtu_after(lambda fd: check(libc.write(fd, ctypes.c_void_p(8), 9))))
    op("a store that fails", lambda: write_path(FILES["wo"], b"no such device"))
    op("alias too long", lambda: write_path(alias, b"a" * 256))
    op("alias", lambda: [write_path(alias, b"a" * 255), len(read_path(alias))])
    op("write a directory", lambda: write_path(DEVICE, b"x"))
    write_path(alias, b"\n")
    op("read of an empty file", lambda: with_fd(alias, 0, lambda fd: [os.read(fd, 9), os.read(fd, 9), os.pread(fd, 9, 3)] == [b"", b"", b""]))


def seeks():
    path = FILES["rw"]
    for name, whence in (("set", 0), ("cur", 1), ("end", 2), ("data", os.SEEK_DATA), ("hole", os.SEEK_HOLE), ("9", 9)):
        for offset in (0, 1, 4095, 4096, 4097, -1, -4096, -4097, 2**31 - 1, 2**31, 2**40):
            op(f"lseek {name} {offset}", lambda: with_fd(path, 0, lambda fd: os.lseek(fd, offset, whence)))
    op("lseek cur after a read", lambda: with_fd(path, 0, lambda fd: [len(os.read(fd, 2)), os.lseek(fd, 0, 1), os.lseek(fd, -1, 1)]))
    op("a failed lseek does not move", lambda: with_fd(path, 0, lambda fd: [os.lseek(fd, 7, 0), attempt(lambda: os.lseek(fd, -8, 1)), os.lseek(fd, 0, 1)]))


def stats():
    def facts(path, follow=True):
        s = os.stat(path, follow_symlinks=follow)
        return [oct(s.st_mode), s.st_nlink, s.st_uid, s.st_gid, s.st_size, s.st_blksize, s.st_blocks, s.st_rdev]

    for kind in ("rw", "ro", "wo", "dir"):
        op(f"stat {kind}", lambda: facts(FILES[kind]))
    op("stat missing", lambda: facts(FILES["missing"]))
    op("stat device", lambda: facts(DEVICE))
    op("lstat link", lambda: facts(FILES["link"], False))
    op("readlink", lambda: os.readlink(FILES["link"]))
    op("readlink class", lambda: os.readlink(DEVICE))
    op("readlink file", lambda: os.readlink(FILES["rw"]))
    op("inode is stable", lambda: os.stat(FILES["rw"]).st_ino == os.stat(FILES["rw"]).st_ino)
    op("inodes differ", lambda: os.stat(FILES["rw"]).st_ino != os.stat(FILES["ro"]).st_ino)
    op("fstat", lambda: with_fd(FILES["rw"], 0, lambda fd: oct(os.fstat(fd).st_mode)))
    op("fstatfs of the root", lambda: [getattr(os.statvfs(ROOT), f) for f in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_favail", "f_namemax")])
    buffer = ctypes.create_string_buffer(256)
    op("statfs type", lambda: [check(libc.statfs(ROOT.encode(), buffer)), hex(int.from_bytes(buffer[0:8], "little"))][1])


def times():
    path = f"{DEVICE}/tx_queue_len"

    def moved(body, which=FILES["rw"]):
        before = os.stat(which)
        time.sleep(0.02)
        body()
        after = os.stat(which)
        return [after.st_atime_ns != before.st_atime_ns, after.st_mtime_ns != before.st_mtime_ns, after.st_ctime_ns != before.st_ctime_ns]

    flags = f"{DEVICE}/flags"
    read_path(path)
    op("times after a read", lambda: moved(lambda: read_path(flags), flags))
    op("times after a write", lambda: moved(lambda: write_path(path, b"500\n"), path))
    op("times after a write with O_TRUNC", lambda: moved(lambda: write_path(path, b"500\n", os.O_WRONLY | os.O_TRUNC), path)[1:])
    op("times after the next write", lambda: moved(lambda: write_path(path, b"500\n"), path))
    op("times after truncate", lambda: moved(lambda: os.truncate(path, 7), path)[1:])
    op("times after ftruncate", lambda: moved(lambda: with_fd(path, os.O_WRONLY, lambda fd: os.ftruncate(fd, 7)), path)[1:])
    op("times after chmod", lambda: moved(lambda: os.chmod(path, 0o600), path)[2:])
    op("mode after chmod", lambda: oct(os.stat(path).st_mode))
    op("utime", lambda: [done(os.utime(path, (1000, 1000))), os.stat(path).st_atime, os.stat(path).st_mtime])
    op("utime, two times", lambda: [done(os.utime(path, (1000, 2000))), os.stat(path).st_atime, os.stat(path).st_mtime])
    op("utime of a directory", lambda: [done(os.utime(FILES["dir"], (5, 5))), os.stat(FILES["dir"]).st_mtime])
    op("touch", lambda: moved(lambda: os.utime(path), path))
    op("chown", lambda: [done(os.chown(path, 7, 8)), os.stat(path).st_uid, os.stat(path).st_gid])
    op("chown of the group", lambda: [done(os.chown(path, -1, 9)), os.stat(path).st_uid, os.stat(path).st_gid])
    op("chmod of a directory", lambda: [done(os.chmod(FILES["dir"], 0o700)), oct(os.stat(FILES["dir"]).st_mode)])
    op("fchmod", lambda: with_fd(path, 0, lambda fd: [done(os.fchmod(fd, 0o640)), oct(os.fstat(fd).st_mode)]))
    os.chmod(path, 0o644)
    os.chown(path, 0, 0)
    os.chmod(FILES["dir"], 0o755)


def truncates(who):
    for kind, path in FILES.items():
        for size in (0, 10, 5000, -1):
            op(f"{who}truncate {kind} {size}", lambda: done(os.truncate(path, size)))
    op(f"{who}size after truncate", lambda: os.stat(FILES["rw"]).st_size)
    for name, flags in (("write", os.O_WRONLY), ("read", os.O_RDONLY), ("both", os.O_RDWR)):
        op(f"{who}ftruncate, {name}", lambda: with_fd(FILES["rw"], flags, lambda fd: done(os.ftruncate(fd, 3))))


def directory_operations(who):
    d = DEVICE
    names = {"new": "nothing", "file": "mtu", "dir": "queues", "link": "subsystem"}
    for name, n in names.items():
        op(f"{who}mkdir {name}", lambda: done(os.mkdir(f"{d}/{n}")))
        op(f"{who}rmdir {name}", lambda: done(os.rmdir(f"{d}/{n}")))
        op(f"{who}unlink {name}", lambda: done(os.unlink(f"{d}/{n}")))
        op(f"{who}symlink {name}", lambda: done(os.symlink("x", f"{d}/{n}")))
        op(f"{who}creat {name}", lambda: opened(f"{d}/{n}", os.O_CREAT | os.O_WRONLY | os.O_TRUNC))
        for kind, mode in (("reg", stat.S_IFREG), ("fifo", stat.S_IFIFO), ("sock", stat.S_IFSOCK), ("chr", stat.S_IFCHR), ("blk", stat.S_IFBLK), ("dir", stat.S_IFDIR), ("0", 0)):
            op(f"{who}mknod {kind} {name}", lambda: done(os.mknod(f"{d}/{n}", mode | 0o644, 0x103)))
        for target, m in names.items():
            op(f"{who}link {name} to {target}", lambda: done(os.link(f"{d}/{n}", f"{d}/{m}", follow_symlinks=False)))
            op(f"{who}rename {name} to {target}", lambda: done(os.rename(f"{d}/{n}", f"{d}/{m}")))
            for flag, f in (("NOREPLACE", 1), ("EXCHANGE", 2), ("WHITEOUT", 4), ("both", 3)):
                op(f"{who}renameat2 {name} to {target} {flag}", lambda: check(libc.renameat2(-100, f"{d}/{n}".encode(), -100, f"{d}/{m}".encode(), f)))
        op(f"{who}rename {name} into a directory", lambda: done(os.rename(f"{d}/{n}", f"{d}/queues/x")))
        op(f"{who}rename {name} out of the mount", lambda: done(os.rename(f"{d}/{n}", "/tmp/x")))
        op(f"{who}rename into the mount as {name}", lambda: done(os.rename("/etc/hostname", f"{d}/{n}")))


def xattrs(who):
    for kind in ("ro", "dir", "link"):
        path = FILES[kind]
        far = {"follow_symlinks": False}
        op(f"{who}listxattr {kind}", lambda: os.listxattr(path, **far))
        for name in ("user.x", "trusted.x", "security.x", "system.x", "nothing"):
            n = f"{kind} {name}"
            op(f"{who}getxattr {n}", lambda: os.getxattr(path, name, **far))
            op(f"{who}setxattr replace {n}", lambda: done(os.setxattr(path, name, b"v", os.XATTR_REPLACE, **far)))
            op(f"{who}setxattr {n}", lambda: done(os.setxattr(path, name, b"value", **far)))
            op(f"{who}setxattr create {n}", lambda: done(os.setxattr(path, name, b"v", os.XATTR_CREATE, **far)))
            op(f"{who}getxattr after {n}", lambda: os.getxattr(path, name, **far))
            small = ctypes.create_string_buffer(2)
            op(f"{who}getxattr into two bytes {n}", lambda: check(libc.lgetxattr(path.encode(), name.encode(), small, 2)))
        if who == "":
            op(f"listxattr after {kind}", lambda: os.listxattr(path, **far))
        for name in ("user.x", "trusted.x", "security.x", "system.x"):
            op(f"{who}removexattr {kind} {name}", lambda: done(os.removexattr(path, name, **far)))
        op(f"{who}getxattr posix_acl {kind}", lambda: os.getxattr(path, "system.posix_acl_access", **far))


def listings():
    def kinds(path):
        with os.scandir(path) as entries:
            return [[e.name, "l" if e.is_symlink() else "d" if e.is_dir(follow_symlinks=False) else "f", e.inode() == e.stat(follow_symlinks=False).st_ino] for e in entries]

    for path in ("", "/queues", "/power", "/statistics"):
        op(f"readdir {path}", lambda: kinds(DEVICE + path))
    op("readdir a file", lambda: kinds(FILES["rw"]))
    op("readdir missing", lambda: kinds(FILES["missing"]))
    op("dot dot", lambda: os.listdir(f"{DEVICE}/queues/../queues"))

    def twice(fd):
        return os.listdir(fd) == os.listdir(fd)

    op("readdir twice on one fd", lambda: with_fd(DEVICE, os.O_DIRECTORY, twice))
    op("openat", lambda: with_fd(DEVICE, os.O_PATH, lambda fd: done(os.close(os.open("mtu", 0, dir_fd=fd)))))


def others():
    path = FILES["rw"]
    op("fsync", lambda: with_fd(path, 0, lambda fd: done(os.fsync(fd))))
    op("fdatasync", lambda: with_fd(path, os.O_WRONLY, lambda fd: done(os.fdatasync(fd))))
    op("fsync of a directory", lambda: with_fd(DEVICE, 0, lambda fd: done(os.fsync(fd))))
    op("ioctl", lambda: with_fd(path, 0, lambda fd: fcntl.ioctl(fd, 0x5401, b" " * 64)))
    op("ioctl FIGETBSZ", lambda: with_fd(path, 0, lambda fd: int.from_bytes(fcntl.ioctl(fd, 2, b"\0\0\0\0"), "little")))
    op("ioctl of a directory", lambda: with_fd(DEVICE, 0, lambda fd: fcntl.ioctl(fd, 0x5401, b" " * 64)))
    op("fallocate", lambda: with_fd(path, os.O_WRONLY, lambda fd: check(libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(9)))))
    op("fallocate, read-only", lambda: with_fd(path, 0, lambda fd: check(libc.fallocate(fd, 0, ctypes.c_long(0), ctypes.c_long(9)))))
    op("copy_file_range", lambda: with_fd(path, 0, lambda a: with_fd(f"{DEVICE}/ifalias", os.O_WRONLY, lambda b: os.copy_file_range(a, b, 9))))
    op("sendfile to a pipe", lambda: with_fd(path, 0, lambda fd: os.sendfile(os.pipe()[1], fd, 0, 9)))
    op("flock", lambda: with_fd(path, 0, lambda fd: fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    op("lockf", lambda: with_fd(path, os.O_RDWR, lambda fd: fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)))
    for name, flags, prot in (("shared", mmap.MAP_SHARED, mmap.PROT_READ), ("private", mmap.MAP_PRIVATE, mmap.PROT_READ)):
        op(f"mmap {name}", lambda: with_fd(path, 0, lambda fd: done(mmap.mmap(fd, 4096, flags, prot))))

    def polled(fd):
        poll = select.poll()
        poll.register(fd, 0xFFFF)
        return [event for _, event in poll.poll(0)]

    op("poll", lambda: with_fd(path, 0, polled))
    op("poll after a read", lambda: with_fd(path, 0, lambda fd: [len(os.read(fd, 99)), polled(fd)]))
    op("epoll", lambda: with_fd(path, 0, lambda fd: done(select.epoll().register(fd))))
    op("chdir", lambda: done(os.chdir(FILES["dir"])))
    op("getcwd", lambda: os.getcwd().replace(os.path.realpath(ROOT), ""))
    os.chdir("/")
    op("chroot-like ..", lambda: os.path.samefile(f"{DEVICE}/queues/..", DEVICE))


def removal(remove, add):
    write_path(f"{DEVICE}/ifalias", b"alias of the device\n")
    rd = {name: os.open(f"{DEVICE}/ifalias", os.O_RDONLY) for name in ("unread", "partly read", "read to the end", "new content")}
    os.read(rd["partly read"], 5)
    os.read(rd["read to the end"], 99)
    rw = os.open(f"{DEVICE}/mtu", os.O_RDWR)
    ro = os.open(f"{DEVICE}/address", os.O_RDONLY)
    folder = os.open(DEVICE, os.O_DIRECTORY)
    queues = os.open(f"{DEVICE}/queues", os.O_DIRECTORY)
    held = os.open(f"{DEVICE}/mtu", os.O_PATH)
    subprocess.run(remove, shell=True, check=True)
    for name, fd in rd.items():
        op(f"removed: read, {name}", lambda: os.read(fd, 99))
        op(f"removed: read again, {name}", lambda: os.read(fd, 99))
        op(f"removed: read nothing, {name}", lambda: os.read(fd, 0))
        op(f"removed: pread 0, {name}", lambda: os.pread(fd, 9, 0))
        op(f"removed: pread 3, {name}", lambda: os.pread(fd, 9, 3))
    op("removed: write", lambda: os.write(rw, b"1400"))
    op("removed: write nothing", lambda: os.write(rw, b""))
    op("removed: lseek", lambda: os.lseek(rw, 0, 0))
    op("removed: fstat", lambda: oct(os.fstat(rw).st_mode))
    op("removed: fchmod", lambda: done(os.fchmod(rw, 0o600)))
    op("removed: ftruncate", lambda: done(os.ftruncate(rw, 0)))
    op("removed: ftruncate, read-only", lambda: done(os.ftruncate(ro, 0)))
    op("removed: fsync", lambda: done(os.fsync(rw)))
    op("removed: poll", lambda: (lambda p: (p.register(rw, 0xFFFF), [e for _, e in p.poll(0)])[1])(select.poll()))
    op("removed: open through /proc/self/fd", lambda: opened(f"/proc/self/fd/{rw}", os.O_RDONLY))
    op("removed: open through O_PATH", lambda: opened(f"/proc/self/fd/{held}", os.O_RDONLY))
    op("removed: readdir", lambda: os.listdir(folder))
    op("removed: readdir below", lambda: os.listdir(queues))
    op("removed: openat", lambda: done(os.close(os.open("mtu", 0, dir_fd=folder))))
    op("removed: openat below", lambda: done(os.close(os.open("rx-0", 0, dir_fd=queues))))
    op("removed: stat", lambda: os.stat(DEVICE).st_mode)
    op("removed: lstat", lambda: os.lstat(DEVICE).st_mode)
    subprocess.run(add, shell=True, check=True)
    op("back: stat", lambda: oct(os.stat(f"{DEVICE}/mtu").st_mode))
    op("back: read", lambda: read_path(f"{DEVICE}/ifalias"))
    op("back: old fd reads", lambda: os.pread(rd["unread"], 9, 0))
    op("back: old fd writes", lambda: os.write(rw, b"1400"))
    op("back: old directory", lambda: os.listdir(folder))
    for at, fd in enumerate((*rd.values(), rw, ro, folder, queues, held)):
        op(f"back: close {at}", lambda: done(os.close(fd)))


def dump():
    """Shape of the tree: path below ROOT -> [kind, mode, content or target, errno]."""
    shape = {}
    base = os.path.realpath(DEVICE)
    tops = [base, f"{ROOT}/bus/platform"]
    for top in tops:
        for folder, folders, files in os.walk(top):
            if top == tops[1] and folder == top:
                del folders[:]
                files = ["drivers_probe"]
            shape[os.path.relpath(folder, ROOT)] = ["dir", stat.S_IMODE(os.stat(folder).st_mode), "", None]
            for name in folders + files:
                path = f"{folder}/{name}"
                s = os.lstat(path)
                key = os.path.relpath(path, ROOT)
                if stat.S_ISLNK(s.st_mode):
                    shape[key] = ["link", 0o777, os.readlink(path), None]
                elif stat.S_ISREG(s.st_mode):
                    mode = stat.S_IMODE(s.st_mode)
                    content = attempt(lambda: read_path(path)) if mode & 0o444 else ""
                    failed = content if content in errno.errorcode.values() else None
                    shape[key] = ["file", mode, "" if failed else content, failed]
    shape["class/net/tun9"] = ["link", 0o777, os.readlink(DEVICE), None]
    return shape


def main():
    command = sys.argv[1]
    if command == "dump":
        print(json.dumps(dump()))
        return
    if command == "user":
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
        opens("user: ")
        truncates("user: ")
        directory_operations("user: ")
        xattrs("user: ")
        op("user: chmod", lambda: done(os.chmod(FILES["rw"], 0o666)))
        op("user: chown", lambda: done(os.chown(FILES["rw"], 65534, -1)))
        op("user: utime", lambda: done(os.utime(FILES["rw"], (1, 1))))
        op("user: touch", lambda: done(os.utime(FILES["rw"])))
        op("user: read", lambda: read_path(FILES["rw"]))
        op("user: readdir", lambda: os.listdir(DEVICE))
        op("user: chdir", lambda: done(os.chdir(DEVICE)))
    else:
        opens("")
        opens_after_chmod()
        reads()
        writes()
        seeks()
        stats()
        times()
        truncates("")
        directory_operations("")
        xattrs("")
        listings()
        others()
        removal(sys.argv[3], sys.argv[4])
    print(json.dumps(results))


main()
