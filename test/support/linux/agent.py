"""Makes system calls on the real Linux for the conformance cases.

Reads one JSON request a line from stdin and answers each with one JSON line on stdout, in order.
Every subject of a case is a forked child with credentials, umask and descriptors of its own, whose
first free descriptor is 3, as in any program. The parent only passes lines on.

  {"op": "fork", "agent": 1, "uid": 0, "gid": 0, "groups": []}
  {"op": "call", "agent": 1, "name": "openat", "args": [...]}
  {"op": "exit", "agent": 1}

An answer is {"value": ...}, {"errno": n} or {"bug": "what is wrong with the agent"}. Bytes travel
as base64, a time as [seconds, nanoseconds].
"""

import base64
import ctypes
import json
import os
import platform
import stat
import struct
import sys

libc = ctypes.CDLL(None, use_errno=True)
INT = ctypes.c_int
UINT = ctypes.c_uint
LONG = ctypes.c_long
OFFSET = ctypes.c_int64
SIZE = ctypes.c_size_t
PATH = ctypes.c_char_p
POINTER = ctypes.c_void_p

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
F_GETFL = 3
F_SETFL = 4
STATX_BASIC_STATS_AND_BTIME = 0xFFF
SYS_GETDENTS64 = {"x86_64": 217, "aarch64": 61}[platform.machine()]
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
c_getdents64 = declare("syscall", LONG, LONG, INT, POINTER, UINT)
c_fchmodat2 = declare("syscall", LONG, LONG, INT, PATH, UINT, UINT)


def read_bytes(function, fd, count, *rest):
    buffer = ctypes.create_string_buffer(max(count, 1))
    n = function(fd, buffer, count, *rest)
    return base64.b64encode(buffer.raw[:n]).decode()


def timespecs(*times):
    return struct.pack("<qqqq", *(part for time in times for part in time))


def statx(dirfd, path, flags):
    buffer = ctypes.create_string_buffer(256)
    c_statx(dirfd, path, flags, STATX_BASIC_STATS_AND_BTIME, buffer)
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


CALLS = {
    "openat": lambda dirfd, path, flags, mode: c_openat(dirfd, path.encode(), flags, mode),
    "close": c_close,
    "read": lambda fd, count: read_bytes(c_read, fd, count),
    "pread": lambda fd, count, offset: read_bytes(c_pread, fd, count, offset),
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
}


def answer_call(request):
    try:
        return {"value": CALLS[request["name"]](*request["args"])}
    except SyscallFailed as failure:
        return {"errno": failure.errno}
    except Exception as error:  # A wrong request: the client reports it as a bug.
        return {"bug": f"{request['name']}: {type(error).__name__}: {error}"}


def become_subject(request, incoming, outgoing):
    """Turns a fresh child into a subject: never returns."""
    os.dup2(incoming, 0)
    os.dup2(outgoing, 1)
    os.closerange(3, 1024)
    os.chdir("/")
    os.setgroups(request["groups"])
    os.setresgid(request["gid"], request["gid"], request["gid"])
    os.setresuid(request["uid"], request["uid"], request["uid"])
    with os.fdopen(0, "rb", closefd=False) as requests:
        for line in requests:
            os.write(1, json.dumps(answer_call(json.loads(line))).encode() + b"\n")
    os._exit(0)


class Agent:
    def __init__(self, request):
        child_in, self.outgoing = os.pipe()
        incoming, child_out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            become_subject(request, child_in, child_out)
        os.close(child_in)
        os.close(child_out)
        self.incoming = os.fdopen(incoming, "rb")

    def ask(self, line):
        view = memoryview(line)
        while view:
            view = view[os.write(self.outgoing, view) :]
        return self.incoming.readline() or b'{"bug": "the subject\'s process died"}\n'

    def exit(self):
        os.close(self.outgoing)
        self.incoming.close()
        os.waitpid(self.pid, 0)


def main():
    agents = {}
    for line in sys.stdin.buffer:
        request = json.loads(line)
        agent = request["agent"]
        if request["op"] == "fork":
            agents[agent] = Agent(request)
            answer = b'{"value": null}\n'
        elif request["op"] == "exit":
            agents.pop(agent).exit()
            answer = b'{"value": null}\n'
        else:
            answer = agents[agent].ask(line)
        sys.stdout.buffer.write(answer)
        sys.stdout.buffer.flush()


main()
