#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Inlined frames and variables: against gdb and eu-stack (locals.py), of programs in C, C++, Rust and of python3.
load helpers

setup() {
    [ "$(uname -m)" = x86_64 ] || skip "the oracles are of x86_64"
    need python3
    cd "$BATS_TEST_TMPDIR" || return
    ulimit -S -c unlimited || true
    SOURCE=$BATS_TEST_DIRNAME/fixtures/locals.c
}

check() {
    python3 "$BATS_TEST_DIRNAME/locals.py" "$@" 3>&-
}

# waiting WORD...: the fixture, compiled with these options, in its innermost frame.
waiting() {
    ${CC:-gcc} -D_GNU_SOURCE -std=gnu17 -g -w "$@" -o locals "$SOURCE" 3>&-
    spawn ./locals
    soon is_state S "$PID"
}

# same LEAST: at least so many variables are as gdb has them, and 95 of 100.
same() {
    run check same "$PID" "$1"
    echo "# ${*:2}: $(grep '^frames=' <<<"$output")" >&3
    echo "$output"
    [ "$status" = 0 ]
}

# value FRAME NAME: name, type, value and reason
value() {
    dmt-bt --locals -H -o frame,name,type,value,reason,kind "$PID" |
        awk -F'\t' -v f="$1" -v n="$2" '$1 == f && $2 == n { print $3 "|" $4 "|" $5 }'
}

# function NAME: the number of its first frame
frame_of() {
    dmt-bt -i -H -o frame,function "$PID" | awk -F'\t' -v f="$1" '$2 == f { print $1; exit }'
}

# --- variables ---------------------------------------------------------------------------------------

@test "C without optimisation: every variable is as gdb has it" {
    need gdb gcc
    waiting -O0
    same 120 -O0
}

@test "C with optimisation: registers, pieces, constants, values at the entry" {
    need gdb gcc
    waiting -O2
    same 80 -O2
}

@test "other compilers and other DWARF" {
    need gdb gcc
    local words
    for words in "-O2 -gdwarf-4" "-O0 -gdwarf-3" "-O0 -gdwarf-2" "-Og" "-O3 -fno-omit-frame-pointer"; do
        # shellcheck disable=SC2086
        waiting $words
        same 50 "$words"
    done
    command -v clang >/dev/null || return 0
    for words in -O0 -O2; do
        CC=clang waiting $words
        same 60 "clang $words"
    done
}

@test "texts of values" {
    need gcc
    waiting -O0
    local f
    f=$(frame_of scalars)
    [ "$(value "$f" i8)" = 'int8_t|-5|-' ]
    [ "$(value "$f" c)" = "char|99 'c'|-" ]
    [ "$(value "$f" newline)" = 'char|10|-' ]
    [ "$(value "$f" yes)" = '_Bool|true|-' ]
    [ "$(value "$f" wide)" = '__int128|1267650600228229401496703205383|-' ]
    [ "$(value "$f" minus)" = '__int128|-1267650600228229401496703205383|-' ]
    [ "$(value "$f" z)" = 'complex double|1.5 + 2.5i|-' ]
    [ "$(value "$f" color)" = 'enum color|GREEN|-' ]
    [ "$(value "$f" odd)" = 'enum color|9|-' ]
    [ "$(value "$f" access)" = 'enum access|(READ | EXECUTE)|-' ]
    [ "$(value "$f" null)" = 'int *|0x0|-' ]
    value "$f" call | grep -xE 'function\|0x[0-9a-f]+ <twice>\|-'
    value "$f" to | grep -xE 'int \*\|0x[0-9a-f]+ <shared>\|-'
    value "$f" string | grep -xE 'const char \*\|0x[0-9a-f]+ "string"\|late'
    [[ "$(value "$f" quoted)" = 'char *|0x'*' "a \x5c"quoted\x5c" \x5c\x5c text\tof\nlines"|late' ]]
    f=$(frame_of aggregates)
    [ "$(value "$f" by_value)" = 'struct point|{x = 3, y = 6}|-' ]
    [ "$(value "$f" bits)" = 'struct bits|{a = 5, b = -3, c = 4886718345, d = true, e = -7}|-' ]
    [ "$(value "$f" matrix)" = 'int [2][3]|{{1, 2, 3}, {4, 5, 6}}|-' ]
    [ "$(value "$f" text)" = 'char [16]|text|-' ]
    [ "$(value "$f" binary)" = 'char [4]|{1, 0, 2, -1}|-' ]
    [ "$(value "$f" vla)" = 'int []|{0, 1, 4}|-' ]
    value "$f" many | grep -qF '198, 199...}'
    value "$f" long_text | grep -qE '^char \[300\]\|x{200}\.\.\.\|-$'
}

@test "an inner name hides an outer one, and a local one a global one" {
    need gcc
    waiting -O0
    local f
    f=$(frame_of scopes)
    [ "$(value "$f" outer)" = 'char [6]|inner|-' ]
    [ "$(value "$f" shadowed)" = 'long int|1002|-' ]
    [ "$(value "$f" shared)" = 'int|66|-' ]
    [ "$(value "$f" calls)" = 'int|8|late' ]
    [ -z "$(value "$f" later)" ]
    # Each frame of a recursion has its own.
    [ "$(dmt-bt --locals -H -o function,name,value "$PID" | awk '$1 == "recursion" && $2 == "depth" { print $3 }' | xargs)" = '0 1 2 3' ]
}

@test "C++ and Rust" {
    need gdb g++
    cat >names.cc <<'CC'
#include <cstdio>
#include <unistd.h>
#include <string>
#include <vector>
#include <memory>
#include <algorithm>
struct base { int in_base = 3; virtual ~base() {} virtual int f() { return 1; } };
struct derived : base { static int counter; long own = 4; std::string name = "derived"; int f() override { return 2; } };
int derived::counter = 9;
enum class level : unsigned char { low = 1, high = 200 };
namespace outer { template <typename T> struct box { T held;
    __attribute__((noinline)) T operator()(T n) { if (n == 0) { puts("ready"); fflush(stdout); getchar(); return 0; }
        std::vector<T> v{n}; std::for_each(v.begin(), v.end(), [this, n](T &x) { T copy = n; x = (*this)(x - 1) + copy; }); return v[0]; }
}; }
__attribute__((noinline)) int take(const derived &d, level l, int &&moved, base *b, int (derived::*member)(), bool yes, double x) {
    derived copy = d; auto p = std::make_unique<int>(5); const char32_t wide = U'λ'; std::string text = "text";
    int r = outer::box<int>{12}(4); return r + copy.f() + *p + moved + (int)l + b->f() + (int)wide + yes + (int)x + (int)text.size() + (member != nullptr); }
int main() { derived d; base b; try { return take(d, level::high, 77, &b, &derived::f, true, 2.5); } catch (...) { return 2; } }
CC
    local words
    for words in -O0 -O2; do
        g++ -g $words -o names names.cc 3>&-
        spawn ./names
        soon is_state S "$PID"
        same 35 "C++ $words"
    done
    check frames "$PID" 9
    command -v rustc >/dev/null || return 0
    cat >names.rs <<'RS'
use std::io::{Read, Write};
#[derive(Debug)] enum Shape { Circle(f64), Square { side: u32 }, Nothing }
struct Pair { left: i16, right: Option<Box<i32>> }
trait Walk { fn walk(&self, n: u32) -> u32; }
struct Deep { id: u8 }
#[inline(always)] fn inner(n: u32) -> u32 { let local = n * 3; let mut b = [0u8; 1]; println!("ready"); std::io::stdout().flush().unwrap(); std::io::stdin().read(&mut b).unwrap(); local + b[0] as u32 }
#[inline(always)] fn middle(n: u32) -> u32 { let twice = n * 2; inner(twice) + 1 }
impl Walk for Deep { #[inline(never)] fn walk(&self, n: u32) -> u32 {
    let here = n as u64 + 100; if n == 0 { let r = middle(7); std::hint::black_box(here); return r + self.id as u32; }
    let r = std::hint::black_box(self).walk(n - 1); std::hint::black_box(&here); r + here as u32 } }
#[inline(never)] fn shapes(a: Shape, b: &Shape, p: Pair, c: char, flag: bool) -> u32 {
    let none = Shape::Nothing; let tuple = (1u8, -2i64); let arr = [1u16, 2, 3];
    let r = Deep { id: 5 }.walk(3); std::hint::black_box((&a, &b, &p.left, &p.right, &c, &flag, &none, &tuple, &arr)); r }
fn main() { let s = Shape::Square { side: 4 }; std::process::exit(shapes(Shape::Circle(1.5), &s, Pair { left: -7, right: Some(Box::new(3)) }, 'λ', true) as i32) }
RS
    for words in "" -O; do
        # shellcheck disable=SC2086
        rustc -g $words -o names names.rs 3>&-
        spawn ./names
        soon is_state S "$PID"
        same 15 "Rust $words"
        check frames "$PID" 2
    done
}

@test "python3 and python3-dbg: the frames of their interpreter" {
    need gdb
    cat >deep.py <<'PY'
import sys
def f(n):
    if n == 0:
        print("ready", flush=True)
        sys.stdin.read()
    return n and max([n], key=lambda x: f(n - 1))
class A:
    def __init__(self, n): self.v = sorted([n, 2, 1], key=self.key)
    def key(self, x): return f(8) if x == 1 else x
A(7)
PY
    local python any=
    for python in /usr/bin/python3 /usr/bin/python3-dbg; do
        [ -x "$python" ] || continue
        spawn "$python" deep.py
        soon is_state S "$PID"
        dmt-bt -H --locals -o function,name "$PID" | grep -q $'^_PyEval_EvalFrameDefault.*\ttstate$' || continue
        any=1
        same 500 "$python"
    done
    [ "$any" ] || skip "python3-dbg is missing"
}

@test "a core has the variables of the process, and nothing in it is late" {
    need gcc gcore
    waiting -O0
    take_gcore "$PID" core
    dmt-bt --locals -H -o function,name,type,value "$PID" >live
    dmt-bt --locals -H -o function,name,type,value core >dead
    diff live dead
    [ "$(dmt-bt --locals -H -o reason core | grep -c late)" = 0 ]
    [ "$(dmt-bt --locals -H -o reason "$PID" | grep -c late)" -gt 3 ]
}

@test "debug information in a file of its own, or nowhere" {
    need gcc objcopy
    waiting -O0
    dmt-bt --locals -H -o function,name,value "$PID" | grep -E $'^(scopes|scalars)\t(n|i8|c|ld)\t' >with
    cp locals whole
    objcopy --only-keep-debug whole locals.debug
    objcopy --strip-all --add-gnu-debuglink=locals.debug whole locals.new && mv locals.new locals
    spawn ./locals
    soon is_state S "$PID"
    dmt-bt --locals -H -o function,name,value "$PID" | grep -E $'^(scopes|scalars)\t(n|i8|c|ld)\t' >linked
    diff with linked
    [ "$(wc -l <with)" = 4 ]
    rm locals.debug
    spawn ./locals
    soon is_state S "$PID"
    dmt-bt --locals -H -o object,name,reason "$PID" | grep -q $'/locals\t-\tno debug information$'
    run dmt-bt --locals -H -o object,name "$PID"
    [ "$(grep -c $'/locals\t[a-z]' <<<"$output")" = 0 ]
}

# --- inlined frames ----------------------------------------------------------------------------------

@test "inlined frames are those of gdb and eu-stack" {
    need gdb gcc eu-stack
    waiting -O2
    check frames "$PID" 2
    dmt-bt -i -H -o pc,function "$PID" | sed 's/@.*//' >ours
    eu-stack -i -p "$PID" | awk '/^#/ { print $2 "\t" ($3 == "-" ? $4 : $3) }' | sed 's/^0x0*/0x/' >theirs
    [ "$(cut -f1 ours)" = "$(cut -f1 theirs)" ]
    local name
    for name in in_inner in_outer inlines scopes registers; do
        [ "$(grep -n "	$name\$" ours)" = "$(grep -n "	$name\$" theirs)" ]
    done
    [ "$(dmt-bt -i -H -o how,function "$PID" | grep ^inline | xargs)" = 'inline in_inner inline in_outer' ]
    # Frames are counted from 0 without a hole, and without -i they are as before.
    [ "$(dmt-bt -i -H -o frame "$PID" | xargs)" = "$(seq 0 $(($(wc -l <ours) - 1)) | xargs)" ]
    [ "$(dmt-bt -H -o pc,function,how "$PID")" = "$(dmt-bt -i -H -o pc,function,how "$PID" | grep -v $'\tinline$')" ]
}

# --- dmt-peek --frame --------------------------------------------------------------------------------

@test "dmt-peek --frame: variables by name, in memory and in registers" {
    need gcc
    waiting -O0
    local f
    f=$(frame_of scalars)
    run -0 dmt-peek -H -o location,type,value --frame="$f" "$PID" ll color c string shared
    [ "${lines[0]}" = $'ll\tsigned8\t-1099511627776' ]
    [ "${lines[1]}" = $'color\tunsigned4\t5' ]
    [ "${lines[2]}" = $'c\tchar\tc' ]
    [[ "${lines[3]}" =~ ^string.pointer.0x ]]
    [ "${lines[4]}" = $'shared\tunsigned4\t41' ]
    # What --locals says of its place is what peek reads.
    local at
    at=$(dmt-bt --locals -H -o frame,name,at "$PID" | awk -v f="$f" '$1 == f && $2 == "ll" { print $3 }')
    [ "$(dmt-peek -H -o value -f d8 "$PID" "$at")" = -1099511627776 ]
    [ "$(dmt-peek -H -o addr --frame="$f" "$PID" ll)" = "$at" ]
    f=$(frame_of scopes)
    [ "$(dmt-peek -H -o value --frame="$f" "$PID" shared)" = 66 ]
    run -1 dmt-peek --frame="$f" "$PID" no_such_name
    [[ "$output" = *no_such_name* ]]
    run -1 dmt-peek --frame=1000 "$PID" i
    run -2 dmt-peek --frame=1x "$PID" i
    run -2 dmt-peek --frame=1 "$PID" %rip
    run -2 dmt-peek --frame=1 -r gp "$PID"
    waiting -O2
    f=$(frame_of registers)
    run -0 dmt-peek -H -o addr,location,type,value --frame="$f" "$PID" sum product
    [ "${lines[0]}" = $'-\tsum\tsigned4\t9' ]
    [ "${lines[1]}" = $'-\tproduct\tsigned4\t18' ]
    # The last jump that led there gave it.
    [ "$(dmt-peek -H -o value --frame="$f" "$PID" c)" = 5 ]
    run -1 dmt-peek -H --frame="$(frame_of aggregates)" "$PID" by_value
    [[ "$output" = *"optimised out"* ]]
}

# --- what does not go, and what must not break -------------------------------------------------------

@test "--locals goes with copies of stacks alone" {
    run -2 dmt-bt --locals --live $$
    run -2 dmt-bt --locals --folded $$
    run -2 dmt-bt -i --folded $$
}

@test "with --nostop the registers are not known, and what needs them says so" {
    need gcc
    waiting -O2
    dmt-bt --nostop --locals -H -o frame,name,value,reason "$PID" >rows || [ $? = 1 ]
    grep -q 'not saved' rows
    # What is there is what a stop finds.
    dmt-bt --locals -H -o frame,name,value,reason "$PID" | sort >stopped
    awk -F'\t' '$3 != "-"' rows | sort | comm -23 - stopped >wrong
    cat wrong
    [ ! -s wrong ]
}

@test "damaged debug information: no crash, an end, and the status says what it was" {
    need gcc objcopy
    local words
    for words in "-O0" "-O2" "-O2 -gdwarf-4"; do
        # shellcheck disable=SC2086
        gcc -D_GNU_SOURCE -std=gnu17 -g -w $words -Wl,--build-id -o locals "$SOURCE" 3>&-
        objcopy --only-keep-debug locals locals.debug
        objcopy --strip-all --add-gnu-debuglink=locals.debug locals
        spawn ./locals
        soon is_state S "$PID"
        run check mutants "$PID" locals.debug "$(scale 60 20000)" dmt-bt --locals -s
        echo "# $words: $output" >&3
        [ "$status" = 0 ]
        run check mutants "$PID" locals.debug "$(scale 10 2000)" dmt-bt -i -s
        echo "$output"
        [ "$status" = 0 ]
        [ -d "/proc/$PID" ]
    done
}
