#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dmt-map against /proc, read by another parser.

    map.py equal PID          all columns of each mapping; the process must be at rest
    map.py shares PID         the same, but pss of pages that others share need not hold still
    map.py whole SECONDS PID  while it executes programs and changes mappings: each list is whole and of one program
"""
import os
import re
import subprocess
import sys
import time

COLUMNS = "start,end,perms,offset,dev,inode,path,rss,pss,dirty,swap,size,deleted,pid"


def unescape(field):
    """What dmt(7) says of fields, the other way round; None is no value."""
    if field == b"-":
        return None
    if field == b"\\0":
        return b""
    names = {b"t": b"\t", b"n": b"\n", b"r": b"\r"}
    return re.sub(rb"\\(x([0-9a-f]{2})|[tnr])", lambda m: bytes([int(m[2], 16)]) if m[2] else names[m[1]], field)


def rows(pid, columns=COLUMNS):
    out = subprocess.run(["dmt-map", "-H", "-o", columns, str(pid)], stdout=subprocess.PIPE, check=True).stdout
    lines = out.split(b"\n")
    assert lines.pop() == b"", "the last line has no end"
    return [dict(zip(columns.split(","), map(unescape, line.split(b"\t")))) for line in lines]


def proc(pid):
    """The same from smaps; names by the links of map_files, where the kernel escapes nothing."""
    want = []
    with open("/proc/%d/smaps" % pid, "rb") as f:
        for line in f.read().split(b"\n")[:-1]:
            head = re.match(rb"([0-9a-f]+)-([0-9a-f]+) (....) ([0-9a-f]+) (\S+) (\d+) *(.*)$", line, re.S)
            if head:
                start, end, perms, offset, dev, inode, name = head.groups()
                row = {"start": b"0x" + (start.lstrip(b"0") or b"0"), "end": b"0x" + end.lstrip(b"0"), "perms": perms,
                       "size": b"%d" % (int(end, 16) - int(start, 16)), "path": name or None, "pid": b"%d" % pid,
                       "offset": None, "dev": None, "inode": None, "deleted": None, "dirty": 0}
                if inode != b"0" or dev != b"00:00":  # the first segment of shmget(2) has inode 0
                    row.update(offset=b"0x%x" % int(offset, 16), dev=dev, inode=inode, deleted=b"no")
                    try:
                        row["path"] = os.readlink(b"/proc/%d/map_files/%x-%x" % (pid, int(start, 16), int(end, 16)))
                    except PermissionError:
                        pass
                    gone = b" (deleted)"
                    if row["path"].endswith(gone) and not os.path.exists(row["path"]):
                        row.update(path=row["path"][:-len(gone)], deleted=b"yes")
                want.append(row)
                continue
            key, _, value = line.partition(b":")
            names = {b"Rss": "rss", b"Pss": "pss", b"Swap": "swap"}
            if key in names:
                row[names[key]] = b"%d" % (int(value.split()[0]) * 1024)
            elif key in (b"Shared_Dirty", b"Private_Dirty"):
                row["dirty"] += int(value.split()[0]) * 1024
    for row in want:
        row["dirty"] = b"%d" % row["dirty"]
    return want


def difference(pid, exact):
    before, have, after = proc(pid), rows(pid), proc(pid)
    if not len(before) == len(have) == len(after) or len(have) < 4:
        return "%d rows, %d mappings" % (len(have), len(after))
    for row, *wanted in zip(have, before, after):
        for name in COLUMNS.split(","):
            if name == "pss" and int(row["pss"]) < int(row["rss"]):
                # Shared with others, of which dmt-map itself may be one more.
                if not exact or any(abs(int(row[name]) - int(want[name])) * 2 <= int(want[name]) for want in wanted):
                    continue
            if row[name] not in [want[name] for want in wanted]:
                return "%s: %s: %r, not %r" % (row["start"], name, row[name], [want[name] for want in wanted])
    return None


def equal(pid, exact):
    # What is resident and shared moves with other processes: what moved between two looks is looked at again.
    end = time.monotonic() + 30
    while (what := difference(pid, exact)) and time.monotonic() < end:
        pass
    assert not what, what
    print("%d mappings" % len(rows(pid)))


def whole(seconds, pid):
    end, n, programs = time.monotonic() + seconds, 0, set()
    while time.monotonic() < end:
        have = rows(pid, "start,end,perms,path" + (",rss" if n % 2 else ""))
        last, paths = 0, [row["path"] for row in have]
        for row in have:
            assert last <= int(row["start"], 16) < int(row["end"], 16), "overlap at %r" % row["start"]
            last = int(row["end"], 16)
        exe = {path for path in paths if path and path.rpartition(b"/")[2] in (b"mapped", b"env", b"sh", b"dash", b"bash")}
        # In the middle of execve(2) there is a stack before there is a program.
        assert len(exe) < 2, "two programs: %r" % exe
        assert not exe or b"[stack]" in paths, "no stack, cut: %r" % paths
        programs |= exe
        n += 1
    print("%d lists, %d programs" % (n, len(programs)))
    assert n > 10


if __name__ == "__main__":
    if sys.argv[1] in ("equal", "shares"):
        equal(int(sys.argv[2]), sys.argv[1] == "equal")
    else:
        whole(float(sys.argv[2]), int(sys.argv[3]))
