#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Core files as targets, written by gdb and by the kernel: see core.py. Made and hostile ones: tests/unit/core.c.
load helpers

setup() {
    need python3 eu-readelf readelf gdb
    cd "$BATS_TEST_TMPDIR" || return
    # A registered rseq area is written to whenever the thread runs on another processor.
    export GLIBC_TUNABLES=glibc.pthread.rseq=0
}

check() {
    python3 "$BATS_TEST_DIRNAME/core.py" "$@" 3>&-
}

# parked WORD...: a process to take cores of, and what is in it.
parked() {
    local name
    for name in file private shared deleted; do head -c 20000 /dev/urandom >"$name"; done
    spawn "$FIXTURES/core" threads=3 file="$PWD/file" private="$PWD/private" shared="$PWD/shared" \
        deleted="$PWD/deleted" anon "$@"
    check snapshot "$PID" snap
}

# refuses STATUS TEXT COMMAND...: it ends so, with one line that has TEXT, and shows no row.
refuses() {
    local status=0 want=$1 text=$2
    shift 2
    "$@" >out 2>err || status=$?
    [ "$status" = "$want" ]
    [ "$(wc -l <err)" = 1 ]
    grep -qF -- "$text" err
    [ "$(wc -l <out)" -le 1 ]
}

@test "gcore: threads and registers are those of eu-readelf and gdb" {
    parked
    take_gcore "$PID" core
    [ "$(check threads core)" = 5 ]
    [ "$(check gdb core "$FIXTURES/core")" = 155 ]
}

@test "gcore: mappings are those of readelf and of the process" {
    parked
    take_gcore "$PID" core
    check maps core
    check same_maps core snap
}

@test "gcore: no byte differs from the process, whatever coredump_filter left out" {
    # As below; without the stacks gdb's core says nothing of what is code.
    for filter in $(scale '0x33:95 3:20' '0x7f:99 0x33:95 0x31:95 0x10:0 3:20 0:0'); do
        parked "filter=${filter%:*}"
        take_gcore "$PID" core
        echo "filter $filter"
        check memory core snap "${filter#*:}"
    done
}

@test "kernel: threads and registers are those of eu-readelf and gdb" {
    parked
    take_kernel_core "$PID" core
    [ "$(check threads core)" = 5 ]
    [ "$(check gdb core "$FIXTURES/core")" = 155 ]
}

@test "kernel: mappings are those of readelf and of the process" {
    parked
    take_kernel_core "$PID" core
    check maps core
    check same_maps core snap
}

@test "kernel: no byte differs from the process, whatever coredump_filter left out" {
    # All pages; the default; no shared ones; no private ones (what was written to is not taken from the file);
    # no headers of ELF files (no file is known to be the same); nothing.
    for filter in $(scale '0x33:95 0x10:30 3:25' '0x7f:99 0x33:95 0x31:95 0x10:30 3:25 0:0'); do
        parked "filter=${filter%:*}"
        take_kernel_core "$PID" core
        echo "filter $filter"
        check memory core snap "${filter#*:}"
        check same_maps core snap
    done
}

@test "a file that was replaced is not read" {
    cp "$FIXTURES/core" program
    cp program kept
    spawn ./program
    check snapshot "$PID" snap
    take_kernel_core "$PID" core
    local text
    text=$(dmt-map -o perms,start,path core | awk -F'\t' '$1 == "r-x" && $3 ~ /program$/ { print $2 }')
    dmt-peek --raw core "$text,16" >first
    [ "$(wc -c <first)" = 16 ]
    rm program
    refuses 1 "no such file" dmt-peek core "$text,16"
    cp "$FIXTURES/counter" program
    refuses 1 "another build" dmt-peek core "$text,16"
    [ "$(dmt-map -o build_id,path core | grep -c "$(readelf -n kept | sed -n 's/.*Build ID: //p')")" -ge 4 ]
    objcopy --remove-section=.note.gnu.build-id kept program
    refuses 1 "no build-id" dmt-peek core "$text,16"
    rm program
    mkfifo program
    refuses 1 "not a regular file" timeout 5 dmt-peek core "$text,16"
    rm program
    mv kept program
    dmt-peek --raw core "$text,16" | cmp - first
}

@test "a core that is cut off is read as far as it goes" {
    parked
    take_kernel_core "$PID" whole
    local size at status
    size=$(stat -c %s whole)
    for at in 0 1 63 64 1000 5000 20000 $((size / 2)) $((size - 5000)); do
        cp whole core
        truncate -s "$at" core
        for words in 'dmt-map core' 'dmt-peek -r all core'; do
            status=0
            $words >out 2>err || status=$?
            echo "$at $words: $status $(cat err)"
            [ "$status" = 0 ] || [ "$status" = 3 ]
            [ "$(wc -l <err)" = $((status != 0)) ]
        done
    done
    [ "$status" = 0 ]
    local last
    # The core ends with the stack and a page of [vsyscall].
    last=$(readelf -lW whole | awk '$1 == "LOAD" && $7 == "RW" && $5 != "0x000000" { a = $3 " + " $6 } END { print a }')
    last=$(printf '0x%x' $((last - 16)))
    refuses 1 "cut off" dmt-peek core "$last,16"
    dmt-peek --raw whole "$last,16" >/dev/null
}

@test "what is no core is said" {
    refuses 3 "no core" dmt-map "$FIXTURES/core"
    refuses 3 "no core" dmt-map "$PWD"
    refuses 3 "not an ELF file" dmt-map "$BATS_TEST_DIRNAME/core.py"
    refuses 3 "no core" dmt-map /dev/null
    mkfifo fifo
    refuses 3 "no core" timeout 5 dmt-map fifo
    parked
    take_gcore "$PID" core
    printf '\026\0' | dd of=core bs=1 seek=18 conv=notrunc status=none # e_machine: s390
    refuses 3 "another machine" dmt-map core
    printf '\003\0' | dd of=core bs=1 seek=18 conv=notrunc status=none # i386
    refuses 3 "another machine" dmt-peek -r gp core
}

@test "threads of a core; what a core cannot do" {
    parked
    take_gcore "$PID" core
    local tids first
    tids=$(dmt-peek -r gp core | field tid | sort -un)
    [ "$(wc -l <<<"$tids")" = 5 ]
    first=$(sed -n 2p <<<"$tids")
    [ "$(dmt-peek -r gp "core/$first" | field tid | sort -u)" = "$first" ]
    [ "$(dmt-peek -r gp "./core/$first-$((first + 1))" | field tid | sort -u | wc -l)" -ge 1 ]
    refuses 1 "no such thread" dmt-peek -r gp "core/1"
    refuses 3 "no debug registers" dmt-peek -r debug "core/$first"
    refuses 3 "not possible on a core file" dmt-poke -f unsigned1 core 0x1000 1
}

@test "a core that was made to take long does not" {
    # Processor time: how loaded the machine is does not matter. Each takes less than a second where nothing is sanitised.
    local seconds=5 words core status
    [ -z "$DMT_SAN" ] || seconds=120
    for words in 'modules dmt-map -o build_id,bias @' 'modules dmt-sym @ main' 'modules dmt-peek -r all @' \
        'holes dmt-peek --raw --holes=skip @ 0x10000000,0x20000000'; do
        core=${words%% *}
        [ -e "$core" ] || check costly "$core" "$core"
        words=${words#* }
        status=0
        # shellcheck disable=SC2086
        (ulimit -t "$seconds" && exec ${words/@/$core}) 2>err >/dev/null || status=$?
        echo "$core $words: $status $(head -n 1 err)"
        [ "$status" -le 3 ] && [ "$status" != 2 ]
        [ "$(wc -l <err)" -le 1 ]
    done
}

@test "mutants end well and soon" {
    spawn "$FIXTURES/core" small
    take_kernel_core "$PID" core
    local data
    data=$(dmt-map -o perms,start core | awk '$1 == "rw-" { print $2; exit }')
    "$FIXTURES/mutants" "$(scale "$([ "$DMT_SAN" ] && echo 400 || echo 2000)" 200000)" core \
        'dmt-map @' 'dmt-map -o all @' 'dmt-peek -r all @' 'dmt-sym @ main' "dmt-peek --holes=skip @ $data,65536" 3>&-
}
