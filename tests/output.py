# SPDX-License-Identifier: MIT
"""What the commands write, in which form, to where.

    output.py forms COMMAND...            TSV, JSON and the aligned table hold the same values
    output.py terminal COLUMNS COMMAND... on a terminal of that width: as --format=table, cut
    output.py shrunk COLUMNS COMMAND...   there too, whatever the columns: nothing but text is cut
    output.py no-reader COMMAND...        the reader of the pipe has gone before we write
    output.py closed COMMAND...           each of the standard streams closed, and all: no harm

The forms, the units and the alignment are written here from dmt(7) alone. COMMAND has to print the
same each time.
"""

import fcntl
import itertools
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import time

ESCAPE = re.compile(rb"\\(t|n|r|x[0-9a-f]{2})")
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", TZ="Asia/Kolkata")
os.environ["TZ"] = ENVIRONMENT["TZ"]
time.tzset()


def unescape(field):
    assert field != b"", "an empty field"
    if field in (b"-", b"\\0"):
        return None if field == b"-" else b""
    assert b"\\" not in ESCAPE.sub(b"", field), field
    return ESCAPE.sub(lambda m: {b"t": b"\t", b"n": b"\n", b"r": b"\r"}.get(m[1]) or bytes([int(m[1][1:], 16)]), field)


def run(*command, status=0):
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stderr) == (status, b""), (command, done.returncode, done.stderr)
    return done.stdout


def fields(text):
    rows = [line.split(b"\t") for line in text.removesuffix(b"\n").split(b"\n")]
    assert len({len(row) for row in rows}) == 1, "rows of different lengths"
    return rows


def types(command):
    """The type of each column, from the command's own table."""
    if "--list-columns" in command or "--spec" in command or "-l" in command and command[0] == "dmt-kill":
        return {"number": "id"}
    rows = fields(run(command[0], "--spec"))[1:]
    return {row[2].decode(): row[3].decode() for row in rows if row[0] == b"column"}


# --- forms -------------------------------------------------------------------------------

def as_json(field, kind):
    value = unescape(field)
    if value is None or kind == "text":
        return value if value is None else value.decode("utf-8", "replace")
    number = float(value) if b"." in value else int(value)
    return value.decode() if abs(number) > 2 ** 53 else number


def replaced(text):
    """As many U+FFFD as each reader likes."""
    return re.sub("\ufffd+", "\ufffd", text) if isinstance(text, str) else text


def human(field, kind):
    text = field.decode("utf-8", "surrogateescape")
    if text == "-":
        return text
    if kind == "bytes":
        size, unit = float(text), ""
        for unit in " KMGTPE":
            if float("%.1f" % size) < 1024:
                break
            size /= 1024
        return text if unit == " " else "%.1f%s" % (size, unit)
    if kind == "seconds" and float(text) >= 1:
        whole, _, part = text.partition(".")
        days, hours, minutes, seconds = int(whole) // 86400, int(whole) // 3600 % 24, int(whole) // 60 % 60, int(whole) % 60
        if days:
            return "%d-%02d:%02d:%02d" % (days, hours, minutes, seconds)
        return "%d:%02d:%02d" % (hours, minutes, seconds) if hours else "%d:%02d.%s" % (minutes, seconds, part)
    if kind == "time":
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(float(text)))
    return text


def aligned(rows, kinds, exact, header=True):
    """The lines of the aligned table. Numbers stand right, text left, the last column has no blanks behind."""
    cells = [rows[0]] + [[field if exact else human(field.encode("utf-8", "surrogateescape"), kind)
                          for field, kind in zip(row, kinds)] for row in rows[1:]]
    cells = cells if header else cells[1:]
    widths = [max(map(len, column)) for column in zip(*cells)]
    lines = []
    for row in cells:
        line = [cell.rjust(width) if kind != "text" else cell.ljust(width) for cell, width, kind in zip(row, widths, kinds)]
        if kinds[-1] == "text":
            line[-1] = row[-1]
        lines.append(" ".join(line))
    return lines


def whole(command):
    """The TSV of a command, as text, and the types of its columns."""
    rows = [[field.decode("utf-8", "surrogateescape") for field in row] for row in fields(run(*command))]
    known = types(command)
    return rows, [known.get(name, "text") for name in rows[0]]


def same(ours, theirs):
    assert len(ours) == len(theirs), "%d lines, not %d" % (len(ours), len(theirs))
    for our, their in zip(ours, theirs):
        assert our == their, "\n %r, not\n %r" % (our, their)


def text_lines(text):
    return text.decode("utf-8", "surrogateescape").removesuffix("\n").split("\n")


def forms(*command):
    rows, kinds = whole(command)
    assert len(rows) > 1 and run(*command, "--format=tsv") == run(*command) == run(*command, "-b")
    assert run(*command, "-H") == run(*command, "--no-header") == b"".join(run(*command).splitlines(True)[1:])
    wanted = [{name: as_json(field.encode("utf-8", "surrogateescape"), kind) for name, field, kind in zip(rows[0], row, kinds)}
              for row in rows[1:]]
    assert run(*command, "-J") == run(*command, "--format=json") == run(*command, "-J", "-H", "-b")
    objects = [json.loads(line) for line in run(*command, "-J").decode().splitlines()]
    same([list(one) for one in objects], [rows[0]] * len(wanted))
    same([{name: replaced(value) for name, value in one.items()} for one in objects],
         [{name: replaced(value) for name, value in one.items()} for one in wanted])
    same(text_lines(run(*command, "--format=table")), aligned(rows, kinds, False))
    same(text_lines(run(*command, "--format=table", "-b")), aligned(rows, kinds, True))
    print("%d rows of %d columns" % (len(objects), len(kinds)))


# --- a terminal ----------------------------------------------------------------------------

def on_terminal(columns, *command):
    """The lines that a command writes to a terminal so wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with subprocess.Popen(command, stdout=slave, stdin=subprocess.DEVNULL, env=ENVIRONMENT) as process:
        os.close(slave)
        text = b""
        while True:
            try:
                part = os.read(master, 65536)
            except OSError:  # EIO: nobody has it open any more
                part = b""
            if not part:
                break
            text += part
    os.close(master)
    assert process.returncode == 0, process.returncode
    lines = text.decode("utf-8", "surrogateescape").split("\r\n")
    assert lines.pop() == "", "the last line has no end"
    return lines


def terminal(columns, *command):
    rows, kinds = whole(command)
    for options, exact in (([], False), (["-b"], True)):
        full = aligned(rows, kinds, exact)
        same(on_terminal(0, *command, *options), full)
        same(on_terminal(30000, *command, *options), full)
        same(on_terminal(int(columns), *command, *options), [line[:int(columns)] for line in full])
        same(on_terminal(30000, *command, *options, "-H"), aligned(rows, kinds, exact, header=False))
    same(on_terminal(80, *command, "--format=tsv"), text_lines(run(*command)))
    same(on_terminal(80, *command, "-J"), text_lines(run(*command, "-J")))


def shrunk(columns, *command):
    """Words of a line, cut or whole, one for each field: for fields without blanks."""
    rows, kinds = whole(command)
    lines = on_terminal(int(columns), *command)
    assert len(lines) == len(rows)
    for line, row in zip(lines, rows):
        assert len(line) <= int(columns), line
        words = line.split()
        assert len(words) == len(row), (line, row)
        for word, field, kind in zip(words, row, kinds):
            shown = field if row is rows[0] else human(field.encode(), kind)
            assert word == shown if kind != "text" else shown.startswith(word) and len(word) >= min(12, len(shown)), (word, shown)
    print("%d lines" % len(lines))


# --- where to --------------------------------------------------------------------------------

def no_reader(*command):
    """Ended by SIGPIPE, and silently, also where it was ignored."""
    for ignored in (signal.SIG_DFL, signal.SIG_IGN):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=ENVIRONMENT,
                              restore_signals=False, preexec_fn=lambda how=ignored: signal.signal(signal.SIGPIPE, how), check=False)
        os.close(writer)
        assert (done.returncode, done.stderr) == (-signal.SIGPIPE, b""), (ignored, done.returncode, done.stderr)


def one_line(text, command):
    assert re.fullmatch(re.escape(os.fsencode(command)) + rb": [^\x00-\x1f\x7f]+\n", text), text


def closed(*command):
    """All seven ways to close them. What is written goes to 1 and 2 alone, and never to a file of /proc."""
    plain = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=ENVIRONMENT)
    for which in itertools.chain.from_iterable(itertools.combinations((0, 1, 2), n) for n in (1, 2, 3)):
        trace = os.path.join(os.environ["BATS_TEST_TMPDIR"], "trace")
        shut = " ".join("%d>&-" % fd for fd in which)
        text = ["sh", "-c", 'exec strace -y -qq -e signal=none -e trace=write,writev,pwrite64,openat,open -o "$0" sh -c \'exec "$@" %s\' sh "$@"' % shut,
                trace, *command]
        done = subprocess.run(text, capture_output=True, check=False, stdin=subprocess.DEVNULL, env=ENVIRONMENT)
        unread = 0 in which and "-" in command
        expected = 3 if 1 in which and plain.stdout or unread else plain.returncode
        assert done.returncode == expected, (which, done.returncode, done.stderr)
        if 1 not in which and not unread:
            assert done.stdout == plain.stdout, which
        if 2 not in which:
            if 1 in which and plain.stdout or unread:
                one_line(done.stderr.splitlines(True)[-1], command[0])
            else:
                assert done.stderr == plain.stderr, (which, done.stderr)
        with open(trace, encoding="utf-8", errors="replace") as file:
            calls = file.read().splitlines()
        for call in calls:
            assert not re.match(r"p?write\w*\((?![12]<)", call) and not re.match(r"p?write\w*\(\d+</(proc|etc|sys|usr)", call), call
            assert not re.search(r"(O_WRONLY|O_RDWR|O_CREAT)", call) or "/dev/null" in call, call


if __name__ == "__main__":
    globals()[sys.argv[1].replace("-", "_")](*sys.argv[2:])
