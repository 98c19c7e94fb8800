# SPDX-License-Identifier: MIT
"""dmt-stat against the kernel's counters and against programs that measure themselves, over the same time.

    stat.py cpu BUSY           every share of every CPU against /proc/stat, with BUSY cores burning
    stat.py tools              the same against mpstat and vmstat
    stat.py burn SECONDS [COMMAND...]      a process that burns half a CPU; COMMAND... dmt-stat
    stat.py threads SECONDS    threads that burn shares of their own
    stat.py counts DIRECTORY   page faults, switches and bytes of storage, in amounts that the target knows
    stat.py robbed DIRECTORY   a process that sleeps while its memory is taken
    stat.py born               a process and a thread that come while it runs
    stat.py foreign            rows of a process in a /proc of another PID namespace
    stat.py memory             against /proc/meminfo and free
    stat.py waiting            two processes on one CPU against their schedstat
    stat.py pressure           against /proc/pressure
    stat.py disk DIRECTORY     what dd moved through a loop device; one that is new
    stat.py net                what went through a veth pair; one that is new
    stat.py disks DIRECTORY N  N times a loop device is given to another file
    stat.py links N            N times an interface gives its name to another
    stat.py reuse DIRECTORY N LONGEST [COMMAND...]   N reports while pids are given to others all the time
    stat.py births N           N times a process is born, some with the number of another
    stat.py forked TIMES       births with the numbers that the kernel gives
    stat.py list LOOKS         when the list of processes is read
    stat.py phases             the times of reports
    stat.py interrupt N        SIGINT, N times

Other work on the machine moves all numbers: what has to agree is repeated until it does, TRIES times.
"""

import contextlib
import ctypes
import os
import re
import signal
import socket
import statistics
import struct
import subprocess
import sys
import threading
import time

FIXTURES = os.path.join(os.environ["DMT_BUILD"], "fixtures")
SCRATCH = os.environ.get("BATS_TEST_TMPDIR") or "/tmp"
TRIES = 8
COUNTED = "in out in_ops out_ops errors drops minflt majflt ctxsw read write".split() # a second
CPUS = os.sysconf("SC_NPROCESSORS_ONLN")
HZ = os.sysconf("SC_CLK_TCK")

# --- dmt-stat ------------------------------------------------------------------------------


def number(text):
    """A field: None for no value, a number where it is one."""
    if text == "-":
        return None
    try:
        return float(text)
    except ValueError:
        return text


def parse(text):
    names, *lines = [line.split("\t") for line in text.decode().splitlines()]
    assert all(len(line) == len(names) for line in lines), text
    return [dict(zip(names, map(number, line))) for line in lines]


def before_others():
    """Goes first on a busy machine, where we may: else what is measured is how long it had to wait."""
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))


def rows(*arguments, command=("dmt-stat",), preexec=None):
    """All rows of a run that ends."""
    done = subprocess.run([*command, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True,
                          preexec_fn=preexec)
    return parse(done.stdout)


def reports(table):
    """Rows in lists, one for each report: another time, or what had a row already. TABLE is of whole reports."""
    found, when, seen = [], None, set()
    for row in table:
        what = tuple(row.get(key) for key in ("resource", "name", "pid", "tid"))
        if row["when"] != when or what in seen:
            found.append([])
            when, seen = row["when"], set()
        seen.add(what)
        found[-1].append(row)
    return found


class Running:
    """dmt-stat while it runs. A report of few rows is one write, so that a read gives whole ones."""

    def __init__(self, *arguments, command=("dmt-stat",)):
        self.process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        self.header = None
        self.waiting = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdout.close()
        self.process.kill()
        self.process.wait()

    def report(self):
        """The rows of the next one."""
        if not self.waiting:
            text = os.read(self.process.stdout.fileno(), 1 << 20)
            assert text.endswith(b"\n"), text
            if self.header is None:
                self.header, text = text.split(b"\n", 1)
            self.waiting = reports(parse(self.header + b"\n" + text))
        return self.waiting.pop(0)

    def one(self):
        (row,) = self.report()
        return row

    def total(self, since, choose):
        """What the rows that CHOOSE finds count, by column, from the time SINCE until all that is done now has shown;
        and the last of them."""
        until, sums, row = time.time(), {}, None
        while since <= until:
            row = choose(self.report())
            for key, rate in row.items():
                if key.split(" ")[-1] in COUNTED and rate is not None:
                    sums[key] = sums.get(key, 0) + rate * (row["when"] - since)
            since = row["when"]
        return sums, row


class Fixture:
    """A program of tests/fixtures that takes lines and answers them."""

    def __init__(self, name, *arguments, cpu=None, first=False):
        def pin():
            if first:
                before_others()
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})

        self.process = subprocess.Popen(
            [os.path.join(FIXTURES, name), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin)
        word, *self.ids = self.process.stdout.readline().split()
        assert word == "ready", word
        self.pid = str(self.process.pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def ask(self, line):
        word, count = self.say(line)
        assert word == "done", word
        return int(count)

    def born(self, pid):
        """The name of a new process of the fixture `reuse`."""
        for _ in range(100):
            answer = self.say("born %d 0" % pid)
            if answer[0] == "born":
                return "reuse-" + answer[1]
        raise AssertionError("pid %d cannot be had" % pid)


# --- oracles -------------------------------------------------------------------------------


def patiently(check, *arguments):
    """Until CHECK finds nothing wrong: somebody else may have had the CPU between its two readings."""
    for left in reversed(range(TRIES)):
        try:
            return check(*arguments)
        except AssertionError as error:
            print("again:", error)
            if not left:
                raise
    return None


def near(got, want, slack, what):
    assert got is not None and abs(got - want) <= slack, "%s: %s, not %s within %s" % (what, got, want, slack)


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read()


def cpu_ticks():
    """Of each CPU and of all: user nice system idle iowait irq softirq steal guest guest_nice."""
    lines = [line.split() for line in read("/proc/stat").splitlines() if line.startswith("cpu")]
    return {"all" if line[0] == "cpu" else line[0]: [int(word) for word in line[1:11]] for line in lines}


SHARES = "user nice system idle iowait irq softirq steal".split()


def cpu_shares(before, after):
    answer = {}
    for name, ticks in after.items():
        moved = [max(0, b - a) for a, b in zip(before[name], ticks)]
        total = sum(moved[:8])
        shares = {share: 100 * part / total for share, part in zip(SHARES, moved)}
        shares["percent"] = 100 - shares["idle"] - shares["iowait"]
        answer[name] = shares
    return answer


def own_measure(log, start, end):
    """CPU time by time of the fixture's own log, as percent of one CPU."""
    points = [tuple(int(word) / 1e9 for word in line.split()) for line in read(log).splitlines()]

    def used(when):
        for (t0, c0), (t1, c1) in zip(points, points[1:]):
            if t0 <= when <= t1:
                return c0 + (c1 - c0) * (when - t0) / (t1 - t0)
        raise AssertionError("the log has no time %s" % when)

    return 100 * (used(end) - used(start)) / (end - start)


def meminfo():
    lines = [line.split() for line in read("/proc/meminfo").splitlines()]
    return {line[0].rstrip(":"): int(line[1]) * 1024 for line in lines}


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout


# --- the machine -----------------------------------------------------------------------------


def check_cpu():
    with Running("-o", "when,name,percent," + ",".join(SHARES), "cpu", "2", "3") as stat:
        stat.report()
        before = cpu_ticks()
        for _ in range(2):
            table = stat.report()
            after = cpu_ticks()
            want = cpu_shares(before, after)
            before = after
            assert [row["name"] for row in table] == list(want), table
            for row in table:
                for share, value in want[row["name"]].items():
                    near(row[share], value, 1, "%s %s" % (row["name"], share))


def test_cpu(busy):
    with contextlib.ExitStack() as stack:
        for i in range(int(busy)):
            stack.enter_context(Fixture("stat", "burn=100:%s/log.%d" % (SCRATCH, i), cpu=i % CPUS))
        patiently(check_cpu)


def start(*command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "LC_ALL": "C", "S_TIME_FORMAT": "ISO"})


def check_tools():
    ours, mpstat, vmstat = start("dmt-stat", "-o", "name,percent,user,system,idle", "cpu", "4", "1"), \
        start("mpstat", "-P", "ALL", "4", "1"), start("vmstat", "-n", "4", "2")
    table = parse(ours.communicate()[0].encode())
    average = [line.split()[1:] for line in mpstat.communicate()[0].splitlines() if line.startswith("Average:")]
    theirs = {("all" if line[0] == "all" else "cpu" + line[0]): dict(zip(average[0], line)) for line in average[1:]}
    assert [row["name"] for row in table] == list(theirs), theirs
    for row in table:
        want = {key: float(value) for key, value in theirs[row["name"]].items() if key.startswith("%")}
        near(row["percent"], 100 - want["%idle"] - want["%iowait"], 1, "mpstat: %s busy" % row["name"])
        near(row["idle"], want["%idle"], 1, "mpstat: %s idle" % row["name"])
        near(row["system"], want["%sys"], 1, "mpstat: %s system" % row["name"])
    lines = [line.split() for line in vmstat.communicate()[0].splitlines()]
    want = dict(zip(lines[1], lines[-1]))
    near(table[0]["idle"], int(want["id"]), 1.5, "vmstat: idle")
    near(table[0]["system"], int(want["sy"]), 1.5 + 1, "vmstat: system") # with interrupts


def test_tools():
    patiently(check_tools)


def check_memory():
    before = meminfo()
    (row,) = rows("-o", "all", "mem", "0.1", "1")
    (swap,) = rows("-o", "all", "swap", "0.1", "1")
    free = [line.split() for line in run("free", "-b", "-w").splitlines()]
    after = meminfo()
    words = {"free": "MemFree", "available": "MemAvailable", "buffers": "Buffers", "shared": "Shmem",
             "dirty": "Dirty", "writeback": "Writeback", "slab": "Slab"}
    both = {name: (before[key], after[key]) for name, key in words.items()}
    both["cached"] = tuple(info["Cached"] + info["SReclaimable"] for info in (before, after))
    both["used"] = tuple(info["MemTotal"] - info["MemAvailable"] for info in (before, after))
    for name, (low, high) in both.items():
        slack = 1 << 20 # of what comes and goes between
        assert min(low, high) - slack <= row[name] <= max(low, high) + slack, "%s: %s %s %s" % (name, low, row[name], high)
    assert row["total"] == before["MemTotal"]
    near(row["percent"], 100 * row["used"] / row["total"], 0.01, "percent")
    theirs = dict(zip(free[0], free[1][1:]))
    assert row["total"] == int(theirs["total"])
    for name, word in {"used": "used", "free": "free", "shared": "shared", "buffers": "buffers", "cached": "cache",
                       "available": "available"}.items():
        low, high = both[name]
        near(row[name], int(theirs[word]), (4 << 20) + abs(high - low), "free: " + name)
    assert [swap["total"], swap["used"], swap["free"]] == [int(word) for word in free[2][1:4]], (swap, free)


def test_memory():
    patiently(check_memory)


def psi(name):
    lines = [line.split() for line in read("/proc/pressure/" + name).splitlines()]
    return {line[0]: int(line[-1].removeprefix("total=")) / 1e6 for line in lines}


def check_pressure():
    names = [name for name in ("cpu", "memory", "io", "irq") if os.path.exists("/proc/pressure/" + name)]
    with Running("-o", "when,name,percent,used,total,full,some_avg10,full_avg10", "pressure", "2", "2") as stat:
        stat.report()
        before = {name: psi(name) for name in names}
        table = stat.report()
        after = {name: psi(name) for name in names}
    assert [row["name"] for row in table] == names, table
    for row in table:
        moved = {kind: after[row["name"]][kind] - total for kind, total in before[row["name"]].items()}
        assert (row["used"] is None) == ("some" not in moved), row
        if "some" in moved:
            near(row["used"], moved["some"], 0.04, row["name"] + " used")
            near(row["total"], 2, 0.1, row["name"] + " total")
            near(row["percent"], 100 * row["used"] / row["total"], 0.01, row["name"] + " percent")
        if "full" in moved:
            near(row["full"], 100 * moved["full"] / 2, 2, row["name"] + " full")


def test_pressure():
    with Fixture("stat", "burn=100:%s/a" % SCRATCH, cpu=0), Fixture("stat", "burn=100:%s/b" % SCRATCH, cpu=0):
        patiently(check_pressure)


# --- processes -------------------------------------------------------------------------------


def check_burn(seconds, command, fixture, log):
    with Running("-p", fixture.pid, "-o", "pid,name,cpu,user,when", str(seconds), "2", command=command) as stat:
        first, row = stat.one(), stat.one()
    rows("-p", fixture.pid, "0.1", "2") # meanwhile the log goes on
    want = own_measure(log, first["when"], row["when"])
    print("it measured %.2f, dmt-stat %.2f, user %.2f" % (want, row["cpu"], row["user"]))
    near(row["cpu"], want, 1, "cpu")
    if os.environ.get("DMT_SOAK"):
        near(row["cpu"], 50, 1, "cpu of half a CPU")
    assert row["pid"] == int(fixture.pid) and row["name"] == "stat", row
    assert row["user"] <= row["cpu"] + 200 / HZ / seconds, row


def test_burn(seconds, *command):
    log = SCRATCH + "/log"
    with Fixture("stat", "burn=50:" + log, first=True) as fixture:
        patiently(check_burn, float(seconds), command or ("dmt-stat",), fixture, log)
        # Without an interval it is one second: the one before the report.
        patiently(check_second, fixture, log, command or ("dmt-stat",))


def check_second(fixture, log, command):
    begin = time.monotonic()
    (row,) = rows("-p", fixture.pid, "-o", "cpu,when", command=command)
    took = time.monotonic() - begin
    rows("-p", fixture.pid, "0.1", "2", command=command)
    assert 1 <= took < 1.5, "without INTERVAL it took %s s" % took
    near(row["cpu"], own_measure(log, row["when"] - 1, row["when"]), 2.5, "cpu of one second")


def check_threads(seconds, fixture, logs):
    with Running("-T", "-p", fixture.pid, "-o", "pid,tid,name,cpu,when", str(seconds), "2") as stat:
        first, table = stat.report(), stat.report()
    rows("-p", fixture.pid, "0.1", "2")
    assert [row["tid"] for row in table] == [int(tid) for tid in fixture.ids], table
    assert all(row["pid"] == int(fixture.pid) for row in table), table
    assert [row["name"] for row in table] == ["stat"] + ["burn-%d" % share for share in logs], table
    assert table[0]["cpu"] == 0, table[0]
    for row, log in zip(table[1:], logs.values()):
        near(row["cpu"], own_measure(log, first[0]["when"], row["when"]), 1 + 100 / HZ / seconds, row["name"])


def test_threads(seconds):
    logs = {share: "%s/log.%d" % (SCRATCH, share) for share in (20, 40)}
    with Fixture("stat", *("thread=%d:%s" % pair for pair in logs.items())) as fixture:
        patiently(check_threads, float(seconds), fixture, logs)


def io_bytes(pid):
    lines = dict(line.split(": ") for line in read("/proc/%s/io" % pid).splitlines())
    return int(lines["read_bytes"]), int(lines["write_bytes"])


def switches(pid):
    return sum(int(line.split()[1]) for line in read("/proc/%s/status" % pid).splitlines() if "ctxt_switches" in line)


def check_counts(fixture, directory, tid):
    pages, mib = 2000, 1 << 20
    path = directory + "/file"
    target = ("-T", "-p", fixture.pid) if tid else ("-p", fixture.pid)
    with Running(*target, "-o", "pid,minflt,majflt,ctxsw,read,write,when,wait", "2") as stat:
        first = stat.one()
        before, switched = io_bytes(fixture.pid), switches(fixture.pid)
        fixture.ask("faults %d" % pages)
        fixture.ask("switches 1000")
        fixture.ask("write %s %d" % (path, 16 * mib))
        fixture.ask("read %s %d" % (path, 8 * mib))
        major = fixture.ask("major " + path)
        after, switched = io_bytes(fixture.pid), switches(fixture.pid) - switched
        counted, _ = stat.total(first["when"], lambda table: table[0])
        quiet, last = stat.one(), stat.one()
    print(counted, "major:", major, "io:", before, after)
    near(counted["minflt"], pages, 0.015 * pages + 600, "minflt") # those of its own buffers too
    assert major >= 16 * mib // os.sysconf("SC_PAGESIZE") or major == 0, major
    near(counted["majflt"], major, 0.015 * major + 2, "majflt")
    assert switched >= 1000, switched
    near(counted["ctxsw"], switched, 0.015 * switched + 2, "ctxsw")
    for key, moved in zip(("read", "write"), (b - a for a, b in zip(before, after))):
        near(counted[key], moved, 0.015 * moved + 1, key)
    assert after[1] - before[1] >= 16 * mib and after[0] - before[0] >= 8 * mib, "this file system counts nothing"
    for row in (first, quiet, last):
        assert [row[key] for key in ("minflt", "majflt", "read", "write")] == [0, 0, 0, 0], row


def test_counts(directory):
    for tid in (False, True):
        with Fixture("stat") as fixture:
            fixture.ask("faults 1")
            patiently(check_counts, fixture, directory, tid)


HOLD = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    held = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(held[::4096])
    print("ready", flush=True)
    sys.stdin.read()
"""
PROCESS_MADVISE, MADV_PAGEOUT = 440, 21


def test_robbed(directory):
    path, size = directory + "/held", 64 << 20
    make_file(path, size >> 20)
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as victim:
        assert victim.stdout.readline() == b"ready\n"
        with Running("-p", str(victim.pid), "-o", "mem,cpu,when", "0.2") as stat:
            before = stat.one()
            (line,) = [line for line in read("/proc/%d/maps" % victim.pid).splitlines() if line.endswith(path)]
            low, high = (int(word, 16) for word in line.split()[0].split("-"))
            vector = struct.pack("PN", low, high - low)
            done = ctypes.CDLL(None).syscall(PROCESS_MADVISE, os.pidfd_open(victim.pid), vector, 1, MADV_PAGEOUT, 0)
            assert done == size, done
            after = [stat.one(), stat.one()][1]
        print(before, after)
        assert before["mem"] > size and after["mem"] < before["mem"] - size * 0.9, (before, after)
        assert after["cpu"] == 0, after
        victim.stdin.close()


def test_foreign():
    """In a /proc whose numbers are not those of system calls: the CPU clocks that they name are others'."""
    log = SCRATCH + "/log"
    with Fixture("stat", "burn=50:" + log) as fixture:
        def check():
            table = reports(rows("-o", "pid,name,cpu,mem,when,minflt", "proc", "3", "2",
                                 command=("unshare", "--pid", "--fork", "dmt-stat")))
            rows("-p", fixture.pid, "0.1", "2")
            first, (row,) = table[0][0], [row for row in table[1] if row["pid"] == int(fixture.pid)]
            near(row["cpu"], own_measure(log, first["when"], row["when"]), 1 + 100 / HZ / 3, "cpu")
        patiently(check)


def check_born():
    with Running("-o", "pid,minflt,when", "proc", "0.3") as stat:
        since = stat.report()[0]["when"]
        with Fixture("stat") as fixture:
            fixture.ask("faults 500")
            faults = int(read("/proc/%s/stat" % fixture.pid).rpartition(")")[2].split()[10 - 3])
            counted, _ = stat.total(since, lambda table: row_of(table, "pid", int(fixture.pid)))
    near(counted.get("minflt"), faults, 0.15 * faults, "minflt")
    with Fixture("stat") as fixture, Running("-T", "-p", fixture.pid, "-o", "tid,ctxsw,when", "0.3") as stat:
        since = stat.report()[0]["when"]
        tid = fixture.ask("thread 1")
        path = "%s/task/%d" % (fixture.pid, tid)
        while read("/proc/%s/stat" % path).rpartition(") ")[2][0] != "S":
            pass
        switched = switches(path)
        counted, _ = stat.total(since, lambda table: row_of(table, "tid", tid))
    assert switched > 0, "a thread that sleeps was switched never"
    near(counted.get("ctxsw"), switched, 0.15 * switched, "ctxsw")


def row_of(table, key, value):
    """That row, or an empty one."""
    return next((row for row in table if row[key] == value), {"when": table[0]["when"]})


def test_born():
    patiently(check_born)


def schedstat(pid):
    return int(read("/proc/%s/schedstat" % pid).split()[1]) / 1e9


def check_waiting(fixture):
    with Running("-p", fixture.pid, "-o", "pid,cpu,wait,when", "2", "2") as stat:
        first = stat.one()
        before = schedstat(fixture.pid)
        row = stat.one()
        after = schedstat(fixture.pid)
    want = 100 * (after - before) / (row["when"] - first["when"])
    print("wait %s, by schedstat %.2f, cpu %s" % (row["wait"], want, row["cpu"]))
    near(row["wait"], want, 2, "wait")
    assert row["wait"] > 20, row
    near(row["wait"] + row["cpu"], 100, 5, "wait and cpu")


def test_waiting():
    with Fixture("stat", "burn=100:%s/a" % SCRATCH, cpu=0) as fixture, Fixture("stat", "burn=100:%s/b" % SCRATCH, cpu=0):
        patiently(check_waiting, fixture)


# --- disks -----------------------------------------------------------------------------------


@contextlib.contextmanager
def loop(path):
    device = run("losetup", "--find", "--show", path).strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=False)


def make_file(path, mib):
    with open(path, "wb") as file:
        file.truncate(mib << 20)


def dd(*words):
    run("dd", "bs=1M", "status=none", *words)


def of(table, name):
    found = [row for row in table if row["name"] == name]
    assert len(found) <= 1, found
    return found[0] if found else None


def there(table, name):
    row = of(table, name)
    assert row is not None, "no row of %s" % name
    return row


DISK = ("-o", "when,name,percent,used,total,in,out,in_ops,out_ops,await,queue", "disk")


def check_disk(path):
    with Running(*DISK, "2") as stat:
        stat.report()
        with loop(path) as device:
            name = os.path.basename(device)
            dd("if=/dev/zero", "of=" + device, "oflag=direct", "count=1")
            first = there(stat.report(), name)
            assert first["total"] == 64 << 20, first
            moves = [first[key] for key in ("percent", "in", "out", "in_ops", "out_ops", "await", "queue")]
            assert moves == [None] * 7, "a new device has a past: %s" % first
            begin, count = first["when"], disk_ops(name)
            dd("if=/dev/zero", "of=" + device, "oflag=direct", "count=32")
            dd("if=" + device, "of=/dev/null", "iflag=direct", "count=16")
            count = [b - a for a, b in zip(count, disk_ops(name))]
            moved, row = stat.total(begin, lambda table: there(table, name))
            quiet = there(stat.report(), name)
    near(moved["in"], 16 << 20, 0.01 * (16 << 20), "read")
    near(moved["out"], 32 << 20, 0.01 * (32 << 20), "written")
    near(moved["in_ops"], count[0], 0.01 * count[0] + 0.1, "reads")
    near(moved["out_ops"], count[1], 0.01 * count[1] + 0.1, "writes")
    assert 0 <= row["percent"] <= 100 and row["used"] is None, row
    assert row["await"] is None or 0 < row["await"] < 10, row
    assert [quiet[key] for key in ("percent", "in", "out", "in_ops", "out_ops", "await")] == [0] * 5 + [None], quiet


def disk_ops(name):
    words = read("/sys/block/%s/stat" % name).split()
    return int(words[0]), int(words[4])


def test_disk(directory):
    path = directory + "/disk"
    make_file(path, 64)
    patiently(check_disk, path)


def spoil_disks(paths, times, done):
    """Each life of the device moves 8 MiB in or 16 MiB out, and is then another's."""
    try:
        for i in range(times):
            with loop(paths[i % 2]) as device:
                for _ in range(8):
                    if i % 2:
                        dd("if=/dev/zero", "of=" + device, "oflag=direct", "count=2")
                    else:
                        dd("if=" + device, "of=/dev/null", "iflag=direct", "count=1")
    finally:
        done.set()


def check_steps(table, keys, limit):
    """Between two reports of INTERVAL nothing moves more than LIMIT, and nothing backwards."""
    known = 0
    for before, now in zip(table, table[1:]):
        for row in now:
            for key in keys:
                assert row[key] is None or row[key] >= 0, row
            old = of(before, row["name"])
            if row["name"].startswith("loop") and row["in"] is not None:
                known += 1
                assert old is not None, "a row of a device that came has rates: %s" % row
                # The looks lie no closer than that.
                seconds = max(row["when"] - old["when"] - 0.02, 0.001)
                assert (row["in"] + row["out"]) * seconds <= limit, "bytes of two devices: %s" % row
    return known


def test_disks(directory, times):
    paths = [directory + "/one", directory + "/two"]
    for path in paths:
        make_file(path, 8)
    done = threading.Event()
    worker = threading.Thread(target=spoil_disks, args=(paths, int(times), done))
    seen = []
    with Running(*DISK, "0.01") as stat:
        worker.start()
        while not done.is_set():
            seen.append(stat.report())
        worker.join()
    known = check_steps(seen, ("percent", "in", "out", "in_ops", "out_ops", "queue"), 17 * (1 << 20))
    print("%d reports, %d rows with rates" % (len(seen), known))


# --- links: in a network namespace of our own --------------------------------------------------

NET = ("-o", "when,name,percent,used,total,in,out,in_ops,out_ops,errors,drops", "net")


def own_network():
    if os.environ.get("DMT_OWN_NETWORK") is None:
        command = ["unshare", "--net", "--mount", sys.executable, *sys.argv]
        os.execvpe("unshare", command, {**os.environ, "DMT_OWN_NETWORK": "1"})
    run("mount", "-t", "sysfs", "none", "/sys")
    with open("/proc/sys/net/ipv6/conf/default/disable_ipv6", "w", encoding="ascii") as file:
        file.write("1")


def make_links():
    run("ip", "link", "add", "ping", "type", "veth", "peer", "name", "pong")
    run("ip", "link", "set", "ping", "up")
    run("ip", "link", "set", "pong", "up")


def send(name, frames, size):
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
        raw.bind((name, 0))
        for _ in range(frames):
            raw.send(b"\xff" * 6 + b"\x02" * 6 + b"\x88\xb5" + bytes(size - 14))


def check_net():
    with Running(*NET, "2") as stat:
        stat.report()
        make_links()
        try:
            first = stat.report()
            for name in ("ping", "pong"):
                row = there(first, name)
                moves = [row[key] for key in ("percent", "used", "in", "out", "in_ops", "out_ops", "errors", "drops")]
                assert moves == [None] * 8, "a new link has a past: %s" % row
            send("ping", 2000, 1000)
            send("pong", 300, 200)
            speed = int(read("/sys/class/net/ping/speed"))
            dropped = frames_dropped() # nobody takes frames of this protocol
            moved, pair = stat.total(first[0]["when"], flat)
        finally:
            run("ip", "link", "delete", "ping")
        assert of(stat.report(), "ping") is None
    print(moved)
    for key, packets, size in ("ping out", 2000, 1000), ("pong in", 2000, 1000), ("pong out", 300, 200), ("ping in", 300, 200):
        near(moved[key + "_ops"], packets, 0.01 * packets, key + "_ops")
        near(moved[key], packets * size, 0.01 * packets * size, key)
    for name in "ping", "pong":
        row = there(pair["table"], name)
        assert row["total"] == speed * 125000, (row, speed)
        assert row["used"] == max(row["in"], row["out"]), row
        near(row["percent"], 100 * row["used"] / row["total"], 0.01, "percent")
        near(moved[name + " drops"], dropped[name], 0.01 * dropped[name] + 1, name + " drops")
        assert moved[name + " errors"] == 0, row


def frames_dropped():
    return {name: int(read("/sys/class/net/%s/statistics/rx_dropped" % name)) for name in ("ping", "pong")}


def flat(table):
    """Both ends as one row."""
    pair = {"when": table[0]["when"], "table": table}
    for row in table:
        pair.update({"%s %s" % (row["name"], key): value for key, value in row.items()})
    return pair


def test_net():
    own_network()
    patiently(check_net)


def spoil_links(times, done):
    """The first link sends long frames only, the next one short ones, and so on."""
    try:
        for i in range(times):
            make_links()
            send("ping", 40 + i % 7 * 20, 1000 if i % 2 else 100)
            run("ip", "link", "delete", "ping")
    finally:
        done.set()


def test_links(times):
    own_network()
    done = threading.Event()
    worker = threading.Thread(target=spoil_links, args=(int(times), done))
    count = known = 0
    with Running(*NET, "0.01") as stat:
        worker.start()
        while not done.is_set():
            count += 1
            for row in stat.report():
                if row["name"] == "lo" or row["in_ops"] is None:
                    continue
                assert min(row[key] for key in ("in", "out", "in_ops", "out_ops", "errors", "drops")) >= 0, row
                packets = row["in_ops"] + row["out_ops"]
                if packets > 0:
                    known += 1
                    size = (row["in"] + row["out"]) / packets
                    assert min(abs(size - 100), abs(size - 1000)) < 1, "packets of two links: %s" % row
        worker.join()
    print("%d reports, %d rows with packets" % (count, known))
    assert known > 0 or int(times) < 20, "no row had a rate: the test would find nothing"


# --- pids that are another's at once: as the first process of a PID namespace ------------------------


def test_reuse(directory, count, longest, *command):
    """Rows of `faults` have no writes, rows of `writes` few faults; no process runs on two CPUs.

    A rate is of the time between two looks at a process, which is not the time between the reports that show them.
    A round begins a multiple of 50 ms after the first, however late the report before it was: from there to its
    look at least so much is left. Most reports are not late; 20 ms are for the hundredths and for a round's own time,
    which is short because dmt-stat goes first where many want the CPU.
    """
    with Fixture("statchurn", directory + "/churn", longest):
        table = rows("-o", "pid,name,cpu,minflt,majflt,read,write,ctxsw,mem,start,when", "proc", "0.05", count,
                     command=command or ("dmt-stat",), preexec=before_others)
    found = reports(table)
    assert len(found) == int(count), len(found)
    kinds = {"faults": 0, "writes": 0}
    phases = [round(100 * report[0]["when"]) % 5 for report in found]
    usual = statistics.mode(phases)
    for before, phase, now in zip(found, phases, found[1:]):
        seconds = (5 - (phase - usual) % 5 - 2) / 100
        assert [row["pid"] for row in now] == sorted({row["pid"] for row in now}), "not in order, or twice"
        for row in now:
            rates = [row[key] for key in ("cpu", "minflt", "majflt", "read", "write", "ctxsw") if row[key] is not None]
            assert all(rate >= 0 for rate in rates), row
            if row["name"] not in kinds or not rates:
                continue
            assert row["name"] == "writes" or not row["write"], "writes of another: %s" % row
            if seconds <= 0:
                continue
            kinds[row["name"]] += 1
            assert row["cpu"] <= 100 + 100 * 0.02 / seconds, row
            if row["name"] == "faults":
                assert row["minflt"] * seconds <= 2600, "faults of two: %s" % row
            else:
                assert row["minflt"] * seconds <= 600, "faults of another: %s" % row
                assert (row["write"] or 0) * seconds <= 1.1 * (1 << 20), "writes of two: %s" % row
    pids = {row["pid"] for row in table}
    print("%d reports, %d pids, rows with rates: %s" % (len(found), len(pids), kinds))
    assert min(kinds.values()) >= int(count) // 4, "too few rows to find anything"


def test_births(times):
    """In each report whose look began after its birth; half of them with the number of one that was shown before."""
    looks = 0
    with Fixture("reuse", "0") as fixture, Running("-o", "pid,name,when", "proc", "0.03") as stat:
        stat.report()
        fixture.born(500)
        for i in range(int(times)):
            pid = 500 if i % 2 else 600 + i
            if pid == 500:
                fixture.say("end 500")
            name = fixture.born(pid)
            born = time.time()
            # A look begins after the report before it.
            while stat.report()[0]["when"] < born:
                looks += 1
            table = stat.report()
            assert [row["name"] for row in table if row["pid"] == pid] == [name], (pid, name, table)
            if pid != 500:
                fixture.say("end %d" % pid)
            time.sleep(0.01 * (i % 7)) # so that some looks find that nothing was born
    print("%s births, each in the next report; %d reports before them" % (times, looks))


def test_forked(times):
    """In each report whose look began after its birth, whatever number the kernel gave it; some forks end at once."""
    sleepers = []
    looks = 0
    try:
        with Running("-o", "pid,name,when", "proc", "0.03") as stat:
            stat.report()
            for i in range(int(times)):
                for _ in range(i % 5):
                    subprocess.run(["true"], check=True)
                sleepers.append(subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL))
                born = time.time()
                while stat.report()[0]["when"] < born:
                    looks += 1
                pids = [row["pid"] for row in stat.report()]
                assert {p.pid for p in sleepers} <= set(pids), (sleepers[-1].pid, pids)
                assert pids == sorted(set(pids)), pids
                if i % 3 == 0 or len(sleepers) > 8: # a report has to fit into one write
                    gone = sleepers.pop(0)
                    gone.kill()
                    gone.wait()
                time.sleep(0.01 * (i % 7)) # so that some looks find that nothing was born
    finally:
        for process in sleepers:
            process.kill()
    print("%s births, each in the next report; %d reports before them" % (times, looks))


def test_list(looks):
    """The list of processes is read where numbers do not tell who was born, at every tenth look, and at no other."""
    log = SCRATCH + "/calls"
    environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}
    command = ["strace", "-qq", "-s", "1000000", "-e", "signal=none", "-e", "trace=openat,read,getdents64", "-o", log,
               "dmt-stat", "-o", "pid", "proc", "0.02", str(int(looks) - 1)]
    first = os.getpid() == 1 # of a PID namespace of its own: there numbers can be chosen, and births elsewhere count
    with contextlib.ExitStack() as stack:
        fixture = stack.enter_context(Fixture("reuse", "0")) if first else None
        process = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment))
        while process.poll() is None:
            if fixture:
                fixture.born(500)
                fixture.say("end 500")
            else:
                subprocess.run(["true"], check=True)
            time.sleep(0.31)
        assert process.returncode == 0, process.returncode
    # Of each look the texts of /proc/stat and /proc/loadavg in the log, and what follows.
    parts = re.split(r'openat\(\d+, "stat", ', read(log))[1:]
    found = []
    for part in parts:
        forks = re.search(r"\\nprocesses (\d+)", part)
        if forks:
            cursor = re.search(r'"[\d. ]+/\d+ (\d+)\\n"', part)
            found.append((int(forks.group(1)), int(cursor.group(1)), "getdents64" in part))
    assert len(found) == int(looks), (len(found), looks)
    many = 256 # in libdmt/sample_births.c: of more, it is whatever takes less time
    since, read_for = 0, {"births": 0, "age": 0, "nothing": 0, "births by number": 0}
    for i, (forks, cursor, listed) in enumerate(found[1:]):
        born, given = forks - found[i][0], cursor - found[i][1]
        since += 1
        # The second look reads it too: the first one showed nothing.
        why = "births" if i == 0 or (born and born != given) else "age" if since == 10 else "births by number" if born else "nothing"
        read_for[why] += 1
        assert born > many or listed == (why in ("births", "age")), (why, i, found)
        if listed:
            since = 0
    print("looks by what there was to read the list for: %s" % read_for)
    whole = os.stat("/proc/self/ns/pid").st_ino == 0xEFFFFFFC # the first namespace: all births have a number in it
    assert read_for["births"] > 1 or not first, read_for
    assert read_for["births by number"] > 0 or not whole, read_for


# --- time --------------------------------------------------------------------------------------


def check_phases():
    times = [row["when"] for row in rows("-o", "when", "mem", "0.1", "30")]
    begin = times[0]
    late = [((when - begin + 0.05) % 0.1) - 0.05 for when in times] # against a clock of 0.1 s
    print("30 reports in %.2f s, median %.3f s late" % (times[-1] - begin, statistics.median(late)))
    assert len(times) == 30 and times == sorted(set(times)), times
    near(times[-1] - begin, 2.9, 0.15, "29 intervals of 0.1 s")
    assert abs(statistics.median(late[15:])) <= 0.025, late


def test_phases():
    patiently(check_phases)


def test_interrupt(times):
    def default(): # a shell ignores it for what it starts in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    for i in range(int(times)):
        process = subprocess.Popen(["dmt-stat", "proc", "0.01"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   preexec_fn=default)
        text = b""
        while text.count(b"\n") < 50 * (i + 1):
            text += os.read(process.stdout.fileno(), 1 << 20)
        process.send_signal(signal.SIGINT)
        rest, said = process.communicate()
        assert process.returncode == -signal.SIGINT and said == b"", (process.returncode, said)
        assert (text + rest).endswith(b"\n")
        parse(text + rest)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    globals()["test_" + sys.argv[1]](*sys.argv[2:])
