"""Runs whole histories of system calls on the real Linux, for the fuzzer.

Reads one JSON request a line from stdin and answers each with one JSON line on stdout:

  {"directory": "...", "processes": [{"uid": 0, "gid": 0, "groups": []}, ...],
   "runs": [[process, [[name, [argument, ...]], ...]], [-1, []], ...]}

  {"results": [...], "ticks": [[sec, nsec], ...], "pids": [...], "tree": [...]}

The directory is made, and is the root of every process. A run is what one process does in a row:
passing it on as a whole is what makes this fast. Process -1 stands for a tick: everything stamped
before is earlier than what is stamped from then on, and "ticks" has the moment in between. A result
is {"value": ...} or {"errno": n}; {"bug": "..."} instead of results says what is wrong with the
request, or that a call never ended.

Bytes to write are [seed, length], a part of a pattern that both sides know. What was read comes back
as [size, base64] if there was little room, else as [size, CRC].
"""

import base64
import ctypes
import json
import os
import select
import shutil
import signal
import stat
import sys
import time
import zlib

# The repository is no place for compiled files.
sys.dont_write_bytecode = True
import calls  # noqa: E402

TICK = -1
CLOCK_REALTIME_COARSE = 5
PATTERN_SIZE = 1 << 18
PATTERN_SEED_STEP = 1021
ROOM = 1 << 18
# Of a read with more room only the CRC comes back. Events are read with as much.
SHOWN_MAX = 4096
# A call that takes longer waits for somebody else, which none of these may.
CALL_SECONDS_MAX = 5
# So much of a file is looked at in the end.
CONTENTS_MAX = 400_000
XATTR_ROOM = 1 << 17

room = ctypes.create_string_buffer(ROOM)


def make_pattern():
    """A linear congruential generator's high bits, without zeros: holes show."""
    state = 1
    pattern = bytearray(PATTERN_SIZE)
    for index in range(PATTERN_SIZE):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        pattern[index] = 1 + (state >> 16) % 255
    return bytes(pattern)


PATTERN = make_pattern()


def data_of(argument):
    seed, length = argument
    start = seed * PATTERN_SEED_STEP
    return PATTERN[start : start + length]


def contents(data, count):
    shown = base64.b64encode(data).decode() if count <= SHOWN_MAX else zlib.crc32(data)
    return [len(data), shown]


def read(fd, count):
    n = calls.c_read(fd, room, count)
    return contents(ctypes.string_at(room, n), count)


def pread(fd, count, offset):
    n = calls.c_pread(fd, room, count, offset)
    return contents(ctypes.string_at(room, n), count)


def write(fd, argument):
    data = data_of(argument)
    return calls.c_write(fd, data, len(data))


def pwrite(fd, argument, offset):
    data = data_of(argument)
    return calls.c_pwrite(fd, data, len(data), offset)


def filled(function, *arguments, count):
    """A call that may be asked for the size alone returns more than there is room for."""
    n = function(*arguments, room, count)
    return contents(ctypes.string_at(room, min(n, count)), SHOWN_MAX) if count > 0 else [n, ""]


def setxattr(path, name, value, flags, at_flags):
    nofollow = at_flags & calls.AT_SYMLINK_NOFOLLOW
    data = data_of(value)
    function = calls.c_lsetxattr if nofollow else calls.c_setxattr
    function(path.encode(), name.encode(), data, len(data), flags)


def fsetxattr(fd, name, value, flags):
    data = data_of(value)
    calls.c_fsetxattr(fd, name.encode(), data, len(data), flags)


def getxattr(path, name, count, at_flags):
    nofollow = at_flags & calls.AT_SYMLINK_NOFOLLOW
    function = calls.c_lgetxattr if nofollow else calls.c_getxattr
    return filled(function, path.encode(), name.encode(), count=count)


def listxattr(path, count, at_flags):
    nofollow = at_flags & calls.AT_SYMLINK_NOFOLLOW
    function = calls.c_llistxattr if nofollow else calls.c_listxattr
    return filled(function, path.encode(), count=count)


CALLS = {
    **calls.CALLS,
    "read": read,
    "pread": pread,
    "write": write,
    "pwrite": pwrite,
    "setxattr": setxattr,
    "fsetxattr": fsetxattr,
    "getxattr": getxattr,
    "listxattr": listxattr,
    "fgetxattr": lambda fd, name, count: filled(calls.c_fgetxattr, fd, name.encode(), count=count),
    "flistxattr": lambda fd, count: filled(calls.c_flistxattr, fd, count=count),
}


def outcome(name, arguments):
    try:
        return {"value": CALLS[name](*arguments)}
    except calls.SyscallFailed as failure:
        return {"errno": failure.errno}
    except Exception as error:  # A wrong request: whoever asked reports it.
        return {"bug": f"{name}: {type(error).__name__}: {error}"}


def become_process(credentials, directory, incoming, outgoing):
    """Turns a fresh child into a process of a history: never returns."""
    os.dup2(incoming, 0)
    os.dup2(outgoing, 1)
    os.closerange(3, 1024)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.chroot(directory)
    os.chdir("/")
    os.umask(0o022)
    os.setgroups(credentials["groups"])
    os.setresgid(*[credentials["gid"]] * 3)
    os.setresuid(*[credentials["uid"]] * 3)
    with os.fdopen(0, "rb", closefd=False) as requests:
        for line in requests:
            answer = [outcome(name, arguments) for name, arguments in json.loads(line)]
            write_whole(1, json.dumps(answer).encode() + b"\n")
    os._exit(0)


def write_whole(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Blocked(Exception):
    """A call that should not wait does."""


class Process:
    def __init__(self, credentials, directory):
        child_in, self.outgoing = os.pipe()
        self.incoming, child_out = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            become_process(credentials, directory, child_in, child_out)
        os.close(child_in)
        os.close(child_out)

    def run(self, steps):
        write_whole(self.outgoing, json.dumps(steps).encode() + b"\n")
        answer = b""
        while not answer.endswith(b"\n"):
            ready, _, _ = select.select([self.incoming], [], [], CALL_SECONDS_MAX)
            data = os.read(self.incoming, 1 << 20) if ready else b""
            if not data:
                raise Blocked(f"a call waits, or the process died: {steps}")
            answer += data
        return json.loads(answer)

    def end(self):
        os.close(self.outgoing)
        os.close(self.incoming)
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def now(clock):
    return list(divmod(time.clock_gettime_ns(clock), 1_000_000_000))


def tick():
    """Until the clock that files are stamped by has passed this moment."""
    moment = now(time.CLOCK_REALTIME)
    while now(CLOCK_REALTIME_COARSE) <= moment:
        time.sleep(0.0002)
    return moment


def contents_of(path, info):
    kind = stat.S_IFMT(info["mode"])
    if kind == stat.S_IFLNK:
        return os.readlink(path)
    if kind != stat.S_IFREG:
        return ""
    fd = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_NOFOLLOW)
    data = os.pread(fd, CONTENTS_MAX, 0)
    os.close(fd)
    return zlib.crc32(data)


def xattrs_of(path):
    names = os.listxattr(path, follow_symlinks=False)
    return {
        name: zlib.crc32(os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(names)
        if not name.startswith("security.")
    }


def read_tree(path, name, entries):
    """Every name with all that is known of it, in the order of the names."""
    info = calls.statx(calls.AT_FDCWD, path.encode(), calls.AT_SYMLINK_NOFOLLOW)
    entries.append([name, info, contents_of(path, info), xattrs_of(path)])
    if stat.S_ISDIR(info["mode"]):
        fd = os.open(path, os.O_RDONLY | os.O_NOATIME | os.O_DIRECTORY)
        children = sorted(os.listdir(fd))
        os.close(fd)
        for child in children:
            read_tree(f"{path}/{child}", f"{name}/{child}", entries)
    return entries


def run_history(request):
    directory = request["directory"]
    os.mkdir(directory)
    os.chmod(directory, 0o777)
    processes = [Process(credentials, directory) for credentials in request["processes"]]
    results = []
    ticks = [tick()]
    try:
        for who, steps in request["runs"]:
            if who == TICK:
                ticks.append(tick())
            else:
                results += processes[who].run(steps)
        tree = read_tree(directory, "", [])
    except (Blocked, OSError) as failure:
        return {"bug": str(failure)}
    finally:
        for process in processes:
            process.end()
        shutil.rmtree(directory)
    pids = [process.pid for process in processes]
    return {"results": results, "ticks": ticks, "pids": pids, "tree": tree}


for line in sys.stdin.buffer:
    request = json.loads(line)
    answer = {**run_history(request), "id": request["id"]}
    write_whole(1, json.dumps(answer).encode() + b"\n")
