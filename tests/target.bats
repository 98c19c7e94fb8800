#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# One line, two kinds of target: what a core records is what the process showed, in the same rows.
load helpers

setup() {
    cd "$BATS_TEST_TMPDIR" || return
    export GLIBC_TUNABLES=glibc.pthread.rseq=0 # else the kernel writes to it
    LINES=()
}

# parked: a process that sleeps; TIDS are its threads.
parked() {
    need python3
    spawn "$FIXTURES/core" threads=2
    python3 "$BATS_TEST_DIRNAME/core.py" at_rest "$PID" 3>&-
    mapfile -t TIDS < <(cd "/proc/$PID/task" && printf '%s\n' [0-9]* | sort -n)
}

# line TEXT: a line of shell, in which TARGET stands for the process and its cores.
line() {
    LINES+=("$1")
}

# cores_agree: each line has rows, and the same for the process and for both kinds of cores of it.
cores_agree() {
    local i core
    for i in "${!LINES[@]}"; do
        bash -euo pipefail -c "${LINES[i]//TARGET/$PID}" >"live.$i" 3>&-
        echo "${LINES[i]}: $(wc -l <"live.$i") lines"
        [ "$(wc -l <"live.$i")" -gt 1 ]
    done
    take_gcore "$PID" gcore
    take_kernel_core "$PID" kernel
    for i in "${!LINES[@]}"; do
        for core in ./gcore ./kernel; do
            echo "$core: ${LINES[i]}"
            bash -euo pipefail -c "${LINES[i]//TARGET/$core}" >core.out 3>&-
            diff "live.$i" core.out
        done
    done
}

@test "dmt-map: files, addresses, offsets, build-ids" {
    parked
    line 'dmt-map -o path,pid,start,end,offset,deleted,size TARGET | grep ^/'
    line 'dmt-map -o path,build_id,bias TARGET | grep ^/'
    line 'dmt-map -o path,start,end TARGET | grep -E "^\[(vdso|stack)"'
    cores_agree
}

@test "dmt-peek: registers of all threads" {
    parked
    line 'dmt-peek -r gp TARGET'
    line 'dmt-peek -r fp TARGET'
    line 'dmt-peek -r vector TARGET'
    line "dmt-peek -r gp TARGET/${TIDS[1]}"
    line "dmt-peek -f hex TARGET/${TIDS[1]} %rip %rsp %eax %xmm7 %st0 %r12d"
    cores_agree
}

@test "dmt-peek: memory by address, register and symbol" {
    parked
    local text data
    text=$(dmt-map -o perms,start,path "$PID" | awk -F'\t' '$1 == "r-xp" && $3 ~ /libc/ { print $2 }')
    data=$(dmt-map -o perms,start,path "$PID" | awk -F'\t' '$1 == "rw-p" && $3 ~ /libc/ { print $2 }')
    line "dmt-peek TARGET $text,4096"
    line "dmt-peek --raw TARGET $text,100000 | od -An -tx1"
    line "dmt-peek -f x8 TARGET $data,100"
    line "dmt-peek TARGET/${TIDS[2]} %rsp+0,256"
    line "dmt-peek TARGET/${TIDS[1]} %rip-16,32"
    line 'dmt-peek TARGET main,32 started,16'
    line 'dmt-peek TARGET pause@libc.so.6,16'
    cores_agree
}

@test "dmt-sym: addresses and names" {
    parked
    local pc
    pc=$(dmt-peek -f hex "$PID/${TIDS[1]}" %rip | field value)
    line "dmt-sym TARGET $pc main malloc"
    cores_agree
}
