#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Go programs, normal, stripped (-s -w) and position-independent, against what Go's own tools and the programs say of
# themselves: dmt-sym and dmt-peek, dmt-bt and its goroutines.
load helpers

check() {
    need python3 readelf
    local sum
    sum=$(PYTHONPATH='' python3 "$BATS_TEST_DIRNAME/go.py" "$@" 3>&-) || { echo "$sum"; return 1; }
    echo "# $sum"
    [ -z "${DMT_SOAK:-}" ] || echo "# $*: $sum" >&3
}

# The programs are kept beside the build, with what the compiler makes of the library: go build makes those anew that are
# not of this source.
setup_file() {
    command -v go >/dev/null || return 0
    export GOCACHE=$DMT_BUILD/go-cache GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0
    local at=$BATS_TEST_DIRNAME/fixtures/go to=$DMT_BUILD/go
    go build -o "$to/normal" "$at/states.go"
    go build -ldflags '-s -w' -o "$to/stripped" "$at/states.go"
    go build -ldflags -w -o "$to/named" "$at/states.go" # symbols, and no DWARF
    go build -buildmode=pie -o "$to/pie" "$at/states.go"
    go build -buildmode=pie -ldflags '-s -w' -o "$to/pie-stripped" "$at/states.go"
    go build -ldflags '-s -w' -o "$to/busy" "$at/busy.go"
    go build -o "$to/busy-symbols" "$at/busy.go"
    go build -ldflags '-s -w' -o "$to/moving" "$at/moving.go"
    go build -o "$to/clock" "$at/clock.go"
    go build -buildmode=pie -ldflags '-s -w' -o "$to/clock-stripped" "$at/clock.go"
    command -v cc >/dev/null || return 0
    # Linked by ld: the text begins with C, and the tables of a position-independent program have no section of their own.
    CGO_ENABLED=1 go build -ldflags '-s -w -linkmode=external' -o "$to/cgo" "$at/cgo.go"
    CGO_ENABLED=1 go build -buildmode=pie -ldflags '-s -w' -o "$to/cgo-pie" "$at/cgo.go"
}

setup() {
    need go
    AT=$DMT_BUILD/go
}

# run_states PROGRAM: its goroutines wait where they will.
run_states() {
    DUMP=$BATS_TEST_TMPDIR/dump.$1 ERR=$BATS_TEST_TMPDIR/err.$1 ROWS=$BATS_TEST_TMPDIR/rows.$1
    export GOTRACEBACK=system GOGC=off # no collector's goroutine runs when we look
    # shellcheck disable=SC2016
    spawn bash -c 'exec "$0" 2>"$1"' "$AT/$1" "$ERR"
}

goroutines() {
    need python3
    PYTHONPATH='' python3 "$BATS_TEST_DIRNAME/go.py" rows "$1" >"$ROWS" 3>&-
}

# Asks the program for its stacks; the number of the goroutine that wrote them.
ask_dump() {
    tell "$DUMP"
    answer | sed 's/^done //'
}

all_stopped() {
    ! grep -L '^State:.T' "/proc/$1/task/"*/status | grep -q .
}

all_asleep() {
    ! grep -L '^State:.S' "/proc/$1/task/"*/status | grep -q .
}

# --- symbols -----------------------------------------------------------------------------------

@test "the functions of a stripped Go program are those of the same program with symbols, and go tool nm's" {
    check names "$AT/normal" "$AT/stripped"
    check names "$AT/pie" "$AT/pie-stripped"
}

@test "random addresses of Go programs have the functions and lines of go tool addr2line" {
    n=$(scale 1000 10000)
    check random "$n" "$AT/stripped"
    check random "$n" "$(go env GOROOT)/bin/go"
    check random "$n" "$(go env GOTOOLDIR)/compile"
}

@test "lines of a stripped Go program begin where go tool objdump has them" {
    for f in main.deep main.fault main.start; do
        check line "$AT/normal" "$AT/stripped" "$f"
    done
}

# Both ways, what the program says itself.
addresses_hold() {
    local pair name addr
    for pair in $(tr ' ' '\n' <<<"$READY" | grep '='); do
        name=${pair%=*} addr=${pair##*=}
        [ "$(dmt-sym -H -o addr,type "$1" "$name")" = "$addr"$'\t'function ] || { dmt-sym "$1" "$name"; return 1; }
        [ "$(dmt-sym -H -o name,value "$1" "$(printf '0x%x' $((addr + 5)))")" = "$name"$'\t'"$addr" ]
        [ "$(dmt-sym -s -H -o file,line "$1" "$addr")" != $'-\t-' ]
        [ "$(dmt-peek -H -o addr -f x1 "$1" "$name,1")" = "$addr" ]
    done
}

@test "names of a Go process, stripped and position-independent, are where the program has them; in its core too" {
    for program in normal stripped pie pie-stripped; do
        run_states "$program"
        addresses_hold "$PID"
    done
    command -v gcore >/dev/null || return 0
    take_gcore "$PID" "$BATS_TEST_TMPDIR/core"
    addresses_hold "$BATS_TEST_TMPDIR/core"
}

@test "a Go program without section headers has the same functions" {
    cp "$AT/stripped" "$BATS_TEST_TMPDIR/bare"
    for at in 40 58 59 60 61 62 63; do # e_shoff, e_shentsize, e_shnum, e_shstrndx
        printf '\0\0\0\0\0\0\0\0' | dd of="$BATS_TEST_TMPDIR/bare" bs=1 seek=$at count=$((at == 40 ? 8 : 1)) conv=notrunc status=none
    done
    run -0 --separate-stderr readelf -SW "$BATS_TEST_TMPDIR/bare"
    [[ $output == *"no sections"* ]]
    [ "$(dmt-sym -o addr,size,name "$BATS_TEST_TMPDIR/bare" | sort)" = "$(dmt-sym -o addr,size,name "$AT/stripped" | sort)" ]
}

@test "cut and damaged Go programs: an answer or one line, never a crash" {
    size=$(stat -c %s "$AT/stripped")
    table=$(readelf -SW "$AT/stripped" | sed -n 's/.*\.gopclntab *PROGBITS *[0-9a-f]* \([0-9a-f]*\) \([0-9a-f]*\) .*/\1 \2/p')
    at=$((16#${table% *})) bytes=$((16#${table#* }))
    for i in $(seq "$(scale 20 2000)"); do
        cp "$AT/stripped" "$BATS_TEST_TMPDIR/bad"
        if ((i % 4 == 0)); then
            truncate -s $((RANDOM * RANDOM % size)) "$BATS_TEST_TMPDIR/bad"
        else
            for _ in 1 2 3 4 5 6 7 8; do # most near its beginning, where the offsets are
                # shellcheck disable=SC2059
                printf "\\x$(printf %x $((RANDOM % 256)))" | dd of="$BATS_TEST_TMPDIR/bad" bs=1 conv=notrunc status=none \
                    seek=$((at + (RANDOM % 2 ? RANDOM % 128 : RANDOM * RANDOM % bytes)))
            done
        fi
        status=0
        dmt-sym -s "$BATS_TEST_TMPDIR/bad" main.main 0x401234 main.start+8 states.go:60 \
            >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
        [ "$status" -le 3 ] || { cat "$BATS_TEST_TMPDIR/err"; return 1; }
        ! grep -E 'crashed|took|Sanitizer' "$BATS_TEST_TMPDIR/err"
    done
}

# --- stacks of threads --------------------------------------------------------------------------

bt() {
    PYTHONPATH='' python3 "$BATS_TEST_DIRNAME/bt.py" "$@" 3>&-
}

@test "threads of a Go program, normal, stripped, position-independent: the frames are gdb's, and none is guessed" {
    need gdb nm
    for program in normal stripped pie pie-stripped; do
        run_states "$program"
        soon all_asleep "$PID"
        kill -STOP "$PID" # the runtime's own threads wake up now and then
        soon all_stopped "$PID"
        sum=$(bt go "$PID" "$AT/$(sed "s/^stripped/normal/; s/-stripped//" <<<"$program")" "$(grep -o 'main\.main=[^ ]*' <<<"$READY" | cut -d= -f2)")
        echo "# $sum"
        # No thread that waits is on a stack that is not known, and no frame is by anything but Go's tables.
        [[ "$sum" =~ ^[0-9]+\ go=([0-9]+)\ reg=[0-9]+\ 0$ ]]
        [ "${BASH_REMATCH[1]}" -ge 20 ]
    done
}

@test "a core of a stripped Go program has the frames of the process" {
    local columns=tid,frame,pc,function,how,file,line,reason
    need gcore
    run_states pie-stripped
    soon all_asleep "$PID" # the runtime still starts threads
    kill -STOP "$PID"
    soon all_stopped "$PID"
    dmt-bt -H -s -o "$columns" "$PID" >"$BATS_TEST_TMPDIR/live"
    take_gcore "$PID" "$BATS_TEST_TMPDIR/core"
    diff "$BATS_TEST_TMPDIR/live" <(dmt-bt -H -s -o "$columns" "$BATS_TEST_TMPDIR/core")
    grep -P '\tmain\.main\tgo\t.*/states\.go\t' "$BATS_TEST_TMPDIR/live"
}

# Stops PROCESS where its busiest thread, TID, is in the vDSO by what the kernel says, or lets it go on.
stopped_in_vdso() {
    local call sp pc range
    kill -STOP "$1"
    soon all_stopped "$1"
    TID=$(sed 's/(.*)/x/' "/proc/$1/task/"*/stat | sort -rnk 14,14 | awk 'NR == 1 { print $1 }')
    range=$(sed -n 's/ .*\[vdso\]$//p' "/proc/$1/maps")
    read -r call sp pc _ <"/proc/$1/task/$TID/syscall"
    if [ "$call" = -1 ] && [ $((pc >= 0x${range%-*} && pc < 0x${range#*-})) = 1 ]; then
        return 0
    fi
    kill -CONT "$1"
    return 1
}

# in_time FUNCTION...: the rows of a stack are, but for those of the vDSO, these, and none has a reason.
in_time() {
    diff <(printf '%s\t-\n' "${@}") <(sed '/\t\[vdso\]\t/d; s/\.abi0\t/\t/; s/\t[^\t]*\t/\t/')
}

@test "a Go thread in the vDSO has its whole stack, and its goroutine: stripped, position-independent, in a core" {
    local of
    for program in clock clock-stripped; do
        spawn "$AT/$program"
        soon stopped_in_vdso "$PID"
        take_gcore "$PID" "$BATS_TEST_TMPDIR/core"
        for of in "$PID" "$BATS_TEST_TMPDIR/core"; do
            dmt-bt -H -o function,object,reason "$of/$TID" >"$BATS_TEST_TMPDIR/rows"
            [ "$(grep -c '\[vdso\]' "$BATS_TEST_TMPDIR/rows")" -ge 1 ]
            in_time time.now time.Now main.watch runtime.goexit <"$BATS_TEST_TMPDIR/rows"
            dmt-bt --goroutines -H -o function,object,reason,tid,state "$of" >"$BATS_TEST_TMPDIR/rows"
            sed -n "s/\t$TID\trunning\$//p" "$BATS_TEST_TMPDIR/rows" | in_time time.Now main.watch runtime.goexit
        done
        kill -KILL "$PID"
    done
}

@test "a Go thread that goes to the vDSO and back: whenever it is looked at, its stack is whole" {
    local seen=0 running=0
    spawn "$AT/clock-stripped"
    until [ "$seen" -ge "$(scale 5 300)" ] && [ "$running" -ge "$(scale 5 300)" ]; do
        dmt-bt -H -o tid,function,object,reason "$PID" >"$BATS_TEST_TMPDIR/rows" || true
        TID=$(sed -n 's/\tmain\.watch\t.*//p' "$BATS_TEST_TMPDIR/rows")
        [ -z "$TID" ] || [ "$(grep "^$TID"$'\t' "$BATS_TEST_TMPDIR/rows" | tail -1 | cut -f 2,4)" = runtime.goexit$'\t'- ]
        # Who asks for the time is never the last.
        awk -F '\t' '($2 ~ /^(time\.now|runtime\.(nanotime1|walltime))/ || $3 == "[vdso]") && $4 != "-" { exit 1 }' "$BATS_TEST_TMPDIR/rows"
        if grep -q '\[vdso\]' "$BATS_TEST_TMPDIR/rows"; then
            seen=$((seen + 1))
        fi
        dmt-bt --goroutines -H -o goroutine,function,state,reason "$PID" >"$BATS_TEST_TMPDIR/rows" || true
        ID=$(sed -n 's/\tmain\.watch\trunning\t.*//p' "$BATS_TEST_TMPDIR/rows")
        [ -z "$ID" ] || [ "$(grep "^$ID"$'\t' "$BATS_TEST_TMPDIR/rows" | tail -1 | cut -f 2,4)" = runtime.goexit$'\t'- ]
        if [ -n "$ID" ]; then
            running=$((running + 1))
        fi
    done
}

@test "a Go program that always runs, stopped anywhere: the frames are gdb's, or the reason is said" {
    need gdb
    for _ in $(seq "$(scale 6 200)"); do
        spawn "$AT/busy-symbols"
        kill -STOP "$PID"
        soon all_stopped "$PID"
        bt go "$PID" | tee -a "$BATS_TEST_TMPDIR/sums"
        kill -KILL "$PID"
    done
    grep -q ' go=' "$BATS_TEST_TMPDIR/sums"
}

@test "-i: threads have the inlined functions, files and lines that Go prints of their goroutines, without DWARF too" {
    for program in normal named stripped pie-stripped; do
        run_states "$program"
        soon all_asleep "$PID"
        kill -STOP "$PID"
        soon all_stopped "$PID"
        goroutines "$PID"
        bt inlines "$PID"
        [ "$(dmt-bt -H -o pc,function "$PID")" = "$(dmt-bt -i -H -o pc,function,how "$PID" | sed '/\tinline$/d; s/\t[^\t]*$//')" ]
        kill -QUIT "$PID"
        kill -CONT "$PID"
        wait "$PID" || true
        check quit "$ERR" "$ROWS"
    done
}

# --- goroutines --------------------------------------------------------------------------------

@test "goroutines are those of runtime.Stack, by state, function and line: while they live, normal, stripped, PIE" {
    for program in normal stripped pie pie-stripped; do
        run_states "$program"
        me=$(ask_dump)
        goroutines "$PID"
        check stacks "$DUMP" "$ROWS" "$me"
    done
}

@test "goroutines in C, and in Go that C calls, of programs that ld has linked" {
    need cc
    for program in cgo cgo-pie; do
        run_states "$program"
        soon all_asleep "$PID"
        goroutines "$PID"
        [ "$(dmt-sym -H -s -o name,file "$PID" main.inC)" = "main.inC"$'\t'"$BATS_TEST_DIRNAME/fixtures/go/cgo.go" ]
        kill -QUIT "$PID"
        wait "$PID" || true
        check quit "$ERR" "$ROWS"
    done
}

@test "goroutines of a core whose program is gone: by what the core has of it" {
    need gcore
    for program in stripped pie-stripped; do
        cp "$AT/$program" "$BATS_TEST_TMPDIR/$program"
        AT=$BATS_TEST_TMPDIR run_states "$program"
        soon all_asleep "$PID"
        echo 0x7f >"/proc/$PID/coredump_filter"
        take_gcore "$PID" "$BATS_TEST_TMPDIR/core"
        rm "$BATS_TEST_TMPDIR/$program"
        goroutines "$BATS_TEST_TMPDIR/core"
        kill -QUIT "$PID"
        wait "$PID" || true
        check quit "$ERR" "$ROWS"
    done
}

@test "goroutines: usage, and what is no Go program" {
    local words
    for words in -1 --live --running --folded; do
        run -2 --separate-stderr dmt-bt --goroutines $words self
        [[ -z $output && ${#stderr_lines[@]} = 1 ]]
    done
    spawn "$FIXTURES/parked"
    run -3 --separate-stderr dmt-bt --goroutines "$PID"
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"no Go program" ]]
}

@test "goroutines of a stopped process and of its core, every frame of the runtime too, are those that SIGQUIT prints" {
    for program in normal stripped pie pie-stripped; do
        run_states "$program"
        soon all_asleep "$PID"
        kill -STOP "$PID"
        soon all_stopped "$PID"
        goroutines "$PID"
        mv "$ROWS" "$ROWS.live"
        if command -v gcore >/dev/null; then
            take_gcore "$PID" "$BATS_TEST_TMPDIR/core"
            goroutines "$BATS_TEST_TMPDIR/core"
        fi
        kill -QUIT "$PID"
        kill -CONT "$PID"
        wait "$PID" || true
        check quit "$ERR" "$ROWS.live"
        if [ -e "$ROWS" ]; then
            check quit "$ERR" "$ROWS"
        fi
    done
}

@test "a goroutine that runs, stopped anywhere: on its stack, on the system's, in a handler, as Go prints it" {
    check busy "$(scale 40 600)" "$AT/busy"
}

@test "goroutines that go on while they are read have a stack of one moment, or are marked" {
    spawn "$AT/moving"
    ROWS=$BATS_TEST_TMPDIR/rows
    for _ in $(seq "$(scale 20 1000)"); do
        goroutines "$PID" 2>"$BATS_TEST_TMPDIR/missing"
        cat "$ROWS" >>"$ROWS.all"
    done
    check moving "$ROWS.all"
}
