"""Makes system calls (`calls.py`) on the real Linux for the conformance cases.

Reads one JSON request a line from stdin and answers each with one JSON line on stdout. Every
subject of a case is a forked child with credentials, umask and descriptors of its own, whose first
free descriptor is 3, as in any program. The parent only passes lines on, so that a subject that
waits in a call keeps nobody else from going on: answers name their request.

  {"op": "fork", "id": 1, "agent": 1, "uid": 0, "gid": 0, "groups": []}
  {"op": "call", "id": 2, "agent": 1, "name": "openat", "args": [...]}
  {"op": "waits", "id": 3, "agent": 1}      is it asleep in a call? true or false
  {"op": "interrupt", "id": 4, "agent": 1}  a signal: a call that waits fails with EINTR
  {"op": "exit", "id": 5, "agent": 1}

An answer has the "id" and {"value": ...}, {"errno": n} or {"bug": "what is wrong with the agent"}.
Bytes travel as base64, a time as [seconds, nanoseconds], what a call put in a buffer as
{"size": what it returned, "data": bytes}.

The calls themselves are in calls.py. All subjects see one mount namespace, which is not the
machine's.
"""

import json
import os
import select
import signal
import sys

# The repository is no place for compiled files.
sys.dont_write_bytecode = True
import calls  # noqa: E402


def answer_call(request):
    try:
        return {"value": calls.CALLS[request["name"]](*request["args"])}
    except calls.SyscallFailed as failure:
        return {"errno": failure.errno}
    except Exception as error:  # A wrong request: the client reports it as a bug.
        return {"bug": f"{request['name']}: {type(error).__name__}: {error}"}


def write_whole(fd, line):
    view = memoryview(line)
    while view:
        view = view[os.write(fd, view) :]


def become_subject(request, incoming, outgoing):
    """Turns a fresh child into a subject: never returns."""
    os.dup2(incoming, 0)
    os.dup2(outgoing, 1)
    os.closerange(3, 1024)
    # Python installs handlers without SA_RESTART: the call that waits fails.
    signal.signal(signal.SIGUSR1, lambda *_: None)
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    os.chdir("/")
    os.setgroups(request["groups"])
    os.setresgid(request["gid"], request["gid"], request["gid"])
    os.setresuid(request["uid"], request["uid"], request["uid"])
    with os.fdopen(0, "rb", closefd=False) as requests:
        for line in requests:
            call = json.loads(line)
            answer = {"id": call["id"], **answer_call(call)}
            write_whole(1, json.dumps(answer).encode() + b"\n")
    os._exit(0)


class Agent:
    def __init__(self, request):
        child_in, self.outgoing = os.pipe()
        self.incoming, child_out = os.pipe()
        self.partial = b""
        self.pending = []
        self.is_dead = False
        self.pid = os.fork()
        if self.pid == 0:
            become_subject(request, child_in, child_out)
        os.close(child_in)
        os.close(child_out)

    def ask(self, request, line):
        self.pending.append(request["id"])
        write_whole(self.outgoing, line)

    def answers(self):
        """What the subject has written so far, as whole lines."""
        data = os.read(self.incoming, 1 << 20)
        if not data:
            self.is_dead = True
            died = [{"id": id, "bug": "the subject's process died"} for id in self.pending]
            self.pending = []
            return "".join(json.dumps(answer) + "\n" for answer in died).encode()
        *lines, self.partial = (self.partial + data).split(b"\n")
        del self.pending[: len(lines)]
        return b"".join(line + b"\n" for line in lines)

    def waits(self):
        """The subject is asleep in a call: it has taken the request and not answered."""
        if not self.pending or self.partial or calls.fionread(self.outgoing) > 0:
            return False
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            state = file.read().rpartition(b") ")[2][:1]
        # Looked at last: a subject that is asleep until its next request has answered before.
        return state == b"S" and calls.fionread(self.incoming) == 0

    def exit(self):
        os.close(self.outgoing)
        if self.pending:
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.incoming)


class Parent:
    def __init__(self):
        self.agents = {}
        self.poller = select.poll()
        self.poller.register(0, select.POLLIN)
        self.partial = b""

    def answer(self, request, value):
        write_whole(1, json.dumps({"id": request["id"], "value": value}).encode() + b"\n")

    def serve(self, line):
        request = json.loads(line)
        number = request["agent"]
        if request["op"] == "call":
            self.agents[number].ask(request, line + b"\n")
            return
        value = None
        if request["op"] == "fork":
            agent = Agent(request)
            self.agents[number] = agent
            self.poller.register(agent.incoming, select.POLLIN)
        elif request["op"] == "waits":
            value = self.agents[number].waits()
        elif request["op"] == "interrupt":
            os.kill(self.agents[number].pid, signal.SIGUSR1)
        elif request["op"] == "exit":
            agent = self.agents.pop(number)
            if not agent.is_dead:
                self.poller.unregister(agent.incoming)
            agent.exit()
        self.answer(request, value)

    def run(self):
        while True:
            ready = {fd for fd, _ in self.poller.poll()}
            for agent in [*self.agents.values()]:
                if agent.incoming in ready:
                    write_whole(1, agent.answers())
                    if agent.is_dead:
                        self.poller.unregister(agent.incoming)
            if 0 in ready and not self.read_requests():
                return

    def read_requests(self):
        data = os.read(0, 1 << 20)
        *lines, self.partial = (self.partial + data).split(b"\n")
        for line in lines:
            self.serve(line)
        return len(data) > 0


def leave_mount_namespace():
    """What cases mount is seen by the subjects only, and gone with them."""
    try:
        calls.c_unshare(calls.CLONE_NEWNS)
        calls.c_mount(None, b"/", None, calls.MS_REC_PRIVATE, None)
    except calls.SyscallFailed as failure:
        sys.exit(f"the cases mount filesystems, which takes CAP_SYS_ADMIN: {failure}")


leave_mount_namespace()
parent = Parent()
parent.run()
for agent in parent.agents.values():
    agent.exit()
