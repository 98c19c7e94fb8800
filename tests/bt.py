# SPDX-License-Identifier: MIT
"""What dmt-bt shows, held against eu-stack, gdb, and fixtures that know their own stacks. See bt.bats."""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time


def bt(*words, status=0):
    run = subprocess.run(["dmt-bt", *map(str, words)], capture_output=True)
    assert status is None or run.returncode == status, (words, run.returncode, run.stderr)
    lines = run.stdout.decode().splitlines()
    head = lines[0].split("\t")
    assert all(len(line.split("\t")) == len(head) for line in lines)
    return [dict(zip(head, line.split("\t"))) for line in lines[1:]]


def by_thread(rows):
    out = {}
    for row in rows:
        frames = out.setdefault(int(row["tid"]), [])
        assert row["frame"] == str(len(frames)), row
        frames.append((int(row["pc"], 16), row["function"], row["how"], row["object"]))
    return out


def plain(name):
    """Without version, arguments, what a compiler has appended to a clone, Rust's hash, and the vdso's second name."""
    if not name or name == "-":
        return None
    name = name.removeprefix("__vdso_")
    name = re.sub(r"@@?[A-Z][A-Za-z0-9_.]*$", "", name)
    name = re.sub(r"::h[0-9a-f]{16}( \[clone.*)?$", "", name)
    name = re.sub(r" \[clone [^]]*\]$|\.(part|cold|constprop|isra|llvm|lto_priv)\b.*$", "", name)
    name = re.sub(r"\$[A-Z0-9]+\$|[<>&]|\.\.|::", "~", name) if "::" in name or "$" in name else name
    return re.sub(r"\(.*", "", name)


aliases = {}


def same_address(a, b, obj):
    """Whether the file, or its debug file, has both names at one address."""
    if obj not in aliases:
        names = aliases[obj] = {}
        files = [obj]
        note = subprocess.run(["readelf", "-n", obj], capture_output=True, text=True).stdout
        found = re.search(r"Build ID: (..)(\w+)", note)
        if found:
            files.append(f"/usr/lib/debug/.build-id/{found[1]}/{found[2]}.debug")
        for file in files:
            for table in ([], ["-D"]):
                out = subprocess.run(["nm", *table, file], capture_output=True, text=True).stdout
                for line in out.splitlines():
                    part = line.split()
                    if len(part) == 3:
                        names.setdefault(plain(part[2]), set()).add(int(part[0], 16))
    names = aliases[obj]
    return bool(names.get(a, set()) & names.get(b, set()))


def same_names(a, b, obj):
    a, b = plain(a), plain(b)
    return a == b or (a and b and same_address(a, b, obj))


def eu_stack(*words):
    """Frames by thread; eu-stack's status is 1 where it says that a stack has no end."""
    out, frames = {}, None
    run = subprocess.run(["eu-stack", "-n", "0", *map(str, words)], capture_output=True, text=True)
    for line in run.stdout.splitlines():
        if line.startswith("TID "):
            frames = out[int(line[4:].rstrip(":"))] = []
        elif line.startswith("#"):
            part = line.split(None, 2)
            frames.append((int(part[1], 16), re.sub(r"^- \d+ ", "", part[2]) if len(part) > 2 else None))
    return out


SCRIPT = """
import gdb
for t in gdb.selected_inferior().threads():
    t.switch()
    print("TID", t.ptid[1])
    f = gdb.newest_frame()
    while f:
        if f.type() not in (gdb.INLINE_FRAME, gdb.TAILCALL_FRAME): # which gdb adds of its own
            print("FRAME %x %s" % (f.pc(), f.name()))
        try:
            f = f.older()
        except gdb.error:
            break
"""


def gdb(*words):
    out, frames = {}, None
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(SCRIPT)
        script.flush()
        run = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-iex",
                              "set backtrace past-main on", "-iex", "set backtrace limit unlimited", *map(str, words),
                              "-x", script.name], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    for line in run.stdout.splitlines():
        part = line.split(None, 2)
        if line.startswith("TID "):
            frames = out[int(part[1])] = []
        elif line.startswith("FRAME "):
            frames.append((int(part[1], 16), part[2] if part[2] != "None" else None))
    return out


def compare(ours, theirs, who, names=True):
    assert ours.keys() == theirs.keys(), (who, sorted(ours), sorted(theirs))
    n = 0
    for tid, mine in ours.items():
        other = theirs[tid]
        pcs, want = [f[0] for f in mine], [f[0] for f in other]
        assert pcs == want, (who, tid, [hex(p) for p in pcs], [hex(p) for p in want])
        for f, o in zip(mine, other):
            if names and o[1] and not o[1].endswith("@plt"): # gdb makes that up, by the table of the stub
                assert same_names(f[1], o[1], f[3].removesuffix(" (deleted)")), (who, tid, f, o)
        n += len(mine)
    return n


def same(target, *which):
    """The frames of all threads are those of eu-stack and gdb."""
    ours = by_thread(bt(target, "-o", "tid,frame,pc,function,how,object"))
    n = 0
    for who in which or ("eu", "gdb"):
        names = not who.endswith("-")
        theirs = eu_stack("-p", target) if who.startswith("eu") else gdb("-p", target)
        n = compare(ours, theirs, who, names)
    return n, sum(f[2] == "scan" for t in ours.values() for f in t)


def go(target, program=None, main=None):
    """The frames of a Go process are gdb's, as far as they go: gdb goes on behind the first function of a thread, and where
    the stack is changed. PROGRAM: the same one with symbols, for gdb; MAIN: where the process has its main.main."""
    words = []
    if program:
        symbols = subprocess.run(["nm", program], capture_output=True, text=True).stdout
        there = int(re.search(r"^(\w+) T main\.main$", symbols, re.M)[1], 16)
        words = ["-ex", f"symbol-file {program} -o {int(main, 16) - there:#x}"]
    rows = bt(target, "-o", "tid,frame,pc,function,how,object,reason", status=None)
    ours, theirs, n, hows = by_thread(rows), gdb("-p", target, *words), 0, {}
    assert ours.keys() == theirs.keys(), (sorted(ours), sorted(theirs))
    for tid, mine in ours.items():
        switches = ("runtime.systemstack", "runtime.morestack", "runtime.sigtramp")
        switch = next((i for i, f in enumerate(mine) if f[1].startswith(switches)), len(mine))
        rest, mine = mine[switch + 1:], mine[:switch + 1]
        if rest and rest[0][1].startswith("runtime.sigreturn"):
            rest = rest[1:]
        if rest: # gdb knows nothing of the goroutine's stack: tests/go.py holds that against what Go prints
            its = [r for r in bt(target, "--goroutines", "-o", "tid,pc,how,state", status=None) if r["tid"] == str(tid)]
            pcs = [int(r["pc"], 16) for r in its if r["how"] == "go"]
            assert its and its[0]["state"] == "copystack" or pcs[-len(rest):] == [f[0] for f in rest], (tid, mine, rest, pcs)
            hows["behind"] = hows.get("behind", 0) + len(rest)
        want = theirs[tid][:len(mine)]
        assert [f[0] for f in mine] == [f[0] for f in want], (tid, [(hex(f[0]), *f[1:]) for f in mine], want)
        for f, o in zip(mine, want):
            names = [re.sub(r"\.abi0$|\[.*", "", name or "-") for name in (f[1], o[1])]
            assert names[0] == names[1], (tid, f, o)
            hows[f[2]] = hows.get(f[2], 0) + 1
        n += len(mine)
    assert {r["reason"] for r in rows} <= {"-", "Go changes to another stack here"}, rows
    return n, *(f"{k}={v}" for k, v in sorted(hows.items())), sum(r["reason"] != "-" for r in rows)


def inlines(target):
    """Goroutines that have a thread are the end of its stack, inlined functions too. What Go prints of them is held
    against --goroutines by tests/go.py."""
    columns = "tid,pc,function,how,file,line"
    theirs, ours, n = {}, {}, 0
    for rows, out in ((bt(target, "--goroutines", "-s", "-o", columns), theirs),
                      (bt(target, "-i", "-s", "-o", columns, status=None), ours)):
        for row in rows:
            name = re.sub(r"\.abi0$|\[.*", "", row["function"])
            out.setdefault(row["tid"], []).append((row["pc"], name, row["file"], row["line"], row["how"] == "inline"))
    for tid, want in theirs.items():
        if tid == "-" or all(frame[0] == "-" for frame in want):
            continue
        want = [frame for frame in want if frame[0] != want[0][0]] # of one in a system call: where it says that it begins
        assert ours[tid][-len(want):] == want, (tid, ours[tid], want)
        n += sum(frame[4] for frame in want)
    assert n > 0
    return n


def node(target):
    """All threads are as eu-stack has them, with names; those that run no JavaScript, as gdb has them too."""
    ours = by_thread(bt(target, "-o", "tid,frame,pc,function,how,object"))
    n = compare(ours, eu_stack("-p", target), "eu")
    theirs = gdb("-p", target)
    script = {tid for tid, frames in ours.items() if any(f[2] == "fp" for f in frames)}
    assert script == {int(target)}, script
    for tid in script: # gdb guesses in code without call frame information
        known = next(i for i, f in enumerate(ours[tid]) if f[2] == "fp")
        ours[tid], theirs[tid] = ours[tid][:known], theirs[tid][:known]
    return n + compare(ours, theirs, "gdb"), 0


def hot(target, times):
    """Threads that run, stopped anywhere: eu-stack and gdb have the same frames. Where they were is counted. Processors
    differ in where an interrupt finds them: until all kinds of places were seen there are more looks."""
    at, n, looks, end = {"vdso": 0, "plt": 0, "edge": 0}, 0, 0, time.monotonic() + 60
    while looks < int(times) or (not (at["vdso"] and at["plt"] + at["edge"]) and time.monotonic() < end):
        looks += 1
        os.kill(int(target), signal.SIGSTOP)
        while not all(re.search(r"\nState:\t[tT]", open(f"/proc/{target}/task/{t}/status").read())
                      for t in os.listdir(f"/proc/{target}/task")):
            pass
        n += same(target, "eu", "gdb")[0]
        for row in bt(target, "-n", "1", "-o", "tid,frame,function,offset,object,how"):
            offset = int(row["offset"], 16) if row["offset"] != "-" else None
            at["vdso"] += row["object"] == "[vdso]"
            at["plt"] += offset is None and row["object"].endswith("/hot")
            at["edge"] += row["function"] in ("leaf", "saves") and offset is not None and offset < 8
        os.kill(int(target), signal.SIGCONT)
    return n, at["vdso"], at["plt"], at["edge"]


def known(target, file, *hows, status=0, words=()):
    """The return addresses that the fixture has written down stand in its threads' stacks, one behind the other but for
    the frames of a signal."""
    ours = by_thread(bt(target, *words, "-o", "tid,frame,pc,function,how,object", status=status))
    n, seen = 0, set()
    for line in open(file):
        if line.startswith("ready") or line.startswith("end"):
            continue
        tid, *addrs = line.split()
        addrs = [int(a, 16) for a in addrs]
        pcs = [f[0] for f in ours[int(tid)]]
        at = pcs.index(addrs[0])
        assert addrs[0] == pcs[at]
        rest = pcs.index(addrs[1], at + 1)
        assert rest - at <= 8, (tid, rest, at)
        assert pcs[rest:rest + len(addrs) - 1] == addrs[1:], (tid, [hex(p) for p in pcs], [hex(a) for a in addrs])
        seen |= {f[2] for f in ours[int(tid)][1:]}
        n += len(addrs)
    assert seen <= set(hows), (seen, hows)
    return n, ours


def core(pid, file):
    """Live and core: every column but those that a core does not say."""
    columns = "tid,frame,pc,function,offset,object,how,file,line,build_id,addr,cfa,syscall,reason"
    live = bt(pid, "-o", columns)
    dead = bt(file, "-o", columns)
    assert live == dead, [(a, b) for a, b in zip(live, dead) if a != b][:3]
    return len(live)


if __name__ == "__main__":
    what, *words = sys.argv[1:]
    if what == "known":
        options = [w for w in words if w.startswith("-")]
        status = 1 if "--incomplete" in options else 0
        options = [w for w in options if w != "--incomplete"]
        target, file, *hows = [w for w in words if not w.startswith("-")]
        print(known(target, file, *hows, status=status, words=options)[0])
    else:
        result = globals()[what](*words)
        print(*result if isinstance(result, tuple) else [result])
