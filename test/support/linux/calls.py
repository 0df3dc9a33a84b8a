"""The system calls of the conformance cases on the real Linux, by ctypes; agent.py makes them."""

import base64
import ctypes
import json
import os
import platform
import stat
import struct

libc = ctypes.CDLL(None, use_errno=True)
INT = ctypes.c_int
UINT = ctypes.c_uint
LONG = ctypes.c_long
OFFSET = ctypes.c_int64
SIZE = ctypes.c_size_t
PATH = ctypes.c_char_p
POINTER = ctypes.c_void_p

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_EMPTY_PATH = 0x1000
F_DUPFD = 0
F_GETFD = 1
F_SETFD = 2
F_GETFL = 3
F_SETFL = 4
F_DUPFD_CLOEXEC = 1030
O_CLOEXEC = 0o2000000
FIONREAD = 0x541B
CLONE_NEWNS = 0x20000
MS_REC_PRIVATE = 0x4000 | 0x40000
STATX_BASIC_STATS_AND_BTIME = 0xFFF
# struct flock: type, whence, start, length, pid.
FLOCK = struct.Struct("<hhxxxxqqixxxx")
POLLFD = struct.Struct("<ihh")
SYS_GETDENTS64, SYS_GETCWD = {"x86_64": (217, 79), "aarch64": (61, 17)}[platform.machine()]
# The same number on every architecture.
SYS_FCHMODAT2 = 452
# Larger directory positions (ext4 has 63-bit hashes) can't be JavaScript numbers.
EXACT_POSITION_MAX = 2**52


class SyscallFailed(Exception):
    def __init__(self, errno):
        super().__init__(os.strerror(errno))
        self.errno = errno


def declare(name, result, *arguments):
    prototype = ctypes.CFUNCTYPE(result, *arguments, use_errno=True)
    function = prototype((name, libc))

    def call(*values):
        ctypes.set_errno(0)
        returned = function(*values)
        if returned == -1:
            raise SyscallFailed(ctypes.get_errno())
        return returned

    return call


c_openat = declare("openat64", INT, INT, PATH, INT, UINT)
c_close = declare("close", INT, INT)
c_read = declare("read", LONG, INT, POINTER, SIZE)
c_pread = declare("pread64", LONG, INT, POINTER, SIZE, OFFSET)
c_write = declare("write", LONG, INT, POINTER, SIZE)
c_pwrite = declare("pwrite64", LONG, INT, POINTER, SIZE, OFFSET)
c_lseek = declare("lseek64", OFFSET, INT, OFFSET, INT)
c_ftruncate = declare("ftruncate64", INT, INT, OFFSET)
c_truncate = declare("truncate64", INT, PATH, OFFSET)
c_fallocate = declare("fallocate64", INT, INT, INT, OFFSET, OFFSET)
c_statx = declare("statx", INT, INT, PATH, INT, UINT, POINTER)
c_fchmod = declare("fchmod", INT, INT, UINT)
c_fchmodat = declare("fchmodat", INT, INT, PATH, UINT, INT)
c_fchown = declare("fchown", INT, INT, UINT, UINT)
c_fchownat = declare("fchownat", INT, INT, PATH, UINT, UINT, INT)
c_futimens = declare("futimens", INT, INT, POINTER)
c_utimensat = declare("utimensat", INT, INT, PATH, POINTER, INT)
c_linkat = declare("linkat", INT, INT, PATH, INT, PATH, INT)
c_symlinkat = declare("symlinkat", INT, PATH, INT, PATH)
c_readlinkat = declare("readlinkat", LONG, INT, PATH, POINTER, SIZE)
c_unlinkat = declare("unlinkat", INT, INT, PATH, INT)
c_mkdirat = declare("mkdirat", INT, INT, PATH, UINT)
c_renameat2 = declare("renameat2", INT, INT, PATH, INT, PATH, UINT)
c_faccessat = declare("faccessat", INT, INT, PATH, INT, INT)
c_fstatfs = declare("fstatfs64", INT, INT, POINTER)
c_statfs = declare("statfs64", INT, PATH, POINTER)
c_fsync = declare("fsync", INT, INT)
c_fdatasync = declare("fdatasync", INT, INT)
c_syncfs = declare("syncfs", INT, INT)
c_fcntl = declare("fcntl64", INT, INT, INT, INT)
c_dup = declare("dup", INT, INT)
c_dup3 = declare("dup3", INT, INT, INT, INT)
c_fcntl_pointer = declare("fcntl64", INT, INT, INT, POINTER)
c_mknodat = declare("mknodat", INT, INT, PATH, UINT, ctypes.c_uint64)
c_pipe2 = declare("pipe2", INT, POINTER, INT)
c_poll = declare("poll", INT, POINTER, ctypes.c_ulong, INT)
c_flock = declare("flock", INT, INT, INT)
c_inotify_init1 = declare("inotify_init1", INT, INT)
c_inotify_add_watch = declare("inotify_add_watch", INT, INT, PATH, UINT)
c_inotify_rm_watch = declare("inotify_rm_watch", INT, INT, INT)
c_setxattr = declare("setxattr", INT, PATH, PATH, POINTER, SIZE, INT)
c_lsetxattr = declare("lsetxattr", INT, PATH, PATH, POINTER, SIZE, INT)
c_fsetxattr = declare("fsetxattr", INT, INT, PATH, POINTER, SIZE, INT)
c_getxattr = declare("getxattr", LONG, PATH, PATH, POINTER, SIZE)
c_lgetxattr = declare("lgetxattr", LONG, PATH, PATH, POINTER, SIZE)
c_fgetxattr = declare("fgetxattr", LONG, INT, PATH, POINTER, SIZE)
c_listxattr = declare("listxattr", LONG, PATH, POINTER, SIZE)
c_llistxattr = declare("llistxattr", LONG, PATH, POINTER, SIZE)
c_flistxattr = declare("flistxattr", LONG, INT, POINTER, SIZE)
c_removexattr = declare("removexattr", INT, PATH, PATH)
c_lremovexattr = declare("lremovexattr", INT, PATH, PATH)
c_fremovexattr = declare("fremovexattr", INT, INT, PATH)
c_copy_file_range = declare("copy_file_range", LONG, INT, POINTER, INT, POINTER, SIZE, UINT)
c_sendfile = declare("sendfile64", LONG, INT, INT, POINTER, SIZE)
c_mount = declare("mount", INT, PATH, PATH, PATH, ctypes.c_ulong, PATH)
c_umount2 = declare("umount2", INT, PATH, INT)
c_unshare = declare("unshare", INT, INT)
c_chroot = declare("chroot", INT, PATH)
c_chdir = declare("chdir", INT, PATH)
c_fchdir = declare("fchdir", INT, INT)
c_ioctl_pointer = declare("ioctl", INT, INT, ctypes.c_ulong, POINTER)
c_getcwd = declare("syscall", LONG, LONG, POINTER, SIZE)
c_getdents64 = declare("syscall", LONG, LONG, INT, POINTER, UINT)
c_fchmodat2 = declare("syscall", LONG, LONG, INT, PATH, UINT, UINT)


def filled(function, *arguments, count, rest=()):
    """Calls with a buffer of `count` bytes; a call asked for a size alone returns more."""
    buffer = ctypes.create_string_buffer(max(count, 1))
    n = function(*arguments, buffer, count, *rest)
    return {"size": n, "data": base64.b64encode(buffer.raw[: min(n, count)]).decode()}


def timespecs(*times):
    return struct.pack("<qqqq", *(part for time in times for part in time))


def statx(dirfd, path, flags, mask=STATX_BASIC_STATS_AND_BTIME):
    buffer = ctypes.create_string_buffer(256)
    c_statx(dirfd, path, flags, mask & 0xFFFFFFFF, buffer)
    _, blksize, _, nlink, uid, gid, mode, _, ino, size, blocks, _ = struct.unpack_from(
        "<IIQIIIHHQQQQ", buffer.raw
    )
    atime, btime, ctime, mtime = (
        struct.unpack_from("<qI", buffer.raw, 64 + 16 * index) for index in range(4)
    )
    rdev_major, rdev_minor, dev_major, dev_minor = struct.unpack_from("<IIII", buffer.raw, 128)
    return {
        "dev": os.makedev(dev_major, dev_minor),
        "ino": ino,
        "mode": mode,
        "nlink": nlink,
        "uid": uid,
        "gid": gid,
        "rdev": os.makedev(rdev_major, rdev_minor),
        "size": size,
        "blksize": blksize,
        "blocks": blocks,
        "atime": atime,
        "mtime": mtime,
        "ctime": ctime,
        "btime": btime,
        "mask": struct.unpack_from("<I", buffer.raw)[0],
        "mountId": struct.unpack_from("<Q", buffer.raw, 144)[0],
    }


def statfs_of(function, target):
    buffer = ctypes.create_string_buffer(256)
    function(target, buffer)
    names = ("type", "bsize", "blocks", "bfree", "bavail", "files", "ffree")
    values = struct.unpack_from("<qqQQQQQiiqqq", buffer.raw)
    return {**dict(zip(names, values)), "namelen": values[9], "flags": values[11]}


def readlinkat(dirfd, path):
    buffer = ctypes.create_string_buffer(4096)
    n = c_readlinkat(dirfd, path, buffer, 4096)
    return buffer.raw[:n].decode()


class Positions:
    """Stand-ins for directory positions that are too large for a JavaScript number."""

    def __init__(self):
        self.stand_ins = {}
        self.positions = {}

    def encode(self, position):
        if position < EXACT_POSITION_MAX:
            return position
        stand_in = self.stand_ins.setdefault(position, EXACT_POSITION_MAX + len(self.stand_ins))
        self.positions[stand_in] = position
        return stand_in

    def decode(self, number):
        return self.positions.get(number, number)


positions = Positions()


def lseek(fd, offset, whence):
    try:
        is_directory = stat.S_ISDIR(os.fstat(fd).st_mode)
    except OSError:
        is_directory = False
    if not is_directory:
        return c_lseek(fd, offset, whence)
    return positions.encode(c_lseek(fd, positions.decode(offset), whence))


def getdents(fd, size):
    # The kernel writes at most one entry past what a size above this could hold.
    buffer = ctypes.create_string_buffer(min(max(size, 1), 1 << 20))
    n = c_getdents64(SYS_GETDENTS64, fd, buffer, size & 0xFFFFFFFF)
    entries = []
    start = 0
    while start < n:
        ino, position, length, kind = struct.unpack_from("<QqHB", buffer.raw, start)
        name = buffer.raw[start + 19 : start + length].split(b"\0", 1)[0].decode()
        entries.append(
            {"ino": ino, "cookie": positions.encode(position), "type": kind, "name": name}
        )
        start += length
    return entries


def fchmodat(dirfd, path, mode, flags):
    if flags == 0:
        c_fchmodat(dirfd, path.encode(), mode, 0)
    else:
        c_fchmodat2(SYS_FCHMODAT2, dirfd, path.encode(), mode, flags)


def unflagged(flags):
    """symlinkat, mkdirat and readlinkat have no flags on Linux."""
    if flags != 0:
        raise ValueError("this call has no flags on Linux")


def symlinkat(target, dirfd, path, flags):
    unflagged(flags)
    c_symlinkat(target.encode(), dirfd, path.encode())


def mkdirat(dirfd, path, mode, flags):
    unflagged(flags)
    c_mkdirat(dirfd, path.encode(), mode)


def readlinkat_unflagged(dirfd, path, flags):
    unflagged(flags)
    return readlinkat(dirfd, path.encode())


def pipe2(flags):
    ends = (INT * 2)()
    c_pipe2(ends, flags)
    return list(ends)


def dupfd(fd, lowest, flags):
    return c_fcntl(fd, F_DUPFD_CLOEXEC if flags & O_CLOEXEC else F_DUPFD, lowest)


def poll(descriptors, timeout):
    asked = b"".join(POLLFD.pack(entry["fd"], entry["events"], 0) for entry in descriptors)
    buffer = ctypes.create_string_buffer(asked, max(len(asked), 1))
    c_poll(buffer, len(descriptors), int(timeout))
    return [POLLFD.unpack_from(buffer.raw, 8 * index)[2] for index in range(len(descriptors))]


def lock_call(fd, command, lock):
    fields = ("type", "whence", "start", "length", "pid")
    buffer = ctypes.create_string_buffer(FLOCK.pack(*(lock[field] for field in fields)), 32)
    c_fcntl_pointer(fd, command, buffer)
    return dict(zip(fields, FLOCK.unpack(buffer.raw)))


def setlk(fd, command, lock):
    lock_call(fd, command, lock)


def setxattr(path, name, value, flags, at_flags):
    function = c_lsetxattr if at_flags & AT_SYMLINK_NOFOLLOW else c_setxattr
    data = base64.b64decode(value)
    function(path.encode(), name.encode(), data, len(data), flags)


def fsetxattr(fd, name, value, flags):
    data = base64.b64decode(value)
    c_fsetxattr(fd, name.encode(), data, len(data), flags)


def getxattr(path, name, count, at_flags):
    function = c_lgetxattr if at_flags & AT_SYMLINK_NOFOLLOW else c_getxattr
    return filled(function, path.encode(), name.encode(), count=count)


def listxattr(path, count, at_flags):
    function = c_llistxattr if at_flags & AT_SYMLINK_NOFOLLOW else c_listxattr
    return filled(function, path.encode(), count=count)


def removexattr(path, name, at_flags):
    function = c_lremovexattr if at_flags & AT_SYMLINK_NOFOLLOW else c_removexattr
    function(path.encode(), name.encode())


def offset_pointer(offset):
    return None if offset == -1 else ctypes.byref(OFFSET(offset))


def copy_file_range(source, source_offset, target, target_offset, length, flags):
    return c_copy_file_range(
        source,
        offset_pointer(source_offset),
        target,
        offset_pointer(target_offset),
        length,
        flags,
    )


def mount(source, target, kind, flags, data):
    c_mount(source.encode(), target.encode(), kind.encode(), flags, data.encode())


def getcwd():
    # The C library would look for the way up when the kernel says there is none.
    buffer = ctypes.create_string_buffer(4096)
    c_getcwd(SYS_GETCWD, buffer, 4096)
    return buffer.value.decode()


def fionread(fd):
    count = INT()
    c_ioctl_pointer(fd, FIONREAD, ctypes.byref(count))
    return count.value


CALLS = {
    "openat": lambda dirfd, path, flags, mode: c_openat(dirfd, path.encode(), flags, mode),
    "close": c_close,
    "read": lambda fd, count: filled(c_read, fd, count=count),
    "pread": lambda fd, count, offset: filled(c_pread, fd, count=count, rest=(offset,)),
    "write": lambda fd, data: c_write(fd, base64.b64decode(data), len(base64.b64decode(data))),
    "pwrite": lambda fd, data, offset: c_pwrite(
        fd, base64.b64decode(data), len(base64.b64decode(data)), offset
    ),
    "lseek": lseek,
    "ftruncate": c_ftruncate,
    "truncate": lambda path, length: c_truncate(path.encode(), length),
    "fallocate": c_fallocate,
    "fstat": lambda fd: statx(fd, b"", AT_EMPTY_PATH),
    "fstatat": lambda dirfd, path, flags: statx(dirfd, path.encode(), flags),
    "fchmod": c_fchmod,
    "fchmodat": fchmodat,
    "fchown": c_fchown,
    "fchownat": lambda dirfd, path, uid, gid, flags: c_fchownat(
        dirfd, path.encode(), uid, gid, flags
    ),
    "futimens": lambda fd, atime, mtime: c_futimens(fd, timespecs(atime, mtime)),
    "utimensat": lambda dirfd, path, atime, mtime, flags: c_utimensat(
        dirfd, path.encode(), timespecs(atime, mtime), flags
    ),
    "linkat": lambda olddirfd, old, newdirfd, new, flags: c_linkat(
        olddirfd, old.encode(), newdirfd, new.encode(), flags
    ),
    "symlinkat": symlinkat,
    "readlinkat": readlinkat_unflagged,
    "unlinkat": lambda dirfd, path, flags: c_unlinkat(dirfd, path.encode(), flags),
    "mkdirat": mkdirat,
    "renameat2": lambda olddirfd, old, newdirfd, new, flags: c_renameat2(
        olddirfd, old.encode(), newdirfd, new.encode(), flags
    ),
    "getdents": getdents,
    "faccessat": lambda dirfd, path, mode, flags: c_faccessat(dirfd, path.encode(), mode, flags),
    "fstatfs": lambda fd: statfs_of(c_fstatfs, fd),
    "statfs": lambda path: statfs_of(c_statfs, path.encode()),
    "fsync": c_fsync,
    "fdatasync": c_fdatasync,
    "syncfs": c_syncfs,
    "sync": lambda: libc.sync(),
    "getfl": lambda fd: c_fcntl(fd, F_GETFL, 0),
    "setfl": lambda fd, flags: c_fcntl(fd, F_SETFL, flags),
    "dup": c_dup,
    "dup3": c_dup3,
    "umask": lambda mask: libc.umask(mask),
    "poll": poll,
    "mknodat": lambda dirfd, path, mode, dev: c_mknodat(dirfd, path.encode(), mode, dev),
    "pipe2": pipe2,
    "dupfd": dupfd,
    "getfd": lambda fd: c_fcntl(fd, F_GETFD, 0),
    "setfd": lambda fd, flags: c_fcntl(fd, F_SETFD, flags),
    "flock": c_flock,
    "setlk": setlk,
    "getlk": lock_call,
    "inotify_init1": c_inotify_init1,
    "inotify_add_watch": lambda fd, path, mask: c_inotify_add_watch(
        fd, path.encode(), mask & 0xFFFFFFFF
    ),
    "inotify_rm_watch": c_inotify_rm_watch,
    "setxattr": setxattr,
    "getxattr": getxattr,
    "listxattr": listxattr,
    "removexattr": removexattr,
    "fsetxattr": fsetxattr,
    "fgetxattr": lambda fd, name, count: filled(c_fgetxattr, fd, name.encode(), count=count),
    "flistxattr": lambda fd, count: filled(c_flistxattr, fd, count=count),
    "fremovexattr": lambda fd, name: c_fremovexattr(fd, name.encode()),
    "copy_file_range": copy_file_range,
    "sendfile": lambda target, source, offset, count: c_sendfile(
        target, source, offset_pointer(offset), count
    ),
    "mount": mount,
    "umount2": lambda target, flags: c_umount2(target.encode(), flags),
    "chroot": lambda path: c_chroot(path.encode()),
    "chdir": lambda path: c_chdir(path.encode()),
    "fchdir": c_fchdir,
    "getcwd": getcwd,
    "fionread": fionread,
    "getpid": os.getpid,
    "statx": lambda dirfd, path, flags, mask: statx(dirfd, path.encode(), flags, mask),
}
