# SPDX-License-Identifier: MIT
"""What the commands show of a core, held against eu-readelf, readelf, gdb, and the process that it is of. See core.bats."""
import os
import pickle
import re
import struct
import subprocess
import sys
import time


def run(*words, status=(0,)):
    done = subprocess.run([str(w) for w in words], capture_output=True)
    assert done.returncode in status, (words, done.returncode, done.stderr)
    return done


def rows(*words, status=(0,)):
    lines = run(*words, status=status).stdout.decode().splitlines()
    head = lines[0].split("\t")
    assert all(len(line.split("\t")) == len(head) for line in lines)
    return [dict(zip(head, line.split("\t"))) for line in lines[1:]]


# --- the process, while it lives ------------------------------------------------


def at_rest(pid):
    """Waits until all of its threads sleep in pause, poll or read."""
    end = time.time() + 60
    while time.time() < end:
        calls = [open(f"/proc/{pid}/task/{t}/syscall").read().split()[0] for t in os.listdir(f"/proc/{pid}/task")]
        if all(c in ("34", "7", "0", "73", "63") for c in calls):
            return
        time.sleep(0.01)
    assert False, calls


def snapshot(pid, file):
    """Its mappings, and the bytes of each that /proc/PID/mem gives."""
    at_rest(pid)
    mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    all = []
    for line in open(f"/proc/{pid}/maps", errors="surrogateescape"):
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) \S+ (\d+) *(.*)\n", line)
        start, end = int(m[1], 16), int(m[2], 16)
        try:
            bytes = os.pread(mem, end - start, start) if end < 1 << 63 else b""
        except OSError:
            bytes = b""
        all.append((start, end, m[3], int(m[4], 16), m[6], bytes))
    with open(file, "wb") as f:
        pickle.dump(all, f)


# --- its core -------------------------------------------------------------------


def memory(core, snap, least):
    """Every byte that is read is the process's; at least LEAST percent of the bytes that it could read itself are."""
    read = could = refused = 0
    for start, end, perms, _, name, want in pickle.load(open(snap, "rb")):
        if not want or name in ("[vvar]", "[vvar_vclock]"):  # the clock goes on
            continue
        for at in range(start, end, 1 << 20):
            size = min(end - at, 1 << 20)
            done = run("dmt-peek", "--raw", core, f"0x{at:x},{size}", status=(0, 1, 3))
            part = want[at - start:at - start + size]
            assert done.stdout == part[:len(done.stdout)], (name, hex(at))
            assert (done.returncode == 0) == (len(done.stdout) == size) and bool(done.stderr) == (done.returncode != 0)
            assert done.stderr.count(b"\n") <= 1, done.stderr
            read += len(done.stdout) if perms[0] == "r" else 0
            could += len(part) if perms[0] == "r" else 0
            refused += done.returncode != 0
    assert could and 100 * read >= int(least) * could, (read, could)
    print(read, could, refused)


def eu_readelf(core):
    """NT_PRSTATUS by thread, and NT_FILE."""
    threads, files, thread, regs = {}, [], None, None
    for line in run("eu-readelf", "-n", core).stdout.decode().splitlines():
        if m := re.match(r"    pid: (\d+), ppid", line):
            thread = regs = threads.setdefault(int(m[1]), {})
        elif re.match(r"  \S", line):
            regs = thread if "FPREGSET" in line else None
        elif m := re.match(r" +([0-9a-f]+)-([0-9a-f]+) ([0-9a-f]+) \d+ +(.*)", line):
            files.append((int(m[1], 16), int(m[2], 16), int(m[3], 16), m[4]))
        if regs is not None:
            for name, value in re.findall(r"\b([a-z][a-z0-9_.]*): +(-?\w+)", line):
                regs.setdefault(name, int(value, 0))
    return threads, files


def threads(core):
    """Threads and their general registers are those of eu-readelf -n, the xmm registers too."""
    want, _ = eu_readelf(core)
    got = {}
    for row in rows("dmt-peek", "-r", "gp", core):
        got.setdefault(int(row["tid"]), {})[row["name"]] = int(row["value"], 16)
    assert list(got) == sorted(want), (list(got), list(want))
    names = {"fs.base": "fs_base", "gs.base": "gs_base", "rflags": "eflags"}
    seen = 0
    for tid, regs in want.items():
        for name, value in regs.items():
            name = names.get(name, name)
            if name in got[tid]:
                assert value % (1 << 64) == got[tid][name], (tid, name, value, got[tid][name])
                seen += 1
        xmm = [row for row in rows("dmt-peek", "-f", "hex", f"{core}/{tid}", "%xmm7", "%xmm0")]
        for row, name in zip(xmm, ("xmm7", "xmm0")):
            assert int("".join(row["value"].split()), 16) == regs[name], (row, hex(regs[name]))
    assert seen == 27 * len(want), seen
    print(len(want))


GDB = """
import gdb
names = "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip eflags cs ss ds es fs gs fs_base gs_base".split()
for t in gdb.selected_inferior().threads():
    t.switch()
    f = gdb.newest_frame()
    for n in names:
        print("reg", t.ptid[1], n, hex(int(f.read_register(n)) % (1 << 64)))
    for n in "0", "7":
        # Before gdb 14 it has no upper halves from a kernel's core of AMD's processors with protection keys.
        for n, field, words in ("ymm" + n, "v4_int64", 4), ("xmm" + n, "v2_int64", 2):
            v = f.read_register(n)[field]
            if "unavailable" not in str(v):
                break
        print("reg", t.ptid[1], n, hex(sum((int(v[i]) % (1 << 64)) << 64 * i for i in range(words))))
    print("reg", t.ptid[1], "st0", float(f.read_register("st0")))
    for n in ("rip", "rsp"):
        at = int(f.read_register(n)) % (1 << 64)
        print("mem", hex(at), gdb.selected_inferior().read_memory(at, 64).tobytes().hex())
"""


def gdb(core, exe):
    """Registers of all sets, and memory at the program counter and the stack pointer of every thread, are gdb's."""
    script = f"{core}.gdb.py"
    open(script, "w").write(GDB)
    out = run("gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", exe, core, "-x", script).stdout.decode()
    got = {}
    for row in rows("dmt-peek", "-r", "all", core):
        got[int(row["tid"]), row["name"]] = row["value"]
    seen = 0
    for line in out.splitlines():
        word = line.split()
        if word[:1] == ["reg"]:
            tid, name = int(word[1]), word[2]
            if name[1:].startswith("mm"):
                value = rows("dmt-peek", "-f", "hex", f"{core}/{tid}", "%" + name)[0]["value"]
                assert int("".join(value.split()), 16) == int(word[3], 16), (line, value)
            elif name == "st0":
                assert abs(float(got[tid, name]) - float(word[3])) < 1e-9, (line, got[tid, name])
            else:
                assert int(got[tid, name], 16) == int(word[3], 16), (line, got[tid, name])
            seen += 1
        elif word[:1] == ["mem"]:
            bytes = run("dmt-peek", "--raw", core, f"{word[1]},64").stdout
            assert bytes.hex() == word[2], line
            seen += 1
    assert seen and seen % 31 == 0, out
    print(seen)


def maps(core):
    """The mappings are the union of readelf's PT_LOADs and eu-readelf's NT_FILE."""
    loads = {}
    for line in run("readelf", "-lW", core).stdout.decode().splitlines():
        if m := re.match(r"  LOAD +\S+ 0x(\w+) \S+ \S+ 0x(\w+) (...) ", line):
            loads[int(m[1], 16), int(m[1], 16) + int(m[2], 16)] = m[3]
    files = {(start, end): (offset, path) for start, end, offset, path in eu_readelf(core)[1]}
    got = rows("dmt-map", "-o", "pid,start,end,perms,offset,dev,inode,path,deleted", core)
    assert {(int(r["start"], 16), int(r["end"], 16)) for r in got} == set(loads) | set(files)
    for r in got:
        at = int(r["start"], 16), int(r["end"], 16)
        perms = loads.get(at)
        assert r["perms"] == (perms.lower().replace("e", "x").replace(" ", "-") if perms else "-").replace("-x-", "--x"), r
        assert r["dev"] == r["inode"] == "-"
        if at in files:
            tail = " (deleted)" if r["deleted"] == "yes" else ""
            assert (int(r["offset"], 16), r["path"] + tail) == files[at], r
        else:
            assert r["offset"] == "-" and not r["path"].startswith("/"), r
    print(len(got), len(files))


def same_maps(core, snap):
    """The mappings are those that the process had, in every column that a core records."""
    got = {int(r["start"], 16): r for r in rows("dmt-map", core)}
    for start, end, perms, offset, name, _ in pickle.load(open(snap, "rb")):
        r = got.pop(start, None)
        if r is None:  # gcore leaves out what it does not read
            assert name in ("[vvar]", "[vvar_vclock]", ""), name
            continue
        assert int(r["end"], 16) == end
        # gdb writes that all can be read.
        assert r["perms"] in (perms[:3], "-") or (perms[0] != "r" and r["perms"][0] == "r"), (r, perms)
        if name.startswith("/"):
            assert (r["path"], int(r["offset"], 16)) == (name.removesuffix(" (deleted)"), offset), r
        else:
            assert r["path"] == (name if name in ("[vdso]", "[stack]") else "-"), r
    assert not got, got


def columns(live, core, kind):
    """Two outputs of dmt-map -o all: each cell of a mapped file is the same in both, or the core does not record it."""
    missing = {"dev", "inode", "rss", "pss", "dirty", "swap"}
    tables = []
    for file in live, core:
        head, *lines = (line.split("\t") for line in open(file).read().splitlines())
        tables.append({row["start"]: row for row in (dict(zip(head, line)) for line in lines)})
    had, got = tables
    seen = 0
    assert set(head) - missing == {"pid", "start", "end", "perms", "offset", "path", "size", "deleted", "build_id", "bias"}
    for start, row in had.items():
        if not row["path"].startswith("/"):
            continue
        for name in head:
            want, have = row[name], got[start][name]
            if name in missing:
                assert have == "-", (name, have)
            elif name == "perms":  # no core says what is shared; gdb has no segment for some, and writes that all can be read
                assert have == want[:3] or (kind == "gcore" and have in ("-", "r" + want[1:3])), (start, have, want)
            else:
                assert have == want, (start, name, have, want)
            seen += 1
    assert seen > 100
    print(seen)


# --- cores that nobody dumped -----------------------------------------------------


def header(type, phnum, shoff=0):
    return b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack(
        "<HHIQQQIHHHHHH", type, 62, 1, 0, 64, shoff, 0, 64, 56, phnum, 64 if shoff else 0, 0, 0)


def segment(type, offset, address, filesz, memsz):
    return struct.pack("<IIQQQQQQ", type, 5, offset, address, address, filesz, memsz, 4)


def note(type, bytes):
    return struct.pack("<III5s3x", 5, len(bytes), type, b"CORE") + bytes + b"\0" * (-len(bytes) % 4)


def costly(kind, file):
    """As many mappings as are taken, a page between each two. `modules`: each is a file of its own, and an ELF file
    in memory whose eight segments of notes have 32 notes far apart. `holes`: nothing is known of any."""
    n = (1 << 19) - 2
    base, step = 1 << 28, 1 << 22 if kind == "modules" else 1 << 13
    size = step - 4096
    notes = note(1, bytes(32) + struct.pack("<i300x", 1000))  # NT_PRSTATUS
    if kind == "modules":
        ranges = b"".join(struct.pack("<QQQ", base + i * step, base + i * step + size, 0) for i in range(n))
        notes += note(0x46494c45, struct.pack("<QQ", n, 4096) + ranges + b"".join(b"/%x\0" % i for i in range(n)))
    at = 64 + 56 * (n + 1)
    data = at + 64 + len(notes) + 4096 & -4096
    with open(file, "wb") as f:
        # The number of segments stands in section 0.
        f.write(header(4, 0xffff, at) + segment(4, at + 64, 0, len(notes), 0))
        f.write(b"".join(segment(1, data, base + i * step, size, size) for i in range(n)))
        f.write(struct.pack("<44xI16x", n + 1) + notes)
        places = [0x8000 + 0x40000 * i for i in range(8)]
        f.seek(data)
        f.write(header(3, 9) + segment(1, 0, 0, size, size))
        f.write(b"".join(segment(4, place, place, 0x40000, 0x40000) for place in places))
        for place in places:
            for i in range(32):
                f.seek(data + place + 8000 * i)
                f.write(struct.pack("<III4s", 4, 8000 - 16, 77, b"GNU"))
        f.truncate(data + (1 << 22))


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
