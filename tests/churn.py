# SPDX-License-Identifier: MIT
"""Listings while processes are born and end as fast as they can, pids used again and again.

    churn.py KIND LISTINGS PROCESSES    so many listings, and until so many processes have come and gone

Runs as the first process of a PID namespace. Each short-lived process has one token, in name, arguments,
program, directory and user: a row with two is of two processes. KIND is one of the keys of KINDS, or
naive: a reader that opens file after file by its path, to see that the test can find something.
"""

import collections
import mmap
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
import tempfile

TOKENS, SLOTS, STABLE = 256, 16, 20
FIRST_USER, FIRST_PID = 40000, 200
FIXED = [str(FIRST_PID + slot) for slot in range(0, SLOTS, 2)]  # the pids that are another's at once
TOKEN = re.compile(r"token-\d{4}")
TEXT = "pid,ppid,user,name,args,argv,cwd,exe"

KINDS = {
    "default": ["dmt-ps"],
    "text": ["dmt-ps", "--columns=" + TEXT],
    "threads": ["dmt-ps", "-T", "--columns=" + TEXT + ",tid"],
    "tree": ["dmt-ps", "--tree", "--columns=" + TEXT + ",tree"],
    "find": ["dmt-find", "--columns=" + TEXT, "-f", "^(token|stable)-"],
    "operands": ["dmt-ps", "--columns=" + TEXT] + FIXED * 64,
    "pids": ["dmt-find", "-l", "-f", "^stable-"],
}

COUNT = struct.Struct("=Q")


def make_links(top):
    """TOP/NAME/NAME for each name: the fixture's program."""
    program = os.path.join(top, "churn")
    shutil.copy(os.path.join(os.environ["DMT_BUILD"], "fixtures", "churn"), program)
    for kind, number in ("token", TOKENS), ("stable", STABLE):
        for i in range(number):
            name = "%s-%04d" % (kind, i)
            os.mkdir(os.path.join(top, name))
            os.link(program, os.path.join(top, name, name))
    return program


def small_namespace():
    """Few pids. Before Linux 6.14 pid_max is everybody's: it stays as it is."""
    release = tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])
    if release >= (6, 14):
        with open("/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
            file.write("400")
    # Those below 300 are given to who asks for them only, the fixture.
    with open("/proc/sys/kernel/ns_last_pid", "w", encoding="ascii") as file:
        file.write("300")


def listing(kind):
    command = KINDS[kind]
    done = subprocess.run(command, capture_output=True, check=False)
    if kind == "operands":
        assert done.returncode in (0, 1), (done.returncode, done.stderr[-500:])
        assert re.fullmatch(rb"(dmt-ps: \d+: no such process\n)*", done.stderr), done.stderr
    else:
        assert done.returncode == 0 and done.stderr == b"", (command, done.returncode, done.stderr)
    names, *rows = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert all(len(row) == len(names) for row in rows), done.stdout[-500:]
    return [dict(zip(names, row)) for row in rows]


def naive_listing():
    rows = []
    for pid in [pid for pid in os.listdir("/proc") if pid.isdigit()] + FIXED * 64:
        try:
            with open("/proc/%s/comm" % pid, encoding="utf-8") as file:
                name = file.read().rstrip("\n")
            with open("/proc/%s/cmdline" % pid, encoding="utf-8") as file:
                args = file.read().rstrip("\0").replace("\0", " ")
            cwd, exe = os.readlink("/proc/%s/cwd" % pid), os.readlink("/proc/%s/exe" % pid)
        except OSError:
            continue
        args = args or "-"
        rows.append({"pid": pid, "name": name, "args": args, "argv": args, "cwd": cwd, "exe": exe})
    return rows


def tokens(row):
    """Those of a row: one, or the row is torn."""
    found = set(TOKEN.findall(" ".join(row.values())))
    user = row.get("user", "")
    if user.isdigit() and int(user) >= FIRST_USER:
        found.add("token-%04d" % (int(user) - FIRST_USER))
    return found


def two_programs(row):
    """Whether part of it is from before execve and part from after. In the middle there are no arguments."""
    if row.get("args", "-") == "-":
        return False
    parts = row["name"], row["args"], row["exe"].rpartition("/")[2]
    return any(part.startswith("churn") for part in parts) and any(TOKEN.match(part) for part in parts)


def whole(row):
    return all(TOKEN.search(row[column]) for column in ("name", "args", "argv", "cwd", "exe") if column in row)


def check_row(kind, row, spawner):
    if kind == "tree":
        assert row["tree"].lstrip(" ") == row["name"], row
    if kind == "threads":
        assert row["tid"] == row["pid"], row
    if kind == "find":
        assert re.match("(token|stable)-", row["args"]), row
    if TOKEN.match(row["name"]) and "ppid" in row:
        assert int(row["ppid"]) == spawner, row


def watch(kind, listings, processes, spawner, count):
    made = 0
    stable = None
    sums = collections.Counter()
    torn = []

    def more():
        if kind == "naive" and not torn and made < 2000:
            return True
        return made < listings or COUNT.unpack(count[:])[0] < processes

    while more():
        rows = naive_listing() if kind == "naive" else listing(kind)
        made += 1
        assert spawner.poll() is None, "the fixture has ended"
        if kind != "operands":
            now = {row["pid"]: row["name"] for row in rows if row["name"].startswith("stable-")}
            stable = stable or now
            assert now == stable and sorted(now.values()) == ["stable-%04d" % i for i in range(STABLE)], now
        assert kind != "pids" or len(rows) == STABLE, rows
        for row in rows:
            if kind != "naive":
                check_row(kind, row, spawner.pid)
            found = tokens(row)
            sums["seen"] += len(found) > 0
            sums["whole"] += len(found) == 1 and whole(row)
            sums["torn"] += len(found) > 1
            sums["mixed"] += two_programs(row)
            if len(found) > 1 or two_programs(row):
                torn.append(row)
    total = COUNT.unpack(count[:])[0]
    figure = "%s: %d processes during %d listings, %d rows of them, %d whole, %d torn, %d of two programs"
    print(figure % (kind, total, made, *(sums[key] for key in ("seen", "whole", "torn", "mixed"))))
    assert kind == "pids" or sums["whole"], "no short-lived process was seen"
    return torn


def main(kind, listings, processes):
    top = tempfile.mkdtemp(dir=os.environ.get("BATS_TEST_TMPDIR"))
    program = make_links(top)
    small_namespace()
    argv = ["churn", top, str(TOKENS), str(SLOTS), str(STABLE)]
    with subprocess.Popen(argv, executable=program, stdout=subprocess.PIPE) as spawner:
        try:
            assert spawner.stdout.readline() == b"ready\n"
            with open(os.path.join(top, "count"), "rb") as file:
                with mmap.mmap(file.fileno(), COUNT.size, prot=mmap.PROT_READ) as count:
                    torn = watch(kind, int(listings), int(processes), spawner, count)
        finally:
            spawner.kill()
            spawner.wait()
            shutil.rmtree(top)
    if kind == "naive":
        assert torn, "even a naive reader saw no torn row: the test would find nothing"
    else:
        assert not torn, torn[:3]


if __name__ == "__main__":
    main(*sys.argv[1:])
