#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""dmt-sym against readelf, eu-addr2line and addr2line.

    sym.py list FILE [TABLE]        all symbols of FILE are those that readelf -s shows of TABLE (FILE itself)
    sym.py random N FILE [TABLE [MORE]]
                                    N random addresses: the symbols that eu-addr2line -S finds; they are in TABLE, or MORE
    sym.py lines N FILE             N random addresses of code: the lines that addr2line finds
    sym.py demangled FILE           all names are as nm -C --without-symbol-versions has them

Each ends with status 0, or says what differs.
"""
import bisect
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
    ranges = []
    for line in run('readelf', '-SW', path).splitlines():
        row = re.match(r'\s*\[\s*\d+\] (\S+)\s+(\S+)\s+([0-9a-f]+) [0-9a-f]+ ([0-9a-f]+) [0-9a-f]+\s+([A-Z]*)', line)
        if row and 'A' in row[5] and not ('T' in row[5] and row[2] == 'NOBITS') and ('X' in row[5] or not code):
            ranges.append((int(row[3], 16), int(row[4], 16)))
    return [r for r in ranges if r[1]]


def pick(ranges, n):
    rnd = random.Random(n)
    weights = [r[1] for r in ranges]
    return [start + rnd.randrange(size) for start, size in rnd.choices(ranges, weights, k=n)]


def check_random(n, path, table=None, more=None):
    table = table or path
    rows = [s for s in best_table(table) + (best_table(more) if more else []) if s[4] != 'UND' and s[2] not in ('SECTION', 'FILE', 'TLS') and s[5]]
    n = int(n)
    addrs = pick(loaded(path), n // 2)
    # The edges of symbols are where mistakes are.
    rnd = random.Random(n)
    addrs += [(s[0] + rnd.choice((0, 0, s[1] // 2, s[1] - 1, s[1], -1))) % (1 << 64) for s in rnd.choices(rows, k=n - n // 2)]
    spans = loaded(path)
    addrs = [a for a in addrs if any(start <= a < start + size for start, size in spans)]
    text = [f'{a:#x}' for a in addrs]
    theirs = run('eu-addr2line', '-S', '-e', table, *text).splitlines()[::2]
    ours = dmt_sym('addr,raw_name,offset', path, *text)
    if [r[0] for r in ours] != text or len(theirs) != len(text):
        sys.exit(f'{path}: {len(ours)} rows and {len(theirs)} of eu-addr2line for {len(text)} addresses')
    at = {}
    for s in rows:
        at.setdefault(s[0], []).append(s)
    same = explained = 0
    for addr, (_, name, offset), their in zip(addrs, ours, theirs):
        their = '??' if their.startswith('(') else their
        their_name, _, their_offset = their.partition('+')
        their_start = addr - int(their_offset or '0', 0) if their != '??' else None
        if (name == '-') != (their == '??'):
            sys.exit(f'{path} {addr:#x}: {name} {offset}, eu-addr2line: {their}')
        if name == '-':
            same += 1
            continue
        start = addr - int(offset, 16)
        # What we say is what the table says.
        if not any(plain(s[5]) == plain(name) and (s[1] == 0 or addr - start < s[1]) for s in at.get(start, ())):
            sys.exit(f'{path} {addr:#x}: no {name} at {start:#x}')
        if plain(name) == plain(their_name) and start == their_start:
            same += 1
        elif start >= their_start:
            # Another name of the same, or a nearer one inside of it: eu-addr2line looks at global ones first.
            explained += 1
        else:
            sys.exit(f'{path} {addr:#x}: {name}+{offset}, eu-addr2line: {their}')
    if same < 0.9 * len(addrs) or len(addrs) < n // 3:
        sys.exit(f'{path}: {same} same, {explained} explained, of {len(addrs)}')


def check_lines(n, path):
    text = [f'{a:#x}' for a in pick(loaded(path, True), int(n))]
    theirs = [re.sub(r' \(discriminator \d+\)$', '', t) for t in run('addr2line', '-e', path, *text).splitlines()]
    ours = dmt_sym('file,line', '-s', path, *text)
    known = 0
    for addr, (file, line), their in zip(text, ours, theirs):
        their_file, _, their_line = their.rpartition(':')
        if file == '-' and (their_file == '??' or their_line in ('?', '0')):
            continue
        known += 1
        if not (file.split('/')[-1] == their_file.split('/')[-1] and line == their_line):
            sys.exit(f'{path} {addr}: {file}:{line}, addr2line: {their}')
    if known < len(text) // 10 or len(ours) != len(text):
        sys.exit(f'{path}: only {known} of {len(text)} have lines')


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
    {'list': check_list, 'random': check_random, 'lines': check_lines, 'demangled': check_demangled}[sys.argv[1]](*sys.argv[2:])
