# SPDX-License-Identifier: MIT
"""What dmt-peek shows, held against /proc/PID/mem, the fixture `data` and gdb. See peek.bats."""
import json
import os
import re
import struct
import subprocess
import sys


def peek(*words, status=0, split=True):
    run = subprocess.run(["dmt-peek", *map(str, words)], capture_output=True)
    assert run.returncode == status, (words, run.returncode, run.stderr)
    if not split:
        return run.stdout
    lines = run.stdout.decode().splitlines()
    head = lines[0].split("\t")
    rows = [dict(zip(head, line.split("\t"))) for line in lines[1:]]
    assert all(len(line.split("\t")) == len(head) for line in lines)
    return rows


def undo(field):
    """The bytes that an escaped field stands for."""
    if field == "\\0":
        return b""
    out = re.sub(rb"\\(x[0-9a-f]{2}|.)", lambda m: bytes([int(m[1][1:], 16)]) if m[1][:1] == b"x" else
                 {b"t": b"\t", b"n": b"\n", b"r": b"\r"}[m[1]], field.encode())
    return out


def mappings(pid):
    for line in open(f"/proc/{pid}/maps"):
        m = re.match(r"([0-9a-f]+)-([0-9a-f]+) (....)", line)
        yield int(m[1], 16), int(m[2], 16), m[3], line


def pieces(mem, start, end):
    """What /proc/PID/mem has there, up to the first byte that cannot be read."""
    while start < end:
        try:
            piece = os.pread(mem, min(end - start, 1 << 20), start)
        except OSError:
            return
        assert piece, "the process has gone"
        yield piece
        start += len(piece)


def memory(pid):
    """Every mapping is what /proc/PID/mem has, as raw bytes, and the end of some as a hex dump."""
    mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    seen = total = differing = 0
    for start, end, _, line in mappings(pid):
        if end > 1 << 63:
            continue
        run = subprocess.Popen(["dmt-peek", "--raw", pid, f"0x{start:x},{end - start}"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
        size, last = 0, b""
        for last in pieces(mem, start, end):
            got = run.stdout.read(len(last))
            assert len(got) == len(last), (line, size, len(got))
            differing += got != last and sum(a != b for a, b in zip(got, last))
            size += len(last)
        rest, said = run.communicate()
        assert rest == b"" and run.returncode == (size < end - start), (line, run.returncode, said)
        if size == 0:
            continue
        seen += 1
        total += size
        if seen % 4 == 0:
            part = last[-5001:]
            first = start + size - len(part)
            rows = peek(pid, f"0x{first:x},{len(part)}")
            assert bytes.fromhex("".join(r["hex"] for r in rows)) == part, line
            assert [int(r["addr"], 16) for r in rows] == list(range(first, start + size, 16))
            text = "".join(chr(b) if 32 <= b < 127 else "." for b in part)
            for i, r in enumerate(rows):
                assert undo(r["text"]).decode() == text[16 * i:16 * i + 16], (r, line)
    print(f"{os.readlink(f'/proc/{pid}/exe')}: {seen} mappings, {total} bytes, {differing} differ")
    assert seen > 5 and not differing


def names_of(ready):
    out = {}
    for word in ready.split():
        name, place = word.split("=")
        addr, size = place.split(":")
        out[name] = (int(addr, 16), int(size))
    return out


def values(pid, ready):
    """Values of every size and format are what the bytes in /proc/PID/mem say to struct."""
    names = names_of(ready)
    mem = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    codes = {"d1": "b", "d2": "h", "d4": "i", "d8": "q", "u1": "B", "u2": "H", "u4": "I", "u8": "Q"}
    compared = 0
    for name, (addr, size) in names.items():
        if not 0 < size <= 300:
            continue
        data = os.pread(mem, size, addr)
        for form, code in codes.items():
            width = struct.calcsize("<" + code)
            n = size // width
            if not n:
                continue
            want = struct.unpack(f"<{n}{code}", data[:n * width])
            rows = peek("-f", form, "-o", "+size,hex", pid, f"0x{addr:x},{n}")
            assert [int(r["value"]) for r in rows] == list(want), (name, form)
            assert [int(r["addr"], 16) for r in rows] == [addr + width * i for i in range(n)]
            assert all(r["size"] == str(width) and r["type"] in (f"signed{width}", f"unsigned{width}") for r in rows)
            rows = peek("-f", f"hex{width}", pid, f"0x{addr:x},{n}")
            assert [int(r["value"], 16) for r in rows] == [v % (1 << 8 * width) for v in want], (name, form)
            compared += 2 * n
        for form, code in (("float4", "f"), ("f8", "d")):
            width = struct.calcsize(code)
            for i, r in enumerate(peek("-f", form, pid, f"0x{addr:x},{size // width}") if size >= width else ()):
                part = data[width * i:width * i + width]
                bits = re.fullmatch(r"bits\((0x[0-9a-f]+)\)", r["value"])
                got = int(bits[1], 16).to_bytes(width, "little") if bits else struct.pack("<" + code, float(r["value"]))
                assert got == part or r["value"] == "-nan", (name, form, r, part)
                compared += 1
        rows = peek("-f", "char", pid, f"0x{addr:x},{size}")
        assert b"".join(undo(r["value"]) for r in rows) == data, name
        got = json.loads("[" + ",".join(peek("-J", "-f", "d4", pid, f"0x{addr:x}", split=False).decode().splitlines()) + "]")
        assert isinstance(got[0]["value"], str) and got[0]["pid"] == int(pid) and got[0]["addr"] == f"0x{addr:x}"
    print(f"{compared} values")
    assert compared > 1000


def gdb(pid, commands):
    run = subprocess.run(["gdb", "-nx", "-batch", "-p", str(pid)] + [w for c in commands for w in ("-ex", "echo @@\\n", "-ex", c)],
                         capture_output=True, text=True)
    parts = run.stdout.split("@@\n")[1:]
    assert len(parts) == len(commands), run.stdout + run.stderr
    return parts


def same_float(ours, theirs, width):
    if "nan" in theirs or ours.startswith("bits(") or "nan" in ours:
        return "nan" in theirs and ("nan" in ours or ours.startswith("bits("))
    if width == 16:
        return abs(float(ours) - float(theirs)) <= 1e-15 * abs(float(theirs))
    code = {4: "<f", 8: "<d"}[width]
    return struct.pack(code, float(ours)) == struct.pack(code, float(theirs))


def against_gdb(pid, ready):
    """x/FMT of gdb and -f: the same values; symbols of pointers; what `print` says of a variable."""
    names = names_of(ready)
    asked = []
    units = {1: "b", 2: "h", 4: "w", 8: "g"}
    for name, (addr, size) in names.items():
        if not 0 < size <= 300:
            continue
        for letter in "dux":
            for width, unit in units.items():
                if size >= width:
                    asked.append((f"x/{size // width}{letter}{unit} {addr}", f"{letter}{width}", addr, size // width))
    for name, width, unit in (("f32", 4, "w"), ("floats", 4, "w"), ("f64", 8, "g"), ("doubles", 8, "g")):
        addr, size = names[name]
        asked.append((f"x/{size // width}f{unit} {addr}", f"f{width}", addr, size // width))
    answers = gdb(pid, [a[0] for a in asked] + ["print f80", "x/4ag &pointers", "x/8s &words"])
    for (command, form, addr, n), answer in zip(asked, answers):
        theirs = [v for line in answer.splitlines() for v in line.split("\t")[1:]]
        ours = [r["value"] for r in peek("-f", form, pid, f"0x{addr:x},{n}")]
        assert len(ours) == len(theirs) == n, (command, ours, theirs)
        for o, t in zip(ours, theirs):
            same = same_float(o, t, int(form[1:])) if form[0] == "f" else int(o, 0) == int(t, 0)
            assert same, (command, form, o, t)
    f80, pointers, words = answers[len(asked):]
    ours = peek("-f", "f16", pid, f"0x{names['f80'][0]:x}")[0]["value"]
    assert abs(float(ours) - 1 / 3) < 1e-15 and len(ours) > 19, ours
    assert ours[:19] == f80.split("=")[1].strip()[:19], (ours, f80)
    theirs = [v for line in pointers.splitlines() for v in re.findall(r"(0x[0-9a-f]+)(?: <([^>]+)>)?", line.split("\t", 1)[1])]
    ours = [(r["value"], "" if r["points_to"] == "-" else r["points_to"])
            for r in peek("-f", "pointer", pid, f"0x{names['pointers'][0]:x},4")]
    assert ours == theirs and ours[1][1] == "numbers+8", (ours, theirs)
    theirs = re.findall(r'\t"(.*)"$', words, re.M)
    ours = [undo(r["value"]).decode() for r in peek("-f", "string", pid, f"0x{names['words'][0]:x},5")]
    assert ours[:4] == theirs[:4] == ["one", "two", "", "four"], (ours, theirs)
    print(f"{len(asked)} commands of gdb")


def registers(pid, tid):
    """The register sets of a stopped thread are those of gdb."""
    theirs = {}
    for part in gdb(pid, ["info registers", "info registers float", "info registers mxcsr", "info registers k0 k1"]):
        for line in part.splitlines():
            m = re.match(r"(\w+)\s+(\S+)", line)
            if m:
                theirs[m[1]] = m[2]
    vectors = {}
    for i in range(16):
        part = gdb(pid, [f"print $xmm{i}.uint128"])[0] if i in (0, 5) else ""
        m = re.search(r"= (\d+)", part)
        if m:
            vectors[f"xmm{i}"] = int(m[1])
    ours = {r["name"]: r["value"] for r in peek("-r", "all", f"{pid}/{tid}")}
    compared = 0
    for name, value in theirs.items():
        name = {"k0": "k0"}.get(name, name)
        if name not in ours or not value.startswith("0x"):
            continue
        assert int(ours[name], 16) == int(value, 16), (name, ours[name], value)
        compared += 1
    for name, value in vectors.items():
        got = peek(f"{pid}/{tid}", "%" + name)[0]["value"]
        assert int(got, 16) == value, (name, got, value)
        compared += 1
    print(f"{compared} registers")
    assert compared >= 27, (compared, theirs)


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
