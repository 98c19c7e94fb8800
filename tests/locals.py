# SPDX-License-Identifier: MIT
"""The variables that dmt-bt --locals shows, held against those that gdb knows. See locals.bats.

    locals.py same PID [LEAST]     the values of variables: at least so many are the same
    locals.py frames PID [LEAST]   the frames of -i: at least so many are inlined
"""
import json
import os
import random
import re
import resource
import struct
import subprocess
import sys
import tempfile

# Runs in gdb: each variable of each block of each frame, its value written as dmt-bt writes it.
GDB = r'''
import gdb, json
LOST, LIMIT, DEPTH = "<optimised out>", 200, 8

def printable(b):
    return not any((c < 32 and c not in (9, 10, 13, 27)) or c == 127 for c in b)

def quoted(b):
    return '"' + b.replace(b"\\", b"\\\\").replace(b'"', b'\\"').decode("latin-1") + '"'

def is_char(t):
    return t.code in (gdb.TYPE_CODE_INT, gdb.TYPE_CODE_CHAR) and t.sizeof == 1 and "char" in (t.name or "")

def text_at(addr):
    out = b""
    memory = gdb.selected_inferior()
    while len(out) < LIMIT:
        try:
            c = bytes(memory.read_memory(addr + len(out), 1))
        except gdb.MemoryError:
            break
        if c == b"\0":
            return " " + quoted(out)
        out += c
    return " " + quoted(out) + "..." if out else ""

def enum(t, v):
    fields = [(f.name, f.enumval) for f in t.fields()]
    for name, value in fields:
        if value == v:
            return name
    bits = [value for _, value in fields]
    if v and all(b & (b - 1) == 0 for b in bits) and len(set(bits)) == len(bits):
        names = [name for name, b in fields if v & b]
        if sum(b for _, b in fields if v & b) == v:
            return "(" + " | ".join(names) + ")"
    return str(v)

def text(v, depth=0):
    t = v.type.strip_typedefs()
    code = t.code
    if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION, gdb.TYPE_CODE_ARRAY) and depth == DEPTH:
        return "{...}"
    if code == gdb.TYPE_CODE_ARRAY:
        low, high = t.range()
        n = high - low + 1
        if is_char(t.target().strip_typedefs()):
            try:
                b = bytes((int(v[low + i]) & 255) for i in range(min(n, LIMIT)))
                b = b.rstrip(b"\0")
                if printable(b) and 0 not in b:
                    s = b.decode("latin-1") if depth == 0 else quoted(b)
                    return s + ("..." if n > LIMIT and len(b) == LIMIT else "")
            except gdb.error:
                pass
        parts = [text(v[low + i], depth + 1) for i in range(min(n, LIMIT))]
        return "{" + ", ".join(parts) + ("..." if n > LIMIT else "") + "}"
    if code in (gdb.TYPE_CODE_STRUCT, gdb.TYPE_CODE_UNION):
        out = []
        for f in t.fields():
            if not hasattr(f, "bitpos") or (f.artificial and not f.name): # static; what says which variant it is
                continue
            value = text(v[f], depth + 1)
            out.append(("<%s> = " % f.name if f.is_base_class else "%s = " % f.name if f.name else "") + value)
        return "{" + ", ".join(out) + "}"
    if v.is_optimized_out:
        return LOST
    v.fetch_lazy()
    if code == gdb.TYPE_CODE_PTR:
        if "synthetic pointer" in v.format_string(symbols=False):
            return LOST
        addr = int(v) & (2 ** 64 - 1)
        return hex(addr) + (text_at(addr) if addr and is_char(t.target().strip_typedefs()) else "")
    if code in (gdb.TYPE_CODE_REF, gdb.TYPE_CODE_RVALUE_REF):
        return "@" + hex(int(v.referenced_value().address)) + ": " + text(v.referenced_value(), depth + 1)
    if code == gdb.TYPE_CODE_ENUM:
        return enum(t, int(v))
    if code == gdb.TYPE_CODE_BOOL:
        return "true" if int(v) == 1 else "false" if int(v) == 0 else str(int(v))
    if code == gdb.TYPE_CODE_FLT:
        return "F" + repr(float(v))
    if code == gdb.TYPE_CODE_COMPLEX:
        return "complex"
    n = int(v)
    if is_char(t) and 32 <= n < 127:
        return "%d '%c'" % (n, n)
    return str(n)

out = []
for thread in gdb.selected_inferior().threads():
    thread.switch()
    frame, number = gdb.newest_frame(), 0
    while frame is not None and frame.is_valid():
        if frame.type() == gdb.TAILCALL_FRAME: # gdb has reasoned that it was there; the stack has none
            frame = frame.older()
            continue
        frame.select()
        seen = {}
        try:
            block = frame.block()
        except RuntimeError:
            block = None
        while block is not None:
            for symbol in block:
                if not (symbol.is_variable or symbol.is_argument) or symbol.name in seen:
                    continue
                if symbol.addr_class == gdb.SYMBOL_LOC_UNRESOLVED:
                    continue
                try:
                    value = text(symbol.value(frame))
                except (gdb.error, gdb.MemoryError) as e:
                    value = "<error>"
                seen[symbol.name] = value, str(symbol.type)
            if block.function is not None:
                break
            block = block.superblock
        sal = frame.find_sal()
        out.append([thread.ptid[1], number, frame.pc(), frame.name(), frame.type() == gdb.INLINE_FRAME,
                    sal.symtab.fullname() if sal.symtab else None, sal.line, seen])
        number += 1
        try:
            frame = frame.older()
        except gdb.error:
            break
json.dump(out, open(RESULT, "w"))
'''


def ask_gdb(pid, words=()):
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script, tempfile.NamedTemporaryFile("r") as result:
        script.write(f"RESULT = {result.name!r}\n" + GDB)
        script.flush()
        run = subprocess.run(["gdb", "-nx", "-batch", "-iex", "set debuginfod enabled off", "-ex", "set language c", *words,
                              "-p", str(pid), "-x", script.name], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        try:
            return json.load(result)
        except ValueError:
            raise SystemExit(f"gdb: {run.stdout}{run.stderr}") from None


def bt(*words, status=0):
    run = subprocess.run(["dmt-bt", *map(str, words)], capture_output=True)
    assert run.returncode == status, (words, run.returncode, run.stderr)
    lines = run.stdout.decode("utf-8", "surrogateescape").split("\n")[:-1]
    head = lines[0].split("\t")
    return [dict(zip(head, line.split("\t"))) for line in lines[1:]]


def raw(field):
    """What an escaped field says, one character a byte."""
    if field == "\\0":
        return ""
    field = field.encode("utf-8", "surrogateescape").decode("latin-1")
    field = re.sub(r"\\x(..)", lambda m: chr(int(m[1], 16)), re.sub(r"\\([tnr])", lambda m: "\\x%02x" % ord(eval(f"'\\{m[1]}'")), field))
    return field


def plain(value):
    """Without symbols behind addresses, namespaces, and what stands behind the number of a wide character."""
    value = re.sub(r"^(0x[0-9a-f]+) <[^\"]*?>(?= \"|$)", r"\1", value, flags=re.S)
    value = re.sub(r" '[^\0-\x7f]+'", "", value)
    value = re.sub(r"<[^=\"]*?> = ", "<> = ", value)
    return re.sub(r"\b\w+::", "", value)


def is_same(ours, theirs):
    if ours == theirs:
        return True
    # Floating point: each number by what it is.
    pattern = r"F(?:-?[0-9.]+(?:e[-+]?\d+)?|-?inf|-?nan)"
    parts = re.split(pattern, theirs)
    if len(parts) == 1:
        return theirs == "complex" and ours.endswith("i")
    found = re.fullmatch("([-+0-9.einfa]+)".join(map(re.escape, parts)), ours, flags=re.S)
    if not found:
        return False
    for a, b in zip(found.groups(), re.findall(pattern, theirs)):
        a, b = float(a), float(b[1:])
        if not (a == b or (a != a and b != b) or abs(a - b) <= 1e-5 * abs(b)):
            return False
    return True


def simple(name):
    """A type without namespaces and what stands in for the length of an array that only the frame knows."""
    name = re.sub(r"\b\w+::(?!\*)", "", name)
    name = re.sub(r"\[variable length\]|\[\]", "[?]", name)
    name = re.sub(r"\bunsigned (long long|long|short)\b(?! int)", r"\1 unsigned int", re.sub(r"\b(struct|union|enum|class) ", "", name).replace(" * const)", " *)"))
    return re.sub(r"\b(long long|long|short)\b(?! (?:int|long|unsigned|double))", r"\1 int", re.sub(r"\s+", " ", name)).replace(" (void)", "(void)").strip()


def same(pid, least=1, *words):
    """At least so many variables have the value that gdb knows, 95 of 100 of those that it does, and none another."""
    theirs = ask_gdb(pid, words)
    ours = {}
    for row in bt("--locals", "-o", "tid,frame,pc,function,name,type,value,reason", pid):
        key = int(row["tid"]), int(row["frame"])
        frame = ours.setdefault(key, (int(row["pc"], 16), {}))
        if row["name"] != "-":
            frame[1].setdefault(row["name"], (row["value"], row["reason"], raw(row["type"])))
    count = dict(frames=0, same=0, different=0, unknown=0, guessed=0, lost=0, extra=0, types=0)
    why = {}
    for tid, number, pc, name, _, _, _, variables in theirs:
        assert (tid, number) in ours, (tid, number, name)
        assert ours[tid, number][0] == pc, (tid, number, name, hex(pc), hex(ours[tid, number][0]))
        count["frames"] += 1
        here = ours[tid, number][1]
        for variable, (value, its_type) in variables.items():
            mine, reason, my_type = here.pop(variable, ("-", "not listed", None))
            if my_type is not None and not my_type.startswith("&") and simple(my_type) != simple(its_type):
                count["types"] += 1
                print(f"{number} {name} {variable}: type {my_type}, gdb {its_type}", file=sys.stderr)
            value = value.replace("<error>", "<optimised out>")
            # A structure none of whose members is known.
            is_lost = re.sub(r"<[^=\"]*?> = |[\w ]+ = |[{}, ]", "", value).replace("<optimisedout>", "") == "" and "<opt" in value
            if mine == "-":
                # gdb takes a register that nobody saved for unchanged; clang leaves variables in such registers.
                count["lost" if is_lost else "guessed" if reason == "not saved" else "unknown"] += 1
                if not is_lost:
                    why.setdefault(reason, []).append(f"{number} {name} {variable} = {value[:60]}")
                continue
            mine = plain(raw(mine))
            value = plain(value)
            if is_lost:
                count["extra"] += 1
                why.setdefault("extra", []).append(f"{number} {name} {variable}: {mine[:60]} gdb {value}")
            elif is_same(mine, value):
                count["same"] += 1
            else:
                count["different"] += 1
                print(f"{number} {name} {variable}: {mine!r}, gdb {value!r}", file=sys.stderr)
        for variable in here:
            if here[variable][0] != "-":
                count["extra"] += 1
                why.setdefault("extra", []).append(f"{number} {name} {variable}: {here[variable]} not in gdb")
    for reason, of in why.items():
        print(f"{len(of)}: {reason}: {'; '.join(of[:8])}", file=sys.stderr)
    print(*(f"{k}={v}" for k, v in count.items()))
    known = count["same"] + count["unknown"]
    assert count["different"] == 0 and count["same"] >= int(least) and count["same"] >= 0.95 * known, count


def frames(pid, least=1):
    """Frames of -i: number, pc, function, file, line."""
    theirs = ask_gdb(pid)
    ours = {(int(r["tid"]), int(r["frame"])): r for r in bt("-i", "-s", pid)}
    different = inlined = 0
    was_inline = False
    for tid, number, pc, name, is_inline, file, line, _ in theirs:
        mine = ours.pop((tid, number), None)
        inlined += is_inline
        ok = mine and int(mine["pc"], 16) == pc and (mine["how"] == "inline") == is_inline
        if ok and is_inline:
            last = re.findall(r"\w+", re.sub(r"<.*|\(.*", "", name))[-1]
            ok = last in re.findall(r"\w+", mine["function"])
        # The line of the innermost is that of the line table, which gdb reads in another way than others; those of the
        # calls are of the tree.
        if ok and was_inline and file:
            ok = mine["line"] == str(line) and os.path.basename(mine["file"]) == os.path.basename(file)
        was_inline = is_inline
        if not ok:
            different += 1
            print(number, hex(pc), name, file, line, mine, file=sys.stderr)
    print(f"frames={len(theirs)} inlined={inlined} different={different}")
    assert different == 0 and inlined >= int(least), (different, inlined)


def sections(elf):
    """Name, offset and size of those of debug information."""
    at, = struct.unpack_from("<Q", elf, 40)
    size, n, names = struct.unpack_from("<HHH", elf, 58)
    heads = [struct.unpack_from("<IIQQQQIIQQ", elf, at + i * size) for i in range(n)]
    def name(i):
        start = heads[names][4] + i
        return elf[start:elf.index(b"\0", start)].decode()
    return [(name(h[0]), h[4], h[5]) for h in heads if name(h[0]).startswith(".debug_") and h[5] > 0]


def mutants(pid, file, count, *words):
    """COUNT times another part of the debug file FILE is damaged, and the words run."""
    whole = open(file, "rb").read()
    places = sections(whole)
    likely = [p for p in places if p[0] in (".debug_info", ".debug_abbrev", ".debug_loclists", ".debug_rnglists")]
    chance = random.Random(int(os.environ.get("DMT_SEED", "1")))
    statuses, slowest, rows = {}, 0, 0
    for i in range(int(count)):
        elf = bytearray(whole)
        for _ in range(chance.choice((1, 1, 2, 8, 64))):
            _, at, size = chance.choice(likely if chance.random() < 0.9 else places)
            for k in range(chance.choice((1, 1, 1, 4))):
                where = at + min(chance.randrange(size) + k, size - 1)
                elf[where] = chance.choice((0, 0xff, 0x80, elf[where] ^ 1 << chance.randrange(8), chance.randrange(256)))
        with open(file, "wb") as out:
            out.write(elf)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = subprocess.run([*words, str(pid)], capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        slowest = max(slowest, used)
        statuses[run.returncode] = statuses.get(run.returncode, 0) + 1
        rows += run.stdout.count(b"\n")
        if run.returncode not in (0, 1, 3) or used > 2 or len(run.stderr) > 65536:
            with open(f"{file}.bad", "wb") as out:
                out.write(elf)
            raise SystemExit(f"run {i}: status {run.returncode}, {used:.2f} s: {run.stderr[-500:]!r}")
    with open(file, "wb") as out:
        out.write(whole)
    assert rows > int(count), rows
    print(f"{count} runs, statuses {statuses}, slowest {slowest * 1000:.0f} ms, {rows} rows")


if __name__ == "__main__":
    {"same": same, "frames": frames, "mutants": mutants}[sys.argv[1]](*sys.argv[2:])
