# SPDX-License-Identifier: MIT
"""Hostile names, and what our output and its readers make of them.

    hostile.py names N          N processes with hostile names: TSV, JSON and tables show each exactly
    hostile.py signals N        so do N rows of dmt-kill
    hostile.py find N           dmt-find finds N processes by such names, and no other
    hostile.py terminal N       N rows on a terminal
    hostile.py messages N       N hostile operands: one clean line on standard error for each
    hostile.py table DIR N      a table of N rows: DIR/table.tsv, DIR/table.json, DIR/expected
    hostile.py same FORM DIR    whether standard input, a reader's idea of the table, is the table still

The escapes are written here from the interface page alone. DMT_SEED repeats a run.
"""

import csv
import fcntl
import io
import json
import os
import pty
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

PROCESSES = 200
SEED = int(os.environ.get("DMT_SEED") or time.time_ns() % 1000000007)
rng = random.Random(SEED)

# --- the escapes ---------------------------------------------------------------------

BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029" + BIDI + "]")
SPECIAL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029" + BIDI + "\\\\\udc80-\udcff]")
ESCAPE = re.compile(rb"\\(t|n|r|x[0-9a-f]{2})?")


def escape_char(found):
    char = found.group()
    if char in "\t\n\r":
        return {"\t": "\\t", "\n": "\\n", "\r": "\\r"}[char]
    return "".join("\\x%02x" % byte for byte in char.encode("utf-8", "surrogateescape"))


def escape(value):
    """The field of a value; None is no value."""
    if value is None:
        return b"-"
    if value in (b"", b"-"):
        return b"\\x2d" if value else b"\\0"
    text = SPECIAL.sub(escape_char, value.decode("utf-8", "surrogateescape"))
    return ("\\x22" + text[1:] if text[0] == '"' else text).encode()


def unescape_one(found):
    kind = found.group(1)
    if not kind:
        raise ValueError("a backslash that escapes nothing")
    return {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(kind) or bytes([int(kind[1:], 16)])


def unescape(field):
    if field == b"-":
        return None
    return b"" if field == b"\\0" else ESCAPE.sub(unescape_one, field)


def check_safe(output, separators):
    """Valid UTF-8, and nothing in it that a terminal or a reader of lines would act on."""
    text = output.decode()  # fails where it is not UTF-8
    for separator in separators:
        text = text.replace(separator, "")
    found = UNSAFE.search(text)
    assert not found, "%r is raw in the output: %r" % (found.group(), text[max(0, found.start() - 40) :][:80])


# --- hostile text --------------------------------------------------------------------

PIECES = [
    # controls, escape sequences, C1
    "\t", "\n", "\r", "\r\n", "\a", "\b", "\x01", "\x7f", "\x80", "\x85", "\x1b[31m", "\x1b[2J", "\x1b(0",
    "\x1b]0;owned\x07", "\x1b]52;c;aGk=\x07", "\x9b31m", "\x9d0;owned\x9c",
    # bidi controls, ends of lines, what has no width
    "\u061c", "\u200e", "\u200f", "\u202a", "\u202b", "\u202c", "\u202d", "\u202e", "\u2066", "\u2067",
    "\u2068", "\u2069", "\u2028", "\u2029", "\ufeff", "\u200b", "e\u0301", "\u00a0",
    # what means something to somebody
    '"', '""', "'", "`", "\\", "\\\\", "\\t", "\\n", "\\x41", "\\0", "\\x", "$(id)", "%s%n", ") R (", ")", "(",
    "- -", "-", "--", "=", "+", "@", ",", ";", "|", "#", " ", "  ", "*", "[a", "a{2", "pid", "name", "0x1F",
    "NaN", "null", "1e9",
    # the ends of UTF-8
    "\u00e9", "\u07ff", "\u0800", "\u6f22", "\ufffd", "\uffff", "\U0001f600", "\U0010ffff",
]
PIECES = [piece.encode() for piece in PIECES] + [
    # what is not UTF-8: stray, overlong, surrogates, too large, cut
    b"\x80", b"\xbf", b"\x85", b"\x9b31m", b"\xfe", b"\xff", b"\xf5", b"\xf8\x88", b"\xc0\xaf", b"\xc1\x81",
    b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xed\xb0\x80",
    b"\xf4\x90\x80\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xc2", b"\xe2\x80", b"\xe2\x82", b"\xf0\x9f\x98",
    b"\xc2\xc2\x9b", b"\xe2\x80\xe2\x80\xae",
]
WHOLE = [
    b"", b"-", b"--", b"-e", b"-\n", b'"', b'"a"', b"\\", b"\\0", b" ", b"\n", b"\t", b"\x1b", b") R (",
    b"null", b"\xff",
]


def hostile(most):
    """At most so many bytes, without a zero."""
    if rng.random() < 0.1:
        return rng.choice(WHOLE)[:most]
    text = b""
    while len(text) < most and rng.random() < 0.9:
        kind = rng.random()
        if kind < 0.7:
            text += rng.choice(PIECES)
        elif kind < 0.85:
            text += bytes([rng.randrange(1, 256)])
        else:
            text += rng.choice([b"a", b"z", b"0", b"Z"]) * rng.randrange(1, 4)
    return text[:most]


def hostile_vector():
    """The bytes of an argument vector: mostly with the last argument's zero."""
    vector = b"".join(hostile(60) + b"\0" for _ in range(rng.choice([1, 1, 2, 2, 3, 5, 8])))
    return vector if rng.random() < 0.9 else vector.rstrip(b"\0")


# --- processes that have them ----------------------------------------------------------


class Process:
    """What the kernel says of a process: NAME, and the bytes VECTOR; DIRECTORY and FILE where it ran one."""

    def __init__(self, pid, name, vector, file):
        self.pid, self.name, self.vector, self.file = pid, name, vector, file
        self.directory = file and file.rpartition(b"/")[0]

    @property
    def args(self):
        """Arguments joined by blanks; the zeros that a title is padded with are none."""
        return self.vector.rstrip(b"\0").replace(b"\0", b" ") if self.vector else None

    @property
    def names(self):
        """What it is called: the name, and all of it where the kernel has cut it."""
        bases = [argument.rpartition(b"/")[2] for argument in self.vector.split(b"\0")[:3]]
        whole = [base for base in bases if len(self.name) == 15 and base.startswith(self.name)]
        return [self.name, *whole[:1]]

    @property
    def argv(self):
        return self.vector.removesuffix(b"\0") if self.vector else None


class Fixture:
    def __init__(self, processes):
        self.program = os.path.join(os.environ["DMT_BUILD"], "fixtures", "hostile")
        self.top = os.path.realpath(tempfile.mkdtemp(dir=os.environ.get("BATS_TEST_TMPDIR"))).encode()
        self.copy = self.top + b"/copy"  # links go no further than a file system
        shutil.copy(self.program, self.copy)
        self.n = processes
        pipe = subprocess.PIPE
        self.child = subprocess.Popen([self.program, str(processes)], stdin=pipe, stdout=pipe)
        assert self.child.stdout.readline() == b"ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *why):
        self.child.stdin.close()
        self.child.wait()
        shutil.rmtree(self.top)

    def make_file(self):
        directory = self.top + b"/" + hostile(40).replace(b"/", b"_") + b"~"
        os.makedirs(directory, exist_ok=True)
        file = directory + b"/" + hostile(40).replace(b"/", b"_") + b"%d" % rng.randrange(1 << 30)
        os.link(self.copy, file)
        return file

    def rename(self):
        """All take new names at once. The processes in order of their index."""
        wanted = []
        for index in range(self.n):
            way = rng.choice("ooommmmmmx") if rng.random() < 0.5 else rng.choice("om")
            name, vector, file = hostile(15), hostile_vector(), None
            if rng.random() < 0.05:  # a name that the kernel cuts: one of the first arguments has all of it
                name = (name + b"long name beyond")[:15].replace(b"/", b"_")
                path = b"/" + hostile(9) + b"/" + name + hostile(40).replace(b"/", b"_")
                vector = b"sh\0" * rng.randrange(3) + path + b"\0" + vector
            if way == "x":
                file = self.make_file()
                vector = vector.rstrip(b"\0") + b"\0"  # execve always ends the last one
            wanted.append((way, name, vector, file))
        lines = []
        for index, (way, name, vector, file) in enumerate(wanted):
            texts = [text.hex() or "-" for text in (name, vector, file or b"")]
            lines.append("%d %s %s\n" % (index, way, " ".join(texts)))
        self.child.stdin.write("".join(lines).encode())
        self.child.stdin.flush()
        processes = [None] * self.n
        for _ in range(self.n):
            index, pid, name, vector = self.child.stdout.readline().split()
            index = int(index)
            name, vector = (b"" if text == b"-" else bytes.fromhex(text.decode()) for text in (name, vector))
            way, wanted_name, wanted_vector, file = wanted[index]
            if way == "m" and wanted_vector[-1:] != b"\0":
                wanted_vector = wanted_vector.split(b"\0")[0]  # a title: the kernel shows one string
            assert name == wanted_name and (
                way == "o" or vector.rstrip(b"\0") == wanted_vector.rstrip(b"\0")
            ), "the fixture did not: %r, %r" % (wanted[index], (name, vector))
            processes[index] = Process(int(pid), name, vector, file)
        return processes


def run(*argv, status=0, **more):
    """Standard output of a command that has nothing to say on standard error."""
    done = subprocess.run(argv, capture_output=True, check=False, **more)
    assert done.returncode == status and done.stderr == b"", (argv[:6], done.returncode, done.stderr)
    return done.stdout


def pids_of(processes):
    return [str(process.pid) for process in processes]


def columns_of(process):
    """Column name and value of what is known of a process."""
    known = {"pid": b"%d" % process.pid, "name": process.name, "args": process.args, "argv": process.argv}
    if process.file:
        known.update(exe=process.file, cwd=process.directory)
    return known


def check_field(process, column, field):
    value = columns_of(process)[column]
    assert unescape(field) == value, "%s of %d: %r is not %r" % (column, process.pid, field, value)
    rule = escape(value)
    assert field == rule, "%s of %d: %r, the rules say %r" % (column, process.pid, field, rule)


# --- names ---------------------------------------------------------------------------


def check_tsv(output, processes, columns):
    check_safe(output, "\t\n")
    assert output.endswith(b"\n")
    lines = output[:-1].split(b"\n")
    assert lines[0] == "\t".join(columns).encode(), lines[0]
    assert len(lines) == len(processes) + 1, "%d lines for %d rows" % (len(lines) - 1, len(processes))
    for process, line in zip(processes, lines[1:]):
        fields = line.split(b"\t")
        assert len(fields) == len(columns), "%d fields: %r" % (len(fields), line)
        for column, field in zip(columns, fields):
            if column in columns_of(process):
                check_field(process, column, field)


def json_text(value):
    """What JSON can say of bytes; how many U+FFFD stand for some is nobody's promise."""
    if value is None:
        return None
    return re.sub("[\udc80-\udcff\ufffd]+", "\ufffd", value.decode("utf-8", "surrogateescape"))


def json_shown(value):
    return value if value is None else re.sub("\ufffd+", "\ufffd", value)


def check_json(output, processes, columns):
    check_safe(output, "\n")
    lines = output[:-1].split(b"\n")
    assert len(lines) == len(processes)
    for process, line in zip(processes, lines):
        row = json.loads(line)
        assert list(row) == columns, line
        for column, value in columns_of(process).items():
            if column == "pid":
                assert row[column] == process.pid
            else:
                assert json_shown(row[column]) == json_text(value), "%s: %r is not %r" % (column, line, value)


def check_table(output, processes, column):
    """Aligned: the last column is whatever follows the pid and one blank."""
    check_safe(output, "\n")
    lines = output[:-1].split(b"\n")
    assert len(lines) == len(processes) + 1 and re.fullmatch(rb" *pid " + column.encode(), lines[0]), lines[0]
    for process, line in zip(processes, lines[1:]):
        pid, field = re.fullmatch(rb" *(\d+) (.*)", line).groups()
        assert int(pid) == process.pid
        check_field(process, column, field)


def names(total):
    columns = ["pid", "name", "args", "argv", "exe", "cwd"]
    option = "--columns=" + ",".join(columns)
    done = files = 0
    with Fixture(min(PROCESSES, total)) as fixture:
        while done < total:
            processes = fixture.rename()
            pids = pids_of(processes)
            check_tsv(run("dmt-ps", option, *pids), processes, columns)
            check_json(run("dmt-ps", "-J", option, *pids), processes, columns)
            column = ["name", "args", "argv"][done // len(pids) % 3]
            check_table(run("dmt-ps", "--format=table", "--columns=pid," + column, *pids), processes, column)
            if done % (8 * len(pids)) == 0:
                # The same text by other ways.
                tree = run("dmt-ps", "--tree", "-o", "pid,tree", *pids).replace(b"tree", b"name", 1)
                check_tsv(tree, processes, ["pid", "name"])
                check_tsv(run("dmt-ps", "-T", "-o", "pid,name,args", *pids), processes, ["pid", "name", "args"])
                lines = "\n".join(pids).encode()
                check_tsv(run("dmt-ps", "-o", "pid,name", "-", input=lines), processes, ["pid", "name"])
            done += len(processes)
            files += sum(process.file is not None for process in processes)
    print("%d processes with hostile names (%d of them also file and directory), 0 wrong" % (done, files))


def signals(total):
    columns = ["pid", "name", "target"]
    done = 0
    with Fixture(min(PROCESSES, total)) as fixture:
        while done < total:
            processes = fixture.rename()
            output = run("dmt-kill", "--dry-run", "--columns=" + ",".join(columns), *pids_of(processes))
            check_tsv(output, processes, columns)
            done += len(processes)
    print("%d rows of dmt-kill with hostile names, 0 wrong" % done)


# --- dmt-find ------------------------------------------------------------------------


def pattern_of(text):
    """An extended regular expression that is this text."""
    return re.sub(rb"[\\^$.|?*+()\[\]{}]", rb"\\\g<0>", text)


def find(total):
    done = 0
    with Fixture(min(PROCESSES, total)) as fixture:
        while done < total:
            processes = fixture.rename()
            ours = set(pids_of(processes))
            for process in rng.sample(processes, min(20, len(processes))):
                done += 1
                for name in process.names:
                    by_name = {str(other.pid) for other in processes if name in other.names}
                    found = run("dmt-find", "-x", "--", pattern_of(name)).decode().split()
                    assert set(found) & ours == by_name, (name, found)
                if process.args is None:
                    continue
                by_args = {str(other.pid) for other in processes if other.args == process.args}
                found = run("dmt-find", "-fx", "--", pattern_of(process.args)).decode().split()
                assert set(found) & ours == by_args, (process.args, found)
                if len(found) == 1:
                    pattern = pattern_of(process.args)
                    rows = run("dmt-find", "-fx", "--columns=pid,name,args,argv", "--", pattern)
                    check_tsv(rows, [process], ["pid", "name", "args", "argv"])
    print("%d processes found by a hostile name, 0 wrong" % done)


# --- a terminal ------------------------------------------------------------------------


def on_terminal(argv, columns):
    """What a command writes to a terminal that is so wide."""
    ours, theirs = pty.openpty()
    attributes = termios.tcgetattr(theirs)
    attributes[1] &= ~termios.OPOST  # newlines stay newlines
    termios.tcsetattr(theirs, termios.TCSANOW, attributes)
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    child = subprocess.Popen(argv, stdout=theirs, stderr=subprocess.PIPE)
    # A last byte of ours: a terminal that is closed may lose what it has not handed on.
    end = threading.Thread(target=lambda: (child.wait(), os.write(theirs, b"\0")))
    end.start()
    text = b""
    while not text.endswith(b"\0"):
        text += os.read(ours, 65536)
    end.join()
    os.close(ours)
    os.close(theirs)
    said = child.stderr.read()
    child.stderr.close()
    assert child.returncode == 0 and said == b"", (argv[:6], child.returncode, said)
    return text[:-1]


def terminal(total):
    done = 0
    with Fixture(min(PROCESSES, total)) as fixture:
        while done < total:
            processes = fixture.rename()
            for column in "name", "args", "argv":
                width = rng.choice([20, 40, 80, 132, 500])
                text = on_terminal(["dmt-ps", "-o", column + ",pid", *pids_of(processes)], width)
                check_safe(text, "\n")
                assert text.count(b"\n") == len(processes) + 1, column
                text = on_terminal(["dmt-ps", "-o", "pid," + column, *pids_of(processes)], width)
                check_safe(text, "\n")
                lines = text.decode()[:-1].split("\n")
                assert len(lines) == len(processes) + 1, column
                for process, line in zip(processes, lines[1:]):
                    assert line.split()[0] == str(process.pid), (width, process.pid, line)
            done += len(processes)
    print("%d rows with hostile names on a terminal, nothing raw" % (6 * done))


# --- messages ------------------------------------------------------------------------


def messages(total):
    commands = [
        ["dmt-kill", "--dry-run", "--", None],
        ["dmt-kill", "--dry-run", "-s", None, "1"],
        ["dmt-kill", "--dry-run", "-q", None, "1"],
        ["dmt-ps", "--", None],
        ["dmt-ps", "-p", None],
        ["dmt-ps", "-o", None],
        ["dmt-ps", "--sort", None],
        ["dmt-ps", "--format", None],
        ["dmt-find", "-u", None],
        ["dmt-find", "-g", None],
        ["dmt-find", "-r", None],
        ["dmt-find", "--ns", None],
        ["dmt-find", "--descendants", None],
        ["dmt-find", "--", "(", None],
        ["dmt-kill", "--dry-run", "-H", "-"],
    ]
    for i in range(total):
        # It begins like no word that a command knows, and is no number.
        text = b"zq" + hostile(60)
        if rng.random() < 0.02:
            text += hostile(60) * 100  # longer than any message
        argv = [text if word is None else word for word in commands[i % len(commands)]]
        if rng.random() < 0.1:
            argv = [argv[0], b"--" + text]
        line = text.replace(b"\n", b"") + b"\n"
        done = subprocess.run(argv, input=line, capture_output=True, check=False)
        assert done.returncode == 2 and done.stdout == b"", (argv, done)
        assert done.stderr.endswith(b"\n") and done.stderr.count(b"\n") == 1, (argv, done.stderr)
        check_safe(done.stderr, "\n")
    print("%d hostile operands, each one clean line" % total)


# --- the readers of a table --------------------------------------------------------------


def table(directory, total):
    columns = ["pid", "name", "args", "argv"]
    tsv, as_json, expected = b"", b"", []
    with Fixture(min(PROCESSES, total)) as fixture:
        while len(expected) < total:
            processes = fixture.rename()
            command = ["dmt-ps", "--columns=" + ",".join(columns), *pids_of(processes)]
            output = run(*command)
            tsv += output if not tsv else output.split(b"\n", 1)[1]
            as_json += run(*command, "-J")
            expected += [[columns_of(process)[column] for column in columns] for process in processes]
    for name, content in ("table.tsv", tsv), ("table.json", as_json):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(content)
    expected = [[value if value is None else value.hex() for value in row] for row in expected]
    with open(os.path.join(directory, "expected"), "w", encoding="ascii") as file:
        json.dump([columns, *expected], file)


def read_csv(text):
    rows = csv.reader(io.StringIO(text.decode(), newline=""), "excel-tab")
    return [[field.encode() for field in row] for row in rows]


def read_objects(text):
    rows = [{name: str(value) for name, value in row.items()} for row in json.loads(text)]
    return [[field.encode() for field in fields] for fields in (list(rows[0]), *(row.values() for row in rows))]


def read_miller(text):
    """Miller's own TSV: it decodes \\t \\n \\r when it reads, and writes a backslash as two."""
    own = {b"\\": b"\\", b"t": b"\t", b"n": b"\n", b"r": b"\r"}
    rows = [line.split(b"\t") for line in text.removesuffix(b"\n").split(b"\n")]
    return [[re.sub(rb"\\([\\tnr])", lambda found: own[found[1]], field) for field in row] for row in rows]


READERS = {
    "tsv": lambda text: [line.split(b"\t") for line in text.removesuffix(b"\n").split(b"\n")],
    "csv": read_csv,
    "nul": lambda text: [line.split(b"\0") for line in text.removesuffix(b"\0\n").split(b"\0\n")],
    "arrays": lambda text: [[field.encode() for field in json.loads(line)] for line in text.splitlines()],
    "objects": read_objects,
    "miller": read_miller,
}


def read_expected(directory):
    """The names of the columns, and the rows: of bytes, and None."""
    with open(os.path.join(directory, "expected"), encoding="ascii") as file:
        columns, *rows = json.load(file)
    return columns, [[value if value is None else bytes.fromhex(value) for value in row] for row in rows]


def same(form, directory):
    columns, expected = read_expected(directory)
    got = READERS[form](sys.stdin.buffer.read())
    assert got[0] == [column.encode() for column in columns], got[0]
    assert len(got) == len(expected) + 1, "%d rows of %d" % (len(got) - 1, len(expected))
    for fields, row in zip(got[1:], expected):
        assert len(fields) == len(row), "%d fields: %r" % (len(fields), fields)
        for field, value in zip(fields, row):
            assert unescape(field) == value, "%r is not %r" % (field, value)
    print("%d rows of %d fields went through" % (len(expected), len(columns)))


def same_json(directory):
    columns, expected = read_expected(directory)
    lines = sys.stdin.buffer.read().decode().removesuffix("\n").split("\n")
    assert len(lines) == len(expected), "%d rows of %d" % (len(lines), len(expected))
    for line, row in zip(lines, expected):
        got = json.loads(line)
        assert list(got) == columns, line
        for column, value in zip(columns[1:], row[1:]):
            assert json_shown(got[column]) == json_text(value), (line, value)
    print("%d objects went through" % len(expected))


VERBS = {"names": names, "signals": signals, "find": find, "terminal": terminal, "messages": messages}


def main(verb, *words):
    if verb == "table":
        table(words[0], int(words[1]))
    elif verb == "same" and words[0] == "json":
        same_json(words[1])
    elif verb == "same":
        same(*words)
    else:
        VERBS[verb](int(words[0]))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except BaseException:
        print("DMT_SEED=%d" % SEED, file=sys.stderr)
        raise
