# SPDX-License-Identifier: MIT
"""A pid that is another process's now: what a handle of the first one does to the second.

    reuse.py still FORM N    N times: a process ends, another gets its pid; the handle of the first is refused
    reuse.py race FORM N     N times: the process is replaced while dmt-kill starts
    reuse.py step FORM       it is replaced after each system call of dmt-kill, one after the other
    reuse.py rows            the same for dmt-ps and dmt-find: name and handle of a row are of one process

Runs as the first process of a PID namespace. FORM is inode: PID:INODE, as the commands print it; or start:
PID@START, built here from /proc, with births 20 ms apart, two clock ticks; or, for a race, pid: the bare
number, to see that the test can find something. The processes themselves count the signals that they take.
DMT_SEED repeats the delays of a run.
"""

import os
import random
import re
import subprocess
import sys
import time

GAP = {"inode": 0, "start": 20, "pid": 0}  # milliseconds between births
WAYS = [[], [], ["-KILL"], ["-s", "USR1"], ["-RTMIN+3"], ["-q", "7"], ["-w"], ["--then=0:KILL"]]
SEED = int(os.environ.get("DMT_SEED") or time.time_ns() % 1000000007)
rng = random.Random(SEED)


class Fixture:
    def __init__(self, gap):
        program = os.path.join(os.environ["DMT_BUILD"], "fixtures", "reuse")
        pipe = subprocess.PIPE
        self.child = subprocess.Popen([program, str(gap)], stdin=pipe, stdout=pipe, text=True)
        assert self.child.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.child.kill()
        self.child.wait()

    def ask(self, *words):
        self.child.stdin.write(" ".join(map(str, words)) + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline().split()
        assert answer, "the fixture has ended"
        return answer

    def born(self, pid, tid=0):
        """The number of a new process."""
        for _ in range(100):
            answer = self.ask("born", pid, tid)
            if answer[0] == "born":
                return int(answer[1])
        raise AssertionError("pid %d cannot be had" % pid)

    def end(self, pid):
        assert self.ask("end", pid) == ["ended"]

    def hits(self, first, last=None):
        return int(self.ask("hits", first, last or first)[1])


def run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, check=False, text=True)
    return done.returncode, done.stdout, done.stderr


def handle_of(form, pid, number):
    if form == "pid":
        return str(pid)
    if form == "start":
        with open("/proc/%d/stat" % pid, encoding="ascii") as file:
            return "%d@%s" % (pid, file.read().rpartition(")")[2].split()[22 - 3])
    status, handle, said = run("dmt-ps", "-H", "-o", "handle", str(pid))
    assert (status, said) == (0, "") and re.fullmatch(r"%d:\d+\n" % pid, handle), (status, handle, said)
    assert run("dmt-find", "-I", "-x", "reuse-%d" % number) == (0, handle, "")
    return handle.rstrip("\n")


def refused(argv, handles, text=None):
    """The status is 1, and one line is said for each stale handle."""
    status, output, said = run(*argv, text=text)
    assert (status, output) == (1, ""), (argv, text, status, output, said)
    assert said.endswith("\n") and said.count("\n") == len(handles), (argv, text, said)
    for line, handle in zip(said.splitlines(), handles):
        assert line.startswith("%s: %s: " % (argv[0], handle)), (argv, text, said)


def hit(fixture, number, *argv):
    before = fixture.hits(number)
    assert run(*argv) == (0, "", ""), argv
    assert fixture.hits(number) == before + 1, "%s did not hit once" % (argv,)


def still(form, total):
    wrong = right = 0
    with Fixture(GAP[form]) as fixture:
        neighbour = fixture.born(1999)  # keeps its pid: good handles stand between the bad ones
        neighbours = handle_of(form, 1999, neighbour)
        pid, tid = 2000, 3000
        number = fixture.born(pid, tid)
        for i in range(total):
            stale = handle_of(form, pid, number)
            fixture.end(pid)
            number = fixture.born(pid, tid)

            thread = "%s/%d" % (stale, tid)
            refused(["dmt-kill", stale], [stale])
            refused(["dmt-kill", *rng.choice(WAYS), stale], [stale])
            refused(["dmt-kill", "-g", stale], [stale])
            refused(["dmt-kill", thread], [thread])
            refused(["dmt-ps", "-H", stale], [stale])
            before = fixture.hits(neighbour)
            lines = "handle\tname\n%s\tx\n%s\n%s\n" % (stale, neighbours, thread)
            refused(["dmt-kill", "-"], [stale, thread], lines)
            assert fixture.hits(neighbour) == before + 1, "a good handle between bad ones did not hit once"
            wrong += fixture.hits(number)

            good = handle_of(form, pid, number)
            assert good != stale
            hit(fixture, number, "dmt-kill", good)
            hit(fixture, number, "dmt-kill", "-g", good)
            hit(fixture, number, "dmt-kill", "%s/%d" % (good, tid))
            assert run("dmt-ps", "-H", "-o", "pid,name", good) == (0, "%d\treuse-%d\n" % (pid, number), "")
            right += 4
            if i % 16 == 15:
                fixture.end(pid)
                pid, tid = rng.randrange(2000, 15000), rng.randrange(15000, 30000)
                number = fixture.born(pid, tid)
    figure = "%s: %d times another's pid, %d wrong hits; %d right handles, each hit once"
    print(figure % (form, total, wrong, right))
    assert wrong == 0


def time_of_start():
    """Microseconds that dmt-kill takes, from its start to its end."""
    times = []
    for _ in range(9):
        with subprocess.Popen(["dmt-kill", "--dry-run", "-H", "1999"], stdout=subprocess.DEVNULL) as child:
            began = time.monotonic()
            child.wait()
            times.append(int((time.monotonic() - began) * 1e6))
    return sorted(times)[4]


def race(form, total):
    wrong = gone = 0
    pid = 2000
    with Fixture(GAP[form]) as fixture:
        fixture.born(1999)
        usual = time_of_start()
        number = fixture.born(pid)
        rounds = 0
        # On and on until both ends of the race were seen: how fast a busy machine is may change after `usual`.
        while rounds < total or (form != "pid" and rounds < 10 * total and not 0 < gone < rounds):
            rounds += 1
            handle = handle_of(form, pid, number)
            way = rng.choice([["dmt-kill", handle], ["dmt-kill", "-"], ["dmt-kill", "-g", handle]])
            if form == "pid":
                way = ["dmt-kill", handle]
            text = handle + "\n" if way[-1] == "-" else None
            times = 1 if form == "start" else rng.randrange(1, 4)
            fixture.ask("ripe")
            pipe = subprocess.PIPE
            with subprocess.Popen(way, stdin=pipe, stdout=pipe, stderr=pipe) as child:
                if text:
                    child.stdin.write(text.encode())
                    child.stdin.close()
                    child.stdin = None
                delay = int(usual * rng.choice([0.5, 1, 2] if rounds <= total else [0, 4, 16]) * rng.random())
                last = int(fixture.ask("swap", pid, delay, times)[1])
                output, said = child.communicate()
            assert child.returncode in (0, 1) and output == b"", (way, child.returncode, output, said)
            assert said.count(b"\n") == child.returncode, (way, child.returncode, said)
            wrong += fixture.hits(number + 1, last)
            gone += child.returncode
            number = last
    figure = "%s: %d times replaced while dmt-kill starts: %d hit the first, %d refused, %d wrong hits"
    print(figure % (form, rounds, rounds - gone, gone, wrong))
    if form == "pid":
        assert wrong > 0, "even a bare pid never hit the wrong process: the test would find nothing"
    else:
        assert wrong == 0
        assert 0 < gone < rounds, "there was no race"


def steps(fixture, form, command_of):
    """A command again and again, with the process replaced after its system call 1, 2, ... up to the last."""
    pid, tid, k = 2000, 3000, 0
    number = new = fixture.born(pid, tid)
    while new:
        number, k = new, k + 1
        handle = handle_of(form, pid, number)
        argv = command_of(handle, tid, number)
        new, status, output, said = fixture.ask("step", pid, tid, k, *argv)[1:]
        output, said = (b"" if text == "-" else bytes.fromhex(text) for text in (output, said))
        new, status = int(new), int(status)
        assert (status, said.count(b"\n")) in ((0, 0), (1, 1)) or argv[0] == "dmt-find", (k, argv, status, said)
        yield (k, argv), number, new, handle, status, output
    assert status == 0 and k > 10, "the command alone did not succeed"
    fixture.end(pid)


def step(form):
    calls = gone = wrong = 0
    with Fixture(GAP[form]) as fixture:
        for command_of in (
            lambda handle, tid, number: ["dmt-kill", handle],
            lambda handle, tid, number: ["dmt-kill", "-g", handle],
            lambda handle, tid, number: ["dmt-kill", "%s/%d" % (handle, tid)],
            lambda handle, tid, number: ["dmt-kill", "-q", "7", handle],
        ):
            for what, number, new, _, status, output in steps(fixture, form, command_of):
                assert output == b"", what
                if new:
                    calls += 1
                    gone += status
                    wrong += fixture.hits(number + 1, new)
    figure = "%s: replaced after each of %d system calls: %d hit the first, %d refused, %d wrong hits"
    print(figure % (form, calls, calls - gone, gone, wrong))
    if form == "pid":
        assert wrong > 0, "even a bare pid never hit the wrong process: the test would find nothing"
    else:
        assert wrong == 0


def rows():
    calls = shown = 0
    with Fixture(0) as fixture:
        for command_of in (
            lambda handle, tid, number: ["dmt-ps", "-H", "-o", "handle,name", "2000"],
            lambda handle, tid, number: ["dmt-ps", "-H", "-o", "handle,name"],
            lambda handle, tid, number: ["dmt-find", "-H", "--columns=handle,name", "-x", "reuse-%d" % number],
            lambda handle, tid, number: ["dmt-find", "-H", "--columns=handle,name", "reuse-."],
        ):
            for what, number, new, handle, _, output in steps(fixture, "inode", command_of):
                known = {"%s\treuse-%d" % (handle, number)}
                if new:
                    known.add("%s\treuse-%d" % (handle_of("inode", 2000, new), new))
                got = [row for row in output.decode().splitlines() if row.startswith("2000:")]
                assert len(got) <= 1 and set(got) <= known, (what, got, known)
                assert "-x" not in what[1] or not got or got[0].startswith(handle), (what, got, known)
                calls += new > 0
                shown += len(got)
    figure = "replaced after each of %d system calls of dmt-ps and dmt-find: %d rows, 0 of two processes"
    print(figure % (calls, shown))


if __name__ == "__main__":
    if sys.argv[1] in ("step", "rows"):  # a leak checker cannot work under a tracer
        os.environ["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
    try:
        words = [int(word) if word.isdigit() else word for word in sys.argv[2:]]
        {"still": still, "race": race, "step": step, "rows": rows}[sys.argv[1]](*words)
    except BaseException:
        print("DMT_SEED=%d" % SEED, file=sys.stderr)
        raise
