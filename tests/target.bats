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

# cores_agree: each line has rows, and the same for the process and for both kinds of cores of it. Behind it stand
# two that are left of the process: gcore and kernel.
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
            # gdb before 14 writes pkru of AMD's processors as 0.
            if [ "$core" = ./gcore ]; then
                diff <(grep -v $'\tpkru\t' "live.$i") <(grep -v $'\tpkru\t' core.out)
            else
                diff "live.$i" core.out
            fi
        done
    done
}

# all_columns: each column of dmt-map, for each mapping of a file: as the process had it, or `-`.
all_columns() {
    dmt-map -o all "$PID" >live.maps
}

columns_agree() {
    local core
    for core in gcore kernel; do
        dmt-map -o all "$core" >core.maps
        python3 "$BATS_TEST_DIRNAME/core.py" columns live.maps core.maps "$core" 3>&-
    done
}

@test "dmt-map: files, addresses, offsets, build-ids" {
    parked
    line 'dmt-map -o path,pid,start,end,offset,deleted,size TARGET | grep ^/'
    line 'dmt-map -o path,build_id,bias TARGET | grep ^/'
    line 'dmt-map -o path,start,end TARGET | grep -E "^\[(vdso|stack)"'
    all_columns
    cores_agree
    columns_agree
}

@test "dmt-peek: registers of all threads" {
    parked
    line 'dmt-peek -r gp TARGET'
    line 'dmt-peek -r fp TARGET'
    line 'dmt-peek -r vector TARGET'
    line "dmt-peek -r gp TARGET/${TIDS[1]}"
    line "dmt-peek -f hex TARGET/${TIDS[1]} %rip %rsp %eax %xmm7 %st0 %r12d"
    line "dmt-peek -r gp,fp,vector -o all TARGET/${TIDS[1]}"
    cores_agree
    # A core has no debug registers: they are said to be missing where they alone are asked for, else left out.
    local core
    for core in gcore kernel; do
        run -3 --separate-stderr dmt-peek -H -r debug "$core/${TIDS[1]}"
        [ "$output" = "" ]
        [[ $stderr == "dmt-peek: "*": the core has no debug registers" ]]
        diff <(dmt-peek -r all "$core") <(dmt-peek -r gp,fp,vector "$core")
    done
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
    line 'dmt-peek -f pointer TARGET environ started,2'
    line 'dmt-peek -f float4 TARGET started+0,8'
    line 'dmt-peek -f char TARGET started,8'
    line "dmt-peek --holes=zero TARGET $data,65536"
    line "dmt-peek --holes=skip TARGET $data,65536"
    line "dmt-peek -o all -f signed4 TARGET $data,10"
    cores_agree
}

@test "dmt-peek: strings" {
    parked
    local strings
    strings=$(dmt-peek -f pointer "$PID" environ | field value)
    strings=$(dmt-peek -f pointer "$PID" "$strings" | field value)
    line "dmt-peek -f string TARGET $strings,3"
    line "dmt-peek -f char TARGET $strings,30"
    line "dmt-peek --raw TARGET $strings,64 | od -An -c"
    cores_agree
}

@test "FILE:LINE is an address, and an address has FILE:LINE" {
    parked
    local at
    at=core.c:$(grep -n '^int main(' "$BATS_TEST_DIRNAME/fixtures/core.c" | cut -d: -f1)
    dmt-sym "$PID" "$at" >/dev/null || skip "the fixture has no lines"
    line "dmt-peek TARGET $at,16"
    line "dmt-sym -s TARGET $at main"
    line "dmt-sym -s TARGET $(dmt-sym -H -o addr "$PID" main | head -n 1)"
    cores_agree
}

@test "dmt-sym: addresses and names" {
    parked
    local pc
    pc=$(dmt-peek -f hex "$PID/${TIDS[1]}" %rip | field value)
    line "dmt-sym TARGET $pc main malloc"
    line "dmt-sym -o all TARGET $pc main started environ"
    line "dmt-sym --raw-names TARGET main+4 malloc"
    line "dmt-sym TARGET"
    cores_agree
}

# dumps COMMAND...: a process that the kernel may write a core of.
dumps() {
    ulimit -S -c unlimited 2>/dev/null || skip "no cores here: ulimit -c is $(ulimit -H -c)"
    spawn "$@"
}

@test "python3: mappings, registers, memory, symbols" {
    need python3
    dumps python3 -c 'import ctypes, sqlite3; print("ready", flush=True); input()'
    python3 "$BATS_TEST_DIRNAME/core.py" at_rest "$PID" 3>&-
    line 'dmt-map -o path,start,end,offset,deleted,size,build_id,bias TARGET | grep ^/'
    line 'dmt-peek -r gp,fp,vector TARGET'
    line 'dmt-peek TARGET %rsp+0,512'
    line 'dmt-peek --raw TARGET Py_Initialize,64 | od -An -tx1'
    line 'dmt-sym TARGET Py_Initialize malloc PyObject_Repr+9'
    line "dmt-sym TARGET $(dmt-peek -f hex "$PID" %rip | field value)"
    all_columns
    cores_agree
    columns_agree
}

# It has threads that go on working: what they do not change.
@test "node: mappings of files, code, symbols" {
    need node python3
    dumps node -e 'console.log("ready"); process.stdin.resume()'
    line 'dmt-map -o path,start,end,offset,deleted,size,build_id,bias TARGET | grep ^/'
    line 'dmt-peek --raw TARGET main,64 | od -An -tx1'
    line 'dmt-peek TARGET environ@libc.so.6,8'
    line 'dmt-sym TARGET main uv_run malloc uv_run+9'
    line "dmt-sym TARGET $(dmt-sym -H -o addr "$PID" uv_run | head -n 1)"
    all_columns
    cores_agree
    columns_agree
}
