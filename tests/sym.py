#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dmt-sym against readelf, eu-addr2line and addr2line.

    sym.py list FILE [TABLE]        all symbols of FILE are those that readelf -s shows of TABLE (FILE itself)
    sym.py random N FILE [TABLE [MORE]]
                                    N addresses in TABLE's sections, random and at the edges of symbols: the symbols of
                                    FILE are those that readelf shows in TABLE (and MORE), and as near as eu-addr2line's
    sym.py process N PID FILE [TABLE [MORE]]
                                    the same of a process that has FILE, or one called so, mapped
    sym.py lines N FILE [TABLE]     N random addresses of code: the lines that addr2line finds
    sym.py object FILE              lines of the functions of an object file, in all its sections, by addr2line
    sym.py demangled FILE           all names are as nm -C --without-symbol-versions has them

Each ends with status 0 and its figures, or says what differs.
"""
import bisect
import itertools
import random
import re
import subprocess
import sys


def run(*argv, stdin=None):
    done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
    return done.stdout.decode('utf-8', 'surrogateescape')


def unescape(field):
    text = re.sub(r'\\x([0-9a-f]{2})|\\([tnr0])', lambda m: chr(int(m[1], 16)) if m[1] else
                  {'t': '\t', 'n': '\n', 'r': '\r', '0': ''}[m[2]], field)
    return text


def dmt_sym(columns, *argv):
    out = run('dmt-sym', '-H', '-o', columns, *argv)
    return [[unescape(f) for f in line.split('\t')] for line in out.splitlines()]


def symbols(path):
    """The tables of a file by readelf: {'.symtab': [(value, size, type, bind, section, name)]}."""
    tables, table = {}, None
    for line in run('readelf', '-sW', path).splitlines():
        head = re.match(r"Symbol table '(\S+)'", line)
        if head:
            table = tables.setdefault(head[1], [])
        row = re.match(r'\s*\d+: ([0-9a-f]+)\s+(0x[0-9a-f]+|\d+) (\S+)\s+(\S+)\s+\S+\s+(?:\[.*?\]\s+)?(\S+)(?: (.*))?$', line)
        if row:
            size = int(row[2], 0)
            table.append((int(row[1], 16), size, row[3], row[4], row[5], row[6] or ''))
    return tables


def best_table(path):
    tables = symbols(path)
    return tables.get('.symtab') or tables.get('.dynsym') or []


def plain(name):
    return name.split('@')[0].split(' ')[0]


def differ(what, ours, theirs):
    a, b = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    if a or b or not ours:
        sys.exit(f'{what}: {len(a)} only ours, {len(b)} only theirs, of {len(ours)}: {a[:5]} {b[:5]}')


def check_list(path, table=None):
    binds = {'LOCAL': 'local', 'GLOBAL': 'global', 'WEAK': 'weak', 'UNIQUE': 'unique'}
    theirs = []
    for value, size, kind, bind, section, name in best_table(table or path):
        if kind in ('SECTION', 'FILE') or not name:
            continue
        word = {'UND': 'undefined', 'ABS': 'absolute', 'COM': 'common'}.get(section)
        word = 'undefined' if section == 'UND' else 'tls' if kind == 'TLS' else 'ifunc' if kind == 'IFUNC' else word
        theirs.append((value if section != 'UND' else None, size, word, binds[bind], plain(name)))
    ours = []
    for value, size, kind, bind, name in dmt_sym('value,size,type,bind,raw_name', path):
        word = kind if kind in ('undefined', 'tls', 'ifunc', 'absolute', 'common') else None
        ours.append((int(value, 16) if value != '-' else None, int(size) if size != '-' else 0, word, bind, plain(name)))
    if len(ours) != len(theirs):
        sys.exit(f'{path}: {len(ours)} rows, readelf has {len(theirs)}')
    differ(path, ours, theirs)


def loaded(path, code=False):
    """The ranges of addresses of sections, by readelf: (start, size, number)."""
    return [(start, size, number) for number, (kind, start, size, flags) in sections(path).items()
            if 'A' in flags and not ('T' in flags and kind == 'NOBITS') and ('X' in flags or not code) and size]


def sections(path):
    rows = re.finditer(r'^\s*\[\s*(\d+)\] +\S+\s+(\S+)\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+\s+([A-Zo]*) ',
                       run('readelf', '-SW', path), re.MULTILINE)
    return {row[1]: (row[2], int(row[3], 16), int(row[4], 16), row[5]) for row in rows}


def pick(ranges, n):
    rnd = random.Random(n)
    return [r[0] + rnd.randrange(r[1]) for r in rnd.choices(ranges, [r[1] for r in ranges], k=n)]


class Table:
    """What readelf shows of the tables of some files, asked by address with the rule of dmt-sym(1)."""

    def __init__(self, paths):
        self.sized, self.sizeless, self.ends = [], [], []
        for path in paths:
            for value, size, kind, bind, section, name in best_table(path):
                if section in ('UND', 'COM') or kind in ('SECTION', 'FILE', 'TLS') or not name or (section == 'ABS' and not size):
                    continue
                rank = ({'GLOBAL': 3, 'UNIQUE': 3, 'WEAK': 2, 'LOCAL': 1}.get(bind, 0), kind != 'NOTYPE', -size)
                (self.sized if size else self.sizeless).append((value, size, rank, section, name))
        self.sized.sort()
        self.sizeless.sort()
        end = 0
        for s in self.sized:
            end = max(end, s[0] + s[1])
            self.ends.append(end)

    def at(self, addr, section):
        """(start, {names}), of those that are equally good; None: there is none."""
        i = bisect.bisect_right(self.sized, (addr + 1,)) - 1
        above = self.ends[i] if i >= 0 else 0
        # Not sorted by end, but from here on down the first that is long enough begins last.
        while i >= 0 and self.ends[i] > addr:
            if addr < self.sized[i][0] + self.sized[i][1]:
                return self.best([s for s in self.starting(self.sized[i][0], i) if addr < s[0] + s[1]])
            i -= 1
        i = bisect.bisect_right(self.sizeless, (addr + 1,)) - 1
        while i >= 0 and self.sizeless[i][0] >= above:
            if self.sizeless[i][3] == section:
                start = self.sizeless[i][0]
                return self.best([s for s in self.sizeless if s[0] == start and s[3] == section])
            i -= 1
        return None

    def starting(self, start, i):
        while i >= 0 and self.sized[i][0] == start:
            yield self.sized[i]
            i -= 1

    @staticmethod
    def best(symbols):
        rank = max(s[2] for s in symbols)
        return symbols[0][0], {plain(s[4]) for s in symbols if s[2] == rank}


def bias_of(pid, path):
    """Address in the process minus address in the file, by /proc and readelf."""
    offset, vaddr = (int(n, 16) & ~4095 for n in re.search(r'LOAD +0x([0-9a-f]+) 0x([0-9a-f]+)', run('readelf', '-lW', path)).groups())
    with open(f'/proc/{pid}/maps', encoding='utf-8') as maps:
        for row in (line.rstrip('\n').split(None, 5) for line in maps):
            name = row[5].removesuffix(' (deleted)') if len(row) > 5 else ''
            if name.split('/')[-1] == path.split('/')[-1] and int(row[2], 16) == offset:
                return int(row[0].split('-')[0], 16) - vaddr
    return sys.exit(f'{path} is not mapped in {pid}')


def check_random(n, path, table=None, more=None, pid=None):
    table, n = table or path, int(n)
    tables, spans = Table([table] + ([more] if more else [])), loaded(table)
    addrs = pick(spans, n // 2)
    # The edges of symbols are where mistakes are.
    rnd = random.Random(n)
    while len(addrs) < n:
        s = rnd.choice(tables.sized)
        addr = s[0] + rnd.choice((0, 0, s[1] // 2, s[1] - 1, s[1], -1))
        if any(start <= addr < start + size for start, size, _ in spans):
            addrs.append(addr)
    bias = bias_of(pid, path) if pid else 0
    ours = dmt_sym('addr,raw_name,offset', pid or path, *[f'{a + bias:#x}' for a in addrs])
    theirs = run('eu-addr2line', '-S', '-e', table, stdin='\n'.join(f'{a:#x}' for a in addrs).encode()).splitlines()[::2]
    if [r[0] for r in ours] != [f'{a + bias:#x}' for a in addrs] or len(theirs) != n:
        sys.exit(f'{path}: {len(ours)} rows and {len(theirs)} of eu-addr2line for {n} addresses')
    named = same = other = 0
    for addr, (_, name, offset), their in zip(addrs, ours, theirs):
        section = next(number for start, size, number in spans if start <= addr < start + size)
        want = tables.at(addr, section)
        if (name == '-') != (want is None):
            sys.exit(f'{path} {addr:#x}: {name} {offset}, readelf: {want}')
        none = their.startswith(('(', '?'))
        if want is None:
            same += none
            continue
        named += 1
        start = addr - int(offset, 16)
        if start != want[0] or plain(name) not in want[1]:
            sys.exit(f'{path} {addr:#x}: {name}+{offset}, readelf: {want}')
        their_name, _, their_offset = their.partition('+')
        their_start = addr - int(their_offset or '0', 0)
        if plain(name) == plain(their_name) and start == their_start:
            same += 1
        elif not none and start >= their_start:
            other += 1 # another name of the same, or a nearer one inside of it: eu-addr2line looks at global ones first
        else:
            sys.exit(f'{path} {addr:#x}: {name}+{offset}, eu-addr2line: {their}')
    if named < n // 5 or same < 0.9 * n:
        sys.exit(f'{path}: only {named} of {n} have a symbol, and {same} that of eu-addr2line')
    print(f'# {path}{" in a process" if pid else ""}: {n} addresses, {named} with a symbol, 0 differ from readelf; '
          f'eu-addr2line: {same} same, {other} with another name or a wider symbol')


def check_process(n, pid, path, table=None, more=None):
    check_random(n, path, table, more, pid)


def same_line(file, line, their):
    their_file, _, their_line = re.sub(r' \(discriminator \d+\)$', '', their).rpartition(':')
    if file == '-':
        return their_file == '??' or their_line in ('?', '0')
    return file.split('/')[-1] == their_file.split('/')[-1] and line == their_line


def check_lines(n, path, table=None):
    text = [f'{a:#x}' for a in pick(loaded(table or path, True), int(n))]
    theirs = run('addr2line', '-e', table or path, stdin='\n'.join(text).encode()).splitlines()
    ours = dmt_sym('file,line', '-s', path, *text)
    known = sum(file != '-' for file, _ in ours)
    differ = [(a, o, t) for a, o, t in zip(text, ours, theirs) if not same_line(*o, t)]
    # addr2line takes the name of the unit for the file that is included (binutils 2.40); elfutils and gdb do not.
    others = run('eu-addr2line', '-e', table or path, stdin='\n'.join(d[0] for d in differ).encode()).splitlines()
    for (addr, (file, line), their), other in itertools.zip_longest(differ, others):
        if not same_line(file, line, re.sub(r':\d+$', '', other)):
            sys.exit(f'{path} {addr}: {file}:{line}, addr2line: {their}, eu-addr2line: {other}')
    if known < len(text) // 10 or not len(ours) == len(theirs) == len(text):
        sys.exit(f'{path}: only {known} of {len(text)} have lines')
    print(f'# {path}: {len(text)} addresses, {known} with a line; {len(text) - len(differ)} as '
          f'addr2line, {len(differ)} as eu-addr2line, 0 as neither')


def check_object(path):
    names = dict(re.findall(r'^\s*\[\s*(\d+)\] +(\S+)', run('readelf', '-SW', path), re.MULTILINE))
    ours = {row[0]: row[1:] for row in dmt_sym('raw_name,file,line', '-s', path)}
    known = set()
    for value, _, kind, _, section, name in best_table(path):
        if kind == 'FUNC' and section in names:
            their = run('addr2line', '-e', path, '-j', names[section], f'{value:#x}').strip()
            if not same_line(*ours[name], their):
                sys.exit(f'{path} {name}: {ours[name]}, addr2line: {their}')
            if ours[name][0] != '-':
                known.add(section)
    if len(known) < 3:
        sys.exit(f'{path}: lines only in the sections {known}')


def check_demangled(path):
    def names(*options):
        return [re.sub(r'^[0-9a-f ]+ . ', '', line) for line in run('nm', '-p', *options, path).splitlines()]
    raw, pretty = names(), names('-C', '--without-symbol-versions')
    want = dict(zip(raw, pretty))
    rows = dmt_sym('raw_name,name', path)
    for r, ours in rows:
        if r in want and ours != want[r]:
            sys.exit(f'{path}: {r}: {ours}, nm -C: {want[r]}')
    if len(raw) != len(pretty) or sum(r[0] != r[1] and r[0] in want for r in rows) < 3:
        sys.exit(f'{path}: no mangled names')


if __name__ == '__main__':
    {'list': check_list, 'random': check_random, 'process': check_process, 'lines': check_lines, 'object': check_object,
     'demangled': check_demangled}[sys.argv[1]](*sys.argv[2:])
