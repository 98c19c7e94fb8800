#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stacks: against eu-stack and gdb, and against fixtures that know their own (bt.py). Each single step of a program:
# tests/unit/unwind.c.
load helpers

setup() {
    [ "$(uname -m)" = x86_64 ] || skip "the oracles are of x86_64"
    need python3
    cd "$BATS_TEST_TMPDIR" || return
    ulimit -S -c unlimited || true
    SOURCE=$BATS_TEST_DIRNAME/fixtures/stacks.c
}

check() {
    python3 "$BATS_TEST_DIRNAME/bt.py" "$@" 3>&-
}

# stacks WORD...: the program in $ME (the fixture, if that is not set); what its threads know goes to `known`.
stacks() {
    spawn "${ME:-$FIXTURES/stacks}" "$@"
    PID=${READY%% *}
    know
}

know() {
    local line
    while line=$(answer) && [ "$line" != end ]; do echo "$line"; done >known
    [ -s known ]
}

# build NAME WORD...: the program NAME, with these options for the compiler $CC or gcc.
build() {
    ${CC:-gcc} -D_GNU_SOURCE -std=gnu17 -pthread "${@:2}" -o "$1" "$SOURCE" 3>&-
    ME=./$1
}

is_as_before() {
    local task
    for task in /proc/"$1"/task/*; do
        if grep -qs $'^State:\t[tT]\|^TracerPid:\t[1-9]' "$task/status"; then
            grep 'State\|Tracer' "$task/status"
            return 1
        fi
    done
    [ -d "/proc/$1/task/$1" ]
}

# hows: which ways there were in the output of dmt-bt
hows() {
    dmt-bt -H -o how "$@" | sort -u | xargs
}

# --- against others --------------------------------------------------------------------------------

@test "bash: eu-stack and gdb have the same frames" {
    need eu-stack gdb
    # shellcheck disable=SC2016
    spawn bash --norc -c 'f() { if [ "$1" = 0 ]; then echo ready $$; read -r _; else f $(($1 - 1)); fi; }; f 20; exit 0'
    soon is_state S "$PID"
    run check same "$PID"
    echo "$output"
    [ "$status" = 0 ]
    [ "${output#* }" = 0 ] && [ "${output% *}" -gt 100 ]
}

@test "python3, deep in recursion through C" {
    need eu-stack gdb /usr/bin/python3
    spawn /usr/bin/python3 -c 'import sys
sys.setrecursionlimit(10000)
def f(n):
    if n == 0:
        print("ready", flush=True)
        sys.stdin.read()
    return n and max([n], key=lambda x: f(n - 1))
f(300)'
    soon is_state S "$PID"
    run check same "$PID"
    echo "$output"
    [ "$status" = 0 ]
    [ "${output#* }" = 0 ] && [ "${output% *}" -gt 1500 ]
}

@test "node: code without files and without call frame information" {
    need eu-stack gdb node
    spawn node -e 'function f(n) { if (n) return f(n - 1) + 1; console.log("ready");
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return 0; }; f(100);'
    soon is_state S "$PID"
    run check node "$PID"
    echo "$output"
    [ "$status" = 0 ]
    dmt-bt -H -o how "$PID/$PID" | grep -c fp | grep -qE '^[1-9][0-9][0-9]'
}

@test "200 threads: eu-stack, gdb and they themselves" {
    need eu-stack gdb
    stacks threads=200 depth=30
    [ "$(check known "$PID" known cfi)" = 6200 ]
    run check same "$PID"
    echo "$output"
    [ "$status" = 0 ]
    [ "${output#* }" = 0 ]
    is_as_before "$PID"
}

@test "many threads, stripped, without and with frame pointers: eu-stack, gdb and they themselves" {
    need eu-stack gdb gcc
    local words n
    n=$(scale 40 200)
    for words in -s -fomit-frame-pointer -fno-omit-frame-pointer; do
        build program -O2 "$words"
        stacks threads="$n" depth=30
        [ "$(check known "$PID" known cfi)" = $((31 * n)) ]
        run check same "$PID"
        echo "$words: $output"
        [ "$status" = 0 ] && [ "${output#* }" = 0 ]
    done
}

@test "threads in the vdso, in stubs of the PLT, in prologues and epilogues" {
    need eu-stack gdb
    spawn "$FIXTURES/hot"
    run check hot "$PID" "$(scale 6 100)"
    echo "$output"
    [ "$status" = 0 ]
    read -r _ vdso plt edge <<<"$output"
    [ "$vdso" -gt 0 ] && [ "$((plt + edge))" -gt 0 ]
    soon is_as_before "$PID"
}

@test "in handlers, on their stack and on another" {
    need eu-stack gdb
    local way
    for way in signal other; do
        stacks threads=4 depth=10 "$way"
        [ "$(check known "$PID" known cfi sig)" = 44 ]
        check same "$PID" eu gdb
    done
}

@test "C++: names as others have them" {
    need eu-stack gdb g++
    cat >names.cc <<'CC'
#include <cstdio>
#include <unistd.h>
#include <vector>
#include <algorithm>
namespace outer { template <typename T> struct box {
    __attribute__((noinline)) T operator()(T n) { if (n == 0) { puts("ready"); fflush(stdout); getchar(); return 0; }
        std::vector<T> v{n}; std::for_each(v.begin(), v.end(), [this](T &x) { x = (*this)(x - 1) + 1; }); return v[0]; }
}; }
int main() { try { return outer::box<int>()(10) == 10 ? 0 : 1; } catch (...) { return 2; } }
CC
    g++ -O1 -g -o names names.cc 3>&-
    spawn ./names
    soon is_state S "$PID"
    check same "$PID" eu gdb
    dmt-bt -H -o function "$PID" | grep -F 'outer::box<int>::operator()(int)'
    dmt-bt -H --raw-names -o function "$PID" | grep -F _ZN5outer3boxIiEclEi
}

@test "Rust: names as others have them" {
    need eu-stack gdb rustc
    cat >names.rs <<'RS'
use std::io::Write;
trait Walk { fn walk(&self, n: u32) -> u32; }
struct Deep;
impl Walk for Deep { #[inline(never)] fn walk(&self, n: u32) -> u32 {
    if n == 0 { println!("ready"); std::io::stdout().flush().unwrap(); let mut s = String::new();
        std::io::stdin().read_line(&mut s).unwrap(); return 0; }
    let w: &dyn Walk = self; let r = w.walk(n - 1); 1 + unsafe { std::ptr::read_volatile(&r) } } }
fn main() { let d: Box<dyn Walk> = Box::new(Deep); std::process::exit((d.walk(9) == 9) as i32); }
RS
    rustc -O -g -o names-rs names.rs 3>&-
    spawn ./names-rs
    soon is_state S "$PID"
    check same "$PID" eu- gdb-
    dmt-bt -H -o function "$PID" | grep -F '<names::Deep as names::Walk>::walk' ||
        dmt-bt -H -o function "$PID" | grep -F 'names_rs::Deep as names_rs::Walk'
}

# --- programs that say little ----------------------------------------------------------------------

@test "stripped; without frame pointer; optimised; with .debug_frame alone" {
    need gcc strip
    build stripped -O2 -s
    stacks threads=3 && [ "$(check known "$PID" known cfi)" = 63 ]
    build omitted -O2 -fomit-frame-pointer
    stacks threads=3 && [ "$(check known "$PID" known cfi)" = 63 ]
    build debug -O1 -g -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables
    readelf -S debug | grep -F .debug_frame
    stacks threads=3 && [ "$(check known "$PID" known cfi)" = 63 ]
}

@test "without call frame information: by the frame pointer, and without that by a search" {
    need gcc
    build pointer -O1 -fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables
    stacks threads=3 && [ "$(check known "$PID" known cfi fp)" = 63 ]
    [ "$(hows "$PID")" = "cfi fp reg" ]
    build nothing -O1 -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables
    stacks threads=3
    # Which word is a return address is a guess: it is said that it was one.
    dmt-bt -H -o how "$PID" | grep -q scan
}

@test "static: without a table to search in" {
    need gcc
    build static -O2 -static
    stacks threads=3 depth=20 && [ "$(check known "$PID" known cfi)" = 63 ]
    build table -O2 -static -Wl,--no-eh-frame-hdr
    run ! grep -F GNU_EH_FRAME <(readelf -lW table)
    stacks threads=3 signal && [ "$(check known "$PID" known cfi sig)" = 63 ]
}

@test "musl, static: its libc has no call frame information" {
    need musl-gcc
    CC=musl-gcc build musl -O1 -static -fno-omit-frame-pointer
    stacks threads=3 depth=20 && [ "$(check known "$PID" known cfi fp scan)" = 63 ]
    stacks threads=3 signal && [ "$(check known "$PID" known cfi fp scan sig)" = 63 ]
}

@test "a deleted program" {
    need eu-stack
    cp "$FIXTURES/stacks" gone
    ME=./gone stacks threads=2
    rm gone
    [ "$(check known "$PID" known cfi)" = 42 ]
    check same "$PID" eu-
    [ "$(dmt-bt -H -o function,object "$PID" | grep -cP '^deep\t.*/gone \(deleted\)$')" = 40 ]
}

@test "in a chroot in a mount namespace of its own" {
    need_root
    need unshare
    mkdir -p root
    # shellcheck disable=SC2016
    spawn unshare -m sh -c 'set -e; mount -t tmpfs none "$0/root"; cd "$0/root"
        for f in $(ldd "$1" | grep -o "/[^ ]*"); do mkdir -p ".${f%/*}"; cp "$f" ".$f"; done
        cp "$1" inside; exec chroot . /inside threads=2' "$PWD" "$FIXTURES/stacks"
    PID=${READY%% *}
    know
    [ ! -e root/inside ]
    [ "$(check known "$PID" known cfi)" = 42 ]
    [ "$(dmt-bt -H -o function "$PID" | grep -cx deep)" = 40 ]
}

@test "a stack that is larger than the first copy; one that is larger than any" {
    stacks depth=2000 size=1000
    [ "$(check known "$PID" known cfi)" = 2001 ]
    stacks depth=9000 size=1000
    run -1 --separate-stderr dmt-bt -H -o reason "$PID"
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"the stack goes on behind what was copied of it" ]]
    [ "$(grep -vcx -e - <<<"$output")" = 1 ]
    [ "$(dmt-bt -H -n 5 "$PID" | wc -l)" = 10 ]
}

# --- other ways ------------------------------------------------------------------------------------

@test "--live has the same frames" {
    stacks threads=3 depth=10
    dmt-bt -H -o tid,frame,pc,function,cfa "$PID" >copied
    dmt-bt --live -H -o tid,frame,pc,function,cfa "$PID" >live # two at a time would be in each other's way
    diff copied live
    [ "$(hows --live "$PID")" = "live reg" ]
    is_as_before "$PID"
}

@test "--nostop: the same frames of threads that wait, and no call sees EINTR" {
    # Where only a search finds the caller it may find who was called before: the dynamic linker, if that came by here.
    LD_BIND_NOW=1 stacks threads=5 depth=10
    # A thread that was stopped goes back to sleep.
    soon eval "dmt-bt --nostop -H -o tid,frame,pc,function $PID >asleep"
    dmt-bt -H -o tid,frame,pc,function "$PID" >stopped
    diff stopped asleep
    soon eval "dmt-bt --nostop $PID >rows"
    [ "$(dmt-bt --nostop -H -o pause_us "$PID" | sort -u)" = - ]
    spawn "$FIXTURES/eintr"
    for _ in {1..20}; do dmt-bt --nostop "$PID" >rows; done
    [ "$(wc -l <rows)" -gt 60 ]
    tell count
    while line=$(answer) && [ "$line" != end ]; do [ "${line#* }" = "0 0" ] || { echo "$line"; return 1; }; done
}

@test "--nostop: a thread that runs has no stack, and it says so" {
    spawn sh -c 'echo ready; while :; do :; done'
    run -1 --separate-stderr dmt-bt --nostop -H -o frame,reason "$PID"
    [[ $output == "-"$'\t'"it r"* && ${#stderr_lines[@]} = 1 ]]
}

@test "a core has the rows of the process" {
    need gdb
    local way
    for way in '' signal other; do
        # shellcheck disable=SC2086
        stacks threads=3 depth=10 $way
        take_gcore "$PID" core
        [ "$(check core "$PID" core)" -gt 40 ]
    done
    stacks threads=2 depth=5
    dmt-bt -H -o tid,frame,pc,function,how,cfa "$PID" >live
    take_kernel_core "$PID" core
    diff live <(dmt-bt -H -o tid,frame,pc,function,how,cfa core)
    [ "$(dmt-bt -H -o state,thread_name,pause_us core | sort -u)" = $'-\t-\t-' ]
    run -3 dmt-bt --live core
    dmt-bt --nostop core # nobody would be stopped
}

@test "threads of choice, and the first one" {
    stacks threads=3 depth=5
    local tid
    tid=$(cut -d' ' -f1 known | sed -n 2p)
    [ "$(dmt-bt -H -o tid "$PID/$tid" | sort -u)" = "$tid" ]
    [ "$(dmt-bt -H -o tid -1 "$PID" | sort -u)" = "$PID" ]
    [ "$(dmt-bt -H -o frame -n 1 "$PID" | xargs)" = "0 0 0 0" ]
    run -1 --separate-stderr dmt-bt -H "$PID/1"
    [[ -z $output && ${#stderr_lines[@]} = 1 ]]
}

@test "several targets: one after the other, and one that is not there is left out" {
    stacks threads=2 depth=5
    local first=$PID tid gone=4194305
    tid=$(cut -d' ' -f1 known | sed -n 2p)
    spawn "$FIXTURES/parked" threads=1
    dmt-bt -H -o pid,tid,frame,pc,function "$first/$tid" >want
    dmt-bt -H -o pid,tid,frame,pc,function "$PID" >>want
    [ "$(cut -f1 want | uniq | xargs)" = "$first $PID" ]
    run -1 --separate-stderr dmt-bt -H -o pid,tid,frame,pc,function "$first/$tid" "$gone" "$PID"
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"$gone"* ]]
    diff want <(echo "$output")
    diff want <(dmt-bt -H -o pid,tid,frame,pc,function -p "$first/$tid,$PID")
    diff want <(printf '%s\n' "$first/$tid" "$PID" | dmt-bt -H -o pid,tid,frame,pc,function -)
}

@test "system calls are those of /proc, with their arguments; states those of ps" {
    local want
    spawn sh -c 'echo ready; exec cat'
    soon is_state S "$PID"
    soon grep -q '^0 0x0 ' "/proc/$PID/syscall"
    read -r -a want <"/proc/$PID/syscall"
    [ "$(dmt-bt -1 -n 1 -H -o syscall "$PID" | grep -oE '0x[0-9a-f]+|[0-9]+' | xargs printf '%d\n' | xargs)" = \
        "$(printf '%d\n' "${want[@]:0:7}" | xargs)" ]
    [ "$(dmt-bt -1 -n 1 -H -o state,thread_name "$PID")" = $'S\tcat' ]
    kill -STOP "$PID"
    soon is_state T "$PID"
    [ "$(dmt-bt -1 -n 1 -H -o state "$PID")" = T ]
    is_state T "$PID"
    kill -CONT "$PID"
    spawn sh -c 'echo ready; while :; do :; done'
    soon is_state R "$PID"
    soon eval "[ \"\$(dmt-bt -n 1 -H -o state,syscall $PID)\" = $'R\t-' ]"
}

@test "state, name, system call" {
    spawn "$FIXTURES/parked" threads=2
    [ "$(dmt-bt -H -n 1 -o thread_name,state "$PID" | tail -n 2)" = $'thread-1\tS\nthread-2\tS' ]
    # pause(2)
    [ "$(dmt-bt -H -n 1 -o syscall "$PID" | tail -n 1 | cut -d'(' -f1)" = 34 ]
}

@test "--running: threads that run, and no others" {
    spawn sh -c 'echo ready; while :; do :; done'
    soon is_state R "$PID"
    soon eval "[ \"\$(dmt-bt --running -H -n 1 -o tid,state $PID | xargs)\" = '$PID R' ]"
    stacks threads=2
    run -0 dmt-bt --running -H "$PID"
    [ -z "$output" ]
}

@test "--folded: every stack once, outermost first" {
    stacks threads=20 depth=4
    dmt-bt --folded --samples=3 --interval=1 "$PID" >lines
    [ "$(awk '{ n += $NF } END { print n }' lines)" = 63 ]
    grep -E '^stacks;.*start_thread.*;thread;deep;deep;deep;deep;park;.*pause.* 60$' lines
    [ "$(wc -l <lines)" = 2 ]
}

# switches TID: how often that thread has gone to sleep.
switches() {
    sed -n 's/^voluntary_ctxt_switches:.//p' "/proc/$PID/task/$1/status"
}

has_slept_again() {
    [ "$(switches "$PID")" -gt "$1" ]
}

@test "--samples: who sleeps where it did is not stopped again" {
    local tid before=()
    spawn "$FIXTURES/guest" idle=3
    for tid in $READY; do before[tid]=$(switches "$tid"); done
    dmt-bt --folded --samples=100 --interval=0 "$PID" >lines
    [ "$(awk '{ n += $NF } END { print n }' lines)" = 400 ]
    [ "$(grep -c ' 300$' lines)" = 1 ]
    # A stop is two: into it, and back to sleep.
    for tid in $READY; do
        echo "$tid: ${before[tid]} $(switches "$tid")"
        [ "$(switches "$tid")" -le $((before[tid] + 10)) ]
    done
}

@test "--samples: who waits at the same place, but was called by another, is seen" {
    local n before
    spawn "$FIXTURES/twin"
    before=$(switches "$PID")
    dmt-bt --folded --samples=100 --interval=10 "$PID" >lines 3>&- &
    local sampler=$!
    soon has_slept_again "$before"
    printf x >&"$SPAWN_IN"
    wait "$sampler"
    cat lines
    for n in left right; do grep -E "^twin;.*;main;$n;wait_here;.*read [0-9]+\$" lines; done
    [ "$(awk '{ n += $NF } END { print n }' lines)" = 100 ]
}

# --- a guest ---------------------------------------------------------------------------------------

@test "a process that executes itself, and threads that end at once" {
    local way i status
    for way in threads exec exec-thread; do
        spawn "$FIXTURES/restless" "$way"
        for ((i = 0; i < $(scale 40 1000); i++)); do
            status=0
            dmt-bt "$PID" >rows 2>errors || status=$?
            [ "$status" -le 1 ] || { cat errors; return 1; }
        done
        for ((i = 0; i < $(scale 5 200); i++)); do
            status=0
            dmt-bt --folded --samples=50 --interval=0 "$PID" >rows 2>errors || status=$?
            [ "$status" -le 1 ] || { cat errors; return 1; }
        done
        soon is_as_before "$PID"
        kill -0 "$PID"
    done
}

# --- refusals --------------------------------------------------------------------------------------

@test "usage" {
    local words
    for words in '' 'x' '-n 0 self' '--max-stop=0 self' '--nostop --live self' '--samples=2 self' '--folded -s self' \
        '--folded -o pid self' '--nostop --running self' '--folded --samples=0 self'; do
        # shellcheck disable=SC2086
        run -2 --separate-stderr dmt-bt $words
        [[ -z $output && ${#stderr_lines[@]} = 1 ]] || { echo "$words: $output $stderr"; return 1; }
    done
}

@test "who may not be stopped: the reason, status 3" {
    need_root
    need setpriv
    stacks threads=2
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-bt "$PID"
    [ "${#stderr_lines[@]}" = 1 ]
    run -3 --separate-stderr dmt-bt -H -o tid,frame,reason self
    [[ $output == *$'\t-\t'*"this very process"* && ${#stderr_lines[@]} = 1 ]]
    sleep 0 3>&- &
    local gone=$!
    wait "$gone"
    run -1 --separate-stderr dmt-bt "$gone"
    [ "${#stderr_lines[@]}" = 1 ]
}

@test "a thread that is traced by another is a row, and the others have stacks" {
    need strace
    stacks threads=3 depth=5
    local tid
    tid=$(cut -d' ' -f1 known | sed -n 2p)
    command strace -qq -o trace -p "$tid" 3>&- &
    local tracer=$!
    soon grep -q "TracerPid:.$tracer" "/proc/$tid/status"
    run -3 --separate-stderr dmt-bt -H -o tid,frame,reason "$PID"
    kill "$tracer"
    [ "$(awk -F'\t' -v tid="$tid" '$1 == tid { print $2 }' <<<"$output")" = - ]
    [ "$(awk -F'\t' '$2 != "-" { print $1 }' <<<"$output" | sort -u | wc -l)" = 3 ]
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"$tid"* ]]
}
