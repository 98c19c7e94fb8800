# SPDX-License-Identifier: MIT
"""What dmt-ps prints against ps, /proc and the system calls of Python.

    ps.py listing PID...         every process against ps; those of PID have to be among them
    ps.py columns PID...         all columns of these processes against /proc
    ps.py threads PID...         the same for each of their threads
    ps.py shared-pages PID       pss and uss of one who shares no file with us, exactly
    ps.py value PID C=V...       these columns have exactly these values
    ps.py tree ARG...            dmt-ps --tree ARG...: who stands where
    ps.py calls FILE             system calls a process, from a trace of `dmt-ps`
    ps.py elf32 FILE             writes a program of the i386 kernel interface
    ps.py pages FILE             reads and maps FILE from its disk, then waits

What moves is read between two runs of dmt-ps that say the same. The escapes are undone here
from the interface page alone. Where a process may change all the time the whole is repeated.
"""

import grp
import mmap
import os
import platform
import pwd
import re
import select
import socket
import struct
import subprocess
import sys
import time

HZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
TRIES = 40
KINDS = "cgroup ipc mnt net pid time user uts".split()
POLICIES = {0: "other", 1: "fifo", 2: "rr", 3: "batch", 5: "idle", 6: "deadline", 7: "ext"}
NONE = None

# --- fields ------------------------------------------------------------------------------

ESCAPE = re.compile(rb"\\(t|n|r|x[0-9a-f]{2})")


def unescape_one(found):
    kind = found.group(1)
    return {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(kind) or bytes([int(kind[1:], 16)])


def unescape(field):
    """The bytes of a field; None is no value."""
    assert field != b"", "an empty field"
    if field == b"-":
        return None
    if field == b"\\0":
        return b""
    assert b"\\" not in ESCAPE.sub(b"", field), field
    return ESCAPE.sub(unescape_one, field)


def output(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False, stdin=subprocess.DEVNULL)
    return done.returncode, done.stdout


def table(*arguments, status=0):
    """The rows of dmt-ps, unescaped."""
    code, text = output("dmt-ps", *arguments)
    assert code == status, (arguments, code)
    header, *lines = text.removesuffix(b"\n").split(b"\n")
    names = header.decode().split("\t")
    rows = []
    for line in lines:
        fields = line.split(b"\t")
        assert len(fields) == len(names), line
        rows.append(dict(zip(names, map(unescape, fields))))
    return rows


def show(value):
    return "-" if value is NONE else repr(value.decode("utf-8", "backslashreplace"))


# --- ps ----------------------------------------------------------------------------------

PS_COLUMNS = "pid,ppid,pgid,sid,tty,euser:64,vsz,ni,nlwp,lstart"
DMT_COLUMNS = "handle,pid,ppid,pgid,sid,tty,user,vsz,nice,threads,start,name,args,state,policy"


def ps_text(column):
    """One column of ps that may hold blanks, and ends a line."""
    text = {}
    for line in output("ps", "-A", "-ww", "-o", "pid=", "-o", column + "=")[1].split(b"\n")[:-1]:
        pid, _, rest = line.lstrip().partition(b" ")
        text[int(pid)] = rest
    return text


def ps_listing():
    rows = {}
    for line in output("ps", "-A", "-ww", "-o", PS_COLUMNS.replace(",", "=,") + "=")[1].decode().splitlines():
        pid, ppid, pgid, sid, tty, user, vsz, nice, threads, *start = line.split()
        start = time.mktime(time.strptime(" ".join(start)))
        rows[int(pid)] = {"ppid": ppid, "pgid": pgid, "sid": sid, "tty": tty, "user": user, "vsz": vsz,
                          "nice": nice, "threads": threads, "start": start}
    for column, name in ("comm", "name"), ("args", "args"):
        for pid, text in ps_text(column).items():
            rows.get(pid, {})[name] = text
    return rows


def read(path, mode="rb"):
    with open(path, mode) as file:
        return file.read()


def plain(text):
    """Whether ps prints it as it is: no escape of either side."""
    return bool(text) and all(0x20 <= byte < 0x7f and byte != 0x5c for byte in text)


def comm_file(pid):
    return read("/proc/%d/comm" % pid)[:-1]


def args_file(base):
    text = read(base + "/cmdline")
    return text.rstrip(b"\0").replace(b"\0", b" ") if text else NONE


def same_as_ps(name, ours, theirs, row):
    """A column of dmt-ps against that of ps: the differences that are meant."""
    pid = int(row["pid"])
    if name == "start":  # ps has whole seconds, from a boot time in whole seconds: both are cut
        return 0 <= float(ours) - (time.time() - boot()) % 1 - theirs + 0.05 <= 1.1
    if name == "tty":
        return (b"?" if ours is NONE else ours) == theirs.encode()
    if name == "vsz":
        return (0 if ours is NONE else int(ours) / 1024) == int(theirs)
    if name == "nice":  # ps shows it only where it matters
        return theirs == "-" if row["policy"] not in (b"other", b"batch") else ours == theirs.encode()
    if name == "name":
        theirs = theirs.removesuffix(b" <defunct>") if row["state"] == b"Z" else theirs
        return ours == (theirs if plain(ours) else comm_file(pid))
    if name == "args":
        if ours is NONE:  # ps puts the name there
            return theirs.removesuffix(b" <defunct>").startswith(b"[") and args_file("/proc/%d" % pid) is NONE
        return ours.rstrip() == theirs.rstrip() if plain(ours) else ours == args_file("/proc/%d" % pid)
    return ours == theirs.encode()


def compare_listing(wanted):
    """One try: the differences, and how many processes were compared."""
    before = {row["handle"]: row for row in table("-o", DMT_COLUMNS)}
    numbers = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    ps = ps_listing()
    numbers &= {int(name) for name in os.listdir("/proc") if name.isdigit()}
    after = {row["handle"]: row for row in table("-o", DMT_COLUMNS)}
    seen, wrong = set(), []
    for handle in before.keys() & after.keys():
        row, again = before[handle], after[handle]
        pid = int(row["pid"])
        seen.add(pid)
        if pid not in ps:
            wrong.append("%d: not in ps" % pid)
            continue
        for name, theirs in ps[pid].items():
            try:
                if row[name] == again[name] and not same_as_ps(name, row[name], theirs, row):
                    wrong.append("%d: %s is %s, ps has %r" % (pid, name, show(row[name]), theirs))
            except FileNotFoundError:
                pass
    # Whoever was there all the time is in both lists.
    for pid in numbers & (ps.keys()) - seen:
        if any(int(row["pid"]) == pid for row in after.values()) and any(int(row["pid"]) == pid for row in before.values()):
            wrong.append("%d: its two handles differ" % pid)
        elif os.path.exists("/proc/%d" % pid) and not any(int(row["pid"]) == pid for row in after.values()):
            wrong.append("%d: missing" % pid)
    wrong += ["%d: not compared" % pid for pid in wanted - seen]
    return wrong, len(seen)


def listing(*pids):
    """A worker of the kernel may change its name between two looks: wrong is what is so every time."""
    always = None
    for _ in range(TRIES // 8):
        wrong, compared = compare_listing({int(pid) for pid in pids})
        fields = {text.split(" is ")[0]: text for text in wrong}
        always = {key: text for key, text in fields.items() if always is None or key in always}
        if not always:
            print("%d processes" % compared)
            return
    sys.exit("\n".join(always.values()))


# --- /proc -------------------------------------------------------------------------------

def lines(text):
    """`Name:   value` lines."""
    return dict(line.split(":", 1) for line in text.decode("utf-8", "surrogateescape").splitlines() if ":" in line)


def stat(base):
    """Fields by their number in proc_pid_stat(5)."""
    text = read(base + "/stat")
    head, _, tail = text.rpartition(b") ")
    pid, _, name = head.partition(b" (")
    return dict(enumerate([None, pid, name] + tail.split()))


def link(path):
    try:
        return os.readlink(os.fsencode(path))
    except OSError:
        return NONE


def number(value):
    return NONE if value is NONE else b"%d" % value


def kib(text):
    return NONE if text is NONE else b"%d" % (int(text.split()[0]) * 1024)


def user_of(uid):
    try:
        return pwd.getpwuid(uid).pw_name.encode()
    except KeyError:
        return b"%d" % uid


def group_of(gid):
    try:
        return grp.getgrgid(gid).gr_name.encode()
    except KeyError:
        return b"%d" % gid


def terminal_of(device):
    if device == 0:
        return NONE
    major, minor = device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00
    want = os.makedev(major, minor)
    for top in ("/dev/pts", "/dev"):
        for name in os.listdir(top):
            path = os.path.join(top, name)
            if not os.path.islink(path) and os.path.exists(path) and os.stat(path).st_rdev == want:
                return os.fsencode(os.path.relpath(path, "/dev"))
    return NONE


def smaps(base):
    """Pss and private memory, added up over the mappings. Each Pss is rounded down there. Who else shares pages may
    change between two looks: those that do not agree are taken again."""
    for last in [False] * 50 + [True]:
        try:
            rollup, parts = read(base + "/smaps_rollup"), read(base + "/smaps").decode("utf-8", "replace")
        except OSError:
            return NONE, NONE
        if not rollup:
            return NONE, NONE
        found = re.findall(r"^(Pss|Private_Clean|Private_Dirty|Private_Hugetlb): +(\d+) kB$", parts, re.M)
        sums = {name: sum(int(value) for key, value in found if key == name) for name, _ in found}
        pss, mappings = int(lines(rollup)["Pss"].split()[0]), sum(key == "Pss" for key, _ in found)
        if sums["Pss"] <= pss <= sums["Pss"] + mappings:
            break
        assert not last, (pss, sums)
    return number(pss * 1024), number(1024 * (sum(sums.values()) - sums["Pss"]))


def of_files(what):
    try:
        return what()
    except OSError:
        return NONE


def switches(base):
    return sum(int(value) for name, value in lines(read(base + "/status")).items() if name.endswith("voluntary_ctxt_switches"))


def all_switches(base):
    return sum(switches("%s/task/%s" % (base, tid)) for tid in os.listdir(base + "/task"))


def control_group(base):
    entries = [line.split(b":", 2) for line in read(base + "/cgroup").splitlines()]
    unified = [path for number_, _, path in entries if number_ == b"0"]
    return (unified or [path for _, _, path in entries])[0]


def abi_of(base):
    if not read(base + "/auxv"):
        return NONE
    with open(base + "/exe", "rb") as file:
        head = file.read(20)
    machine = struct.unpack_from("<H", head, 18)[0]
    return {(2, 62): b"x86_64", (1, 62): b"x32", (1, 3): b"i386", (2, 183): b"aarch64", (1, 40): b"arm"}[head[4], machine]


def osrel_of(base):
    if link(base + "/exe") is NONE:
        return NONE
    found = re.search(rb"OS: Linux, ABI: ([0-9.]+)", output("readelf", "-n", base + "/exe")[1])
    return found.group(1) if found else NONE


def handle_of(pid):
    fd = os.pidfd_open(pid)
    try:
        return b"%d:%d" % (pid, os.fstat(fd).st_ino)
    finally:
        os.close(fd)


def expected(pid, tid=None):
    """All columns of a process or a thread, from the files of its directory; ranges as pairs."""
    base = "/proc/%d" % pid if tid is None else "/proc/%d/task/%d" % (pid, tid)
    f, status = stat(base), lines(read(base + "/status"))
    uids, gids = [[int(word) for word in status[name].split()] for name in ("Uid", "Gid")]
    io = of_files(lambda: lines(read(base + "/io"))) or {}
    pss, uss = smaps(base)
    memory = "VmRSS" in status
    ticks = int(f[14]) + int(f[15])
    seconds = {14: int(f[14]) / HZ, 15: int(f[15]) / HZ}
    number_ = tid or pid
    wchan = of_files(lambda: read(base + "/wchan"))
    return {
        "pid": b"%d" % pid,
        "tid": b"%d" % number_,
        "handle": handle_of(pid) + (b"" if tid is None else b"/%d" % tid),
        "host": socket.gethostname().encode(),
        "name": read(base + "/comm")[:-1],
        "tree": read(base + "/comm")[:-1],
        "args": args_file(base),
        "argv": read(base + "/cmdline").removesuffix(b"\0") if read(base + "/cmdline") else NONE,
        "state": status["State"].split()[0].encode(),
        "ppid": f[4], "pgid": f[5], "sid": f[6], "tty": terminal_of(int(f[7])),
        "tpgid": f[8] if int(f[8]) > 0 else NONE,
        "minflt": f[10], "majflt": f[12],
        "utime": b"%.2f" % seconds[14], "stime": b"%.2f" % seconds[15], "cputime": b"%.2f" % (ticks / HZ),
        "prio": f[18], "nice": f[19], "threads": f[20],
        "start": int(f[22]) / HZ, "etime": int(f[22]) / HZ, "cpu_avg": (ticks / HZ, int(f[22]) / HZ),
        "vsz": f[23] if int(f[23]) else NONE,
        "rtprio": b"%d" % os.sched_getparam(number_).sched_priority,
        "policy": POLICIES[os.sched_getscheduler(number_) & ~os.SCHED_RESET_ON_FORK].encode(),
        "uid": b"%d" % uids[1], "user": user_of(uids[1]), "ruid": b"%d" % uids[0], "ruser": user_of(uids[0]),
        "suid": b"%d" % uids[2],
        "gid": b"%d" % gids[1], "group": group_of(gids[1]), "rgid": b"%d" % gids[0], "sgid": b"%d" % gids[2],
        "groups": status["Groups"].strip().replace(" ", ",").encode(),
        "mem": kib(status.get("VmRSS")), "rss": kib(status.get("VmRSS")), "swap": kib(status.get("VmSwap")),
        "shared": number(sum(int(status[name].split()[0]) for name in ("RssFile", "RssShmem")) * 1024) if memory else NONE,
        "pss": pss, "uss": uss,
        "tracer": status["TracerPid"].strip().encode() if int(status["TracerPid"]) else NONE,
        "fds": of_files(lambda: number(len(os.listdir(base + "/fd")))),
        "read_bytes": number(int(io["read_bytes"])) if io else NONE,
        "write_bytes": number(int(io["write_bytes"])) if io else NONE,
        "ctxsw": number(all_switches(base) if tid is None else switches(base)),
        "oom": read(base + "/oom_score").strip(), "oom_adj": read(base + "/oom_score_adj").strip(),
        "exe": link(base + "/exe"), "cwd": link(base + "/cwd"), "root": link(base + "/root"),
        "ns": b" ".join(filter(None, (link("%s/ns/%s" % (base, kind)) for kind in KINDS))) or NONE,
        "cgroup": control_group(base),
        "wchan": NONE if wchan in (NONE, b"0", b"") else wchan,
        "abi": of_files(lambda: abi_of(base)), "osrel": osrel_of(base),
    }


TIMES = ("start", "etime", "cpu_avg")


def boot():
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def right(name, value, truth, moments):
    """Whether a value is the true one. Those of now are between what they were before and after."""
    if name == "start":
        return abs(float(value) - (time.time() - boot() + truth)) < 0.03
    if name == "etime":
        return moments[0] - truth - 0.02 <= float(value) <= moments[1] - truth + 0.02
    if name == "cpu_avg":
        used, start = truth
        least, most = (100 * used / max(now - start, 0.01) for now in (moments[1] + 0.02, moments[0] - 0.02))
        return int(least * 10) / 10 <= float(value) <= most + 0.1
    if name in ("pss", "uss"):  # the pages of libraries are shared with whoever runs
        return (value is NONE) == (truth is NONE) and (value is NONE or abs(int(value) - int(truth)) <= 512 * 1024)
    return value == truth


def oracle(pid, tids):
    return {tid: expected(pid, tid) for tid in (sorted(int(t) for t in os.listdir("/proc/%d/task" % pid)) if tids else [None])}


def look(pid, tids):
    """One sandwich: what is wrong, and whether all held still."""
    arguments = (["-T"] if tids else []) + ["-o", "all", str(pid)]
    began = boot()
    first = table(*arguments)
    middle = boot()
    truth = oracle(pid, tids)
    second = table(*arguments)
    wrong, still = [], len(first) == len(second)
    if [int(row["tid"]) for row in first] != [tid or pid for tid in truth]:
        return ["%d: rows are %s" % (pid, [row["tid"] for row in first])], False
    for row, again, true in zip(first, second, truth.values()):
        missing = row.keys() ^ true.keys()
        assert not missing, "no oracle for these columns: %s" % missing
        for name, value in row.items():
            still &= name in TIMES or name in ("pss", "uss") or value == again[name]
            if not right(name, value, true[name], (began, middle)):
                wrong.append("%s: %s is %s, /proc has %s" % (row["tid"].decode(), name, show(value), true[name]))
    return wrong, still


def against_proc(pids, tids):
    for pid in map(int, pids):
        for _ in range(TRIES):
            wrong, still = look(pid, tids)
            if not wrong and still:
                break
        else:
            sys.exit("\n".join(wrong) or "%d does not hold still" % pid)


def columns(*pids):
    against_proc(pids, False)


def threads(*pids):
    against_proc(pids, True)


def shared_pages(pid):
    """pss and uss of a process that shares no file with anybody: exact."""
    for _ in range(TRIES):
        truth = dict(zip(("pss", "uss"), smaps("/proc/" + pid)))
        row = table("-o", "pss,uss", pid)[0]
        if row == truth:
            return
    sys.exit("%s: %s, /proc has %s" % (pid, row, truth))


def value(pid, *pairs):
    pairs = dict(pair.split("=", 1) for pair in pairs)
    row = table("-o", ",".join(pairs), pid)[0]
    found = {name: "-" if text is NONE else text.decode() for name, text in row.items()}
    if found != pairs:
        sys.exit("\n".join("%s is %s, not %s" % (name, found[name], pairs[name]) for name in pairs if found[name] != pairs[name]))


# --- the tree ----------------------------------------------------------------------------

def tree(*arguments):
    keys = [word.removeprefix("--sort=").split(",")[0] for word in arguments]
    code, text = output("dmt-ps", "--tree", "-H", "-o", "pid,ppid,name,tree,pgid,start", *arguments)
    assert code == 0, code
    rows = [line.split(b"\t") for line in text.splitlines()]
    pids = {row[0] for row in rows}
    assert len(pids) == len(rows)
    path, children = [], {}
    for pid, ppid, name, label, pgid, start in rows:
        while path and path[-1] != ppid:
            path.pop()
        assert path or ppid not in pids, "%s does not stand below %s" % (pid, ppid)
        assert label == b"  " * len(path) + name, (pid, label, len(path))
        path.append(pid)
        children.setdefault(ppid if ppid in pids else None, []).append(
            {"pid": int(pid), "name": unescape(name), "pgid": int(pgid), "start": float(start)})
    for key in keys:
        column = key.lstrip("+-")
        for siblings in children.values():
            values = [row[column] for row in siblings]
            assert values == sorted(values, reverse=key[0] == "-"), key
    print("%d rows, %d parents" % (len(rows), len(children)))


# --- others --------------------------------------------------------------------------------

def calls(path):
    """Between the reads of the process list: what a process costs, on average and at most."""
    with open(path, encoding="utf-8", errors="replace") as file:
        trace = file.read().splitlines()
    for word in ("cmdline", "environ", "/mem", '"mem"', "maps", "ptrace(", "process_vm"):
        assert not any(word in line for line in trace), word
    ends = [i for i, line in enumerate(trace) if line.startswith("getdents64(")]
    inside = [line for line in trace[ends[0] + 1:ends[-1]] if not line.startswith(("getdents64(", "write("))]
    starts = [i for i, line in enumerate(inside) if re.match(r'openat\(\d+, "\d+", ', line)]
    costs = [b - a for a, b in zip(starts, starts[1:] + [len(inside)])]
    looked_up = [i for i, (a, b) in enumerate(zip(starts, starts[1:] + [len(inside)]))
                 if any("/etc/" in line for line in inside[a:b])]
    most = max(cost for i, cost in enumerate(costs) if i not in looked_up)
    assert len(costs) > 10 and most <= 9, (len(costs), most)
    print("%d processes, %.1f calls each, at most %d" % (len(costs), len(inside) / len(costs), most))


def elf32(path):
    code = bytes.fromhex("b804000000 bb01000000 b9") + struct.pack("<I", 0x10000 + 52 + 64 + 32) + bytes.fromhex(
        "ba06000000 cd80 b81d000000 cd80 ebf7")
    note = struct.pack("<III4sIIII", 4, 16, 1, b"GNU\0", 0, 2, 6, 9)
    text, at = b"ready\n\0\0", 52 + 64
    entry = 0x10000 + at + len(note) + len(text)
    size = at + len(note) + len(text) + len(code)
    head = struct.pack("<4sBBBB8xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 2, 3, 1, entry, 52, 0, 0, 52, 32, 2, 0, 0, 0)
    load = struct.pack("<IIIIIIII", 1, 0, 0x10000, 0x10000, size, size, 5, 4096)
    notes = struct.pack("<IIIIIIII", 4, at, 0x10000 + at, 0x10000 + at, len(note), len(note), 4, 4)
    with open(path, "wb") as file:
        file.write(head + load + notes + note + text + code)
    os.chmod(path, 0o755)


def pages(path):
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        with mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as memory:
            memory.madvise(mmap.MADV_RANDOM)
            sum(memory[i] for i in range(0, len(memory), 16 * PAGE))
            print("ready", flush=True)
            select.select([0], [], [])


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
