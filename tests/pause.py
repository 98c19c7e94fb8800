# SPDX-License-Identifier: MIT
"""A target under load, and dmt-bt killed at random moments. See pause.bats and fixtures/guest.c."""
import ctypes
import os
import random
import re
import signal
import subprocess
import sys
import time


class Guest:
    """The fixture; it ends with its standard input."""

    def __init__(self, *words):
        self.process = subprocess.Popen([os.environ["DMT_BUILD"] + "/fixtures/guest", *words], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        ready, pid, *tids = self.process.stdout.readline().split()
        self.pid = int(pid)
        self.tids = {self.pid, *map(int, tids)}

    def ask(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return {k: int(v) for k, v in (pair.split("=") for pair in self.process.stdout.readline().split())}

    def statuses(self):
        """Of all threads that are there now: state, who traces it."""
        out = {}
        for task in os.listdir(f"/proc/{self.pid}/task"):
            try:
                text = open(f"/proc/{self.pid}/task/{task}/status").read()
            except (FileNotFoundError, ProcessLookupError):
                continue
            out[int(task)] = re.search(r"\nState:\t(\S)", text)[1], int(re.search(r"\nTracerPid:\t(\d+)", text)[1])
        return out

    def await_free(self, stopped=False):
        """No thread is traced, or stopped (or all are stopped); the threads that stay are there. Soon: who held a
        thread may be a child of dmt-bt, which dies after it, and what is stopped anew runs in the kernel first."""
        end = time.monotonic() + 60
        while True:
            now = self.statuses()
            assert self.tids <= now.keys(), self.tids - now.keys()
            bad = {tid: s for tid, s in now.items() if s[1] or (s[0] != "T" if stopped else s[0] in "tT")}
            if not bad:
                return
            assert time.monotonic() < end, bad

    def check_goes_on(self):
        """Each thread of the ring has had its turn, each other one has done something."""
        self.ask()
        done = {}
        end = time.monotonic() + 60
        while not done or done["hops"] < self.ring or not all(done[k] for k in self.does):
            assert time.monotonic() < end, done
            for name, n in self.ask().items():
                done[name] = done.get(name, 0) + n

    ring, does = 0, ()


def stacks(guest, *words):
    """Each thread that stays has a whole stack. The number of rows of others."""
    run = subprocess.run(["dmt-bt", "-H", "-o", "tid,frame,pc,reason", *words, str(guest.pid)], capture_output=True,
                         text=True)
    assert run.returncode in (0, 1), (run.returncode, run.stderr)
    rows = [line.split("\t") for line in run.stdout.splitlines()]
    whole = {int(row[0]) for row in rows if row[1] != "-"}
    assert guest.tids <= whole, (guest.tids - whole, run.stderr)
    broken = [row for row in rows if int(row[0]) in guest.tids and row[3] != "-"]
    assert not broken, broken
    return len(whole - guest.tids)


def rate(figures, name):
    return round(figures[name] * 1e9 / figures["ns"])


def load(times, create):
    """Many looks: none misses a thread that stays, no call ends that should not; what it costs is told."""
    guest = Guest("idle=4", "epoll=8", "pairs=2", f"create={create}")
    guest.does = "events", "rounds", "created"
    guest.check_goes_on()
    guest.ask()
    time.sleep(1)
    alone = guest.ask()
    others = sum(stacks(guest) for _ in range(int(times)))
    seen = guest.ask()
    assert seen["interrupted"] == 0, seen
    assert others > 0
    guest.await_free()
    guest.check_goes_on()
    told = [f"{k}/s {rate(alone, k)} -> {rate(seen, k)}" for k in ("created", "rounds", "events")]
    return f"{times} looks, {others} stacks of threads that come and go;", *told, f"epoll_wait EINTR {seen['epoll']}"


def killed(times, hits, *words, stopped=False):
    """dmt-bt dies TIMES and more: until it had HITS times a thread that it held."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) # PR_SET_CHILD_SUBREAPER: its children are ours then
    guest = Guest("ring=20", "idle=20", "work=2", "pairs=1")
    guest.ring, guest.does = 20, ("work", "rounds")
    guest.check_goes_on()
    if stopped:
        os.kill(guest.pid, signal.SIGSTOP)
        guest.await_free(stopped)
    n = held = 0
    while n < int(times) or held < int(hits):
        assert n < 100 * int(times), held
        bt = subprocess.Popen(["dmt-bt", *words, str(guest.pid)], stdout=subprocess.DEVNULL)
        time.sleep(random.random() * 0.05)
        bt.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, bt.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        held += any(tracer for _, tracer in guest.statuses().values())
        bt.kill()
        assert bt.wait() in (0, 1, -signal.SIGKILL), bt.returncode
        n += 1
        guest.await_free(stopped)
        if not stopped:
            guest.check_goes_on()
    if stopped:
        assert stacks(guest) == 0
        guest.await_free(stopped)
        os.kill(guest.pid, signal.SIGCONT)
        guest.check_goes_on()
    reap(guest)
    return f"killed {n} times, {held} with a thread that it held"


def reap(guest):
    """What dmt-bt had started ends with it."""
    end = time.monotonic() + 60
    while True:
        pid = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
        if pid is None:
            children = open(f"/proc/self/task/{os.getpid()}/children").read().split()
            if children == [str(guest.pid)]:
                return
            assert time.monotonic() < end, children


if __name__ == "__main__":
    what, *args = sys.argv[1:]
    result = {"load": load, "killed": killed,
              "killed-stopped": lambda *a: killed(*a, stopped=True)}[what](*args)
    print(*result if isinstance(result, tuple) else [result])
