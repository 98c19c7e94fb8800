#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Stacks of a hostile world: damaged programs, debug information and cores (fixtures/mutate.c), and live stacks that lie
# (fixtures/wild.c). An answer each time, no crash of the command, and soon. The long forms are 200,000 runs together.
load helpers

setup() {
    [ "$(uname -m)" = x86_64 ] || skip "the oracles are of x86_64"
    cd "$BATS_TEST_TMPDIR" || return
    ulimit -S -c unlimited || true
    STACKS=$BATS_TEST_DIRNAME/fixtures/stacks.c LOCALS=$BATS_TEST_DIRNAME/fixtures/locals.c
}

# damaged SHORT LONG FILE OUT COMMAND...: so many runs.
damaged() {
    local said
    # A report of a sanitizer is an error; a crash of a library in the child is none.
    local -x ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0
    ASAN_OPTIONS+=:allocator_may_return_null=1
    said=$(DMT_LINES=8 "$FIXTURES/mutate" "$(scale "$1" "$2")" "${DMT_SEED:-1}" "${@:3}" 3>&-) ||
        { echo "$said"; return 1; }
    echo "# $BATS_TEST_DESCRIPTION: $said"
    [ -z "${DMT_SOAK:-}" ] || echo "# $BATS_TEST_DESCRIPTION: $said" >&3
}

# cores PROGRAM WORD...: the cores core0 and core1 of PROGRAM as victim0 and victim1, one for each runner.
cores() {
    local i
    need gcore
    for i in 0 1; do
        cp "$1" victim$i
        spawn ./victim$i "${@:2}"
        gcore -o core "$PID" >/dev/null 2>&1 3>&- </dev/null
        mv "core.$PID" core$i
        kill -KILL "$PID" # a program that runs cannot be written to
        wait "$PID" 2>/dev/null || true
    done
    [ "$(dmt-bt -H -o pid core0 | wc -l)" -gt 5 ]
}

build() {
    need gcc
    gcc -D_GNU_SOURCE -std=gnu17 -pthread -w "${@:2}" -o "$1" 3>&-
}

@test "damaged: .eh_frame and the table before it" {
    build whole -O2 "$STACKS"
    cores whole threads=2 depth=5 signal
    DMT_KINDS=cfi damaged 200 50000 whole victim% dmt-bt core%
}

@test "damaged: .eh_frame of a static program, without a table" {
    build whole -O2 -static "$STACKS"
    cores whole threads=2 depth=5
    DMT_KINDS=cfi,sections,segments damaged 100 20000 whole victim% dmt-bt core%
    DMT_HEADLESS=1 DMT_KINDS=segments damaged 20 4000 whole victim% dmt-bt core%
}

@test "damaged: .debug_frame alone" {
    build whole -O2 -g -fno-asynchronous-unwind-tables -fno-exceptions "$STACKS"
    objcopy -R .eh_frame -R .eh_frame_hdr whole
    cores whole threads=2 depth=5
    DMT_KINDS=cfi damaged 100 20000 whole victim% dmt-bt core%
}

@test "damaged: debug information, DWARF 5 and 4" {
    local words
    for words in '-O0' '-O2' '-O2 -gdwarf-4'; do
        # shellcheck disable=SC2086
        build whole -static -g $words "$LOCALS"
        cores whole
        DMT_KINDS=dwarf damaged 60 12000 whole victim% dmt-bt --locals core% -- dmt-bt -s -i core% -- \
            dmt-bt --locals -s -i core%
    done
}

@test "damaged: Go's tables" {
    need go
    export GOCACHE=$DMT_BUILD/go-cache GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0
    go build -ldflags '-s -w' -o whole "$BATS_TEST_DIRNAME/fixtures/go/busy.go" 3>&-
    cores whole
    DMT_KINDS=go damaged 60 15000 whole victim% dmt-bt core% -- dmt-bt --goroutines core% -- dmt-bt -s -i core%
}

@test "damaged: stacks and registers of a core" {
    build whole -O2 -g "$STACKS"
    cores whole threads=3 depth=10 signal
    for i in 0 1; do mv core$i whole$i; done
    DMT_KINDS=stacks,regs damaged 200 40000 whole0 core% dmt-bt core%
}

@test "damaged: all of a core; its variables" {
    build whole -O2 -g -static "$LOCALS"
    cores whole
    for i in 0 1; do mv core$i whole$i; done
    DMT_KINDS=stacks,regs damaged 60 12000 whole0 core% dmt-bt --locals core% -- dmt-bt -s -i core%
    damaged 60 8000 whole0 core% dmt-bt core% -- dmt-bt -s -i core% -- dmt-bt --locals core%
}

@test "damaged: a core of a Go program" {
    need go
    export GOCACHE=$DMT_BUILD/go-cache GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local CGO_ENABLED=0
    go build -o whole "$BATS_TEST_DIRNAME/fixtures/go/busy.go" 3>&-
    cores whole
    for i in 0 1; do mv core$i whole$i; done
    DMT_KINDS=stacks,regs damaged 40 4000 whole0 core% dmt-bt core% -- dmt-bt --goroutines core%
}

is_running() {
    ! grep -qs $'^State:\t[tT]\|^TracerPid:\t[1-9]' "/proc/$1/task/"*/status
}

@test "live stacks and registers that lie" {
    local i words seconds=2 asked=0 most=0 used status sum
    # The limits of a sanitized program are others.
    [ -z "$DMT_SAN" ] || seconds=20
    spawn "$FIXTURES/wild" "${DMT_SEED:-1}"
    declare -A by=()
    TIMEFORMAT='%3U %3S'
    for ((i = 0; i < $(scale 10 400); i++)); do
        for words in "" "-s -i" "--nostop" "--live" "--locals"; do
            status=0
            # shellcheck disable=SC2086
            { time (ulimit -t "$seconds" && dmt-bt $words "$PID" >rows 2>errors) || status=$?; } 2>used
            used=$(tr -d . <used)
            used=$((10#${used% *} + 10#${used#* })) asked=$((asked + 1)) by[$status]=$((by[$status] + 1))
            [ "$used" -le "$most" ] || most=$used
            if [[ $status != [013] || $used -gt $((seconds * 1000)) ]] || grep -v '^dmt-bt: ' errors ||
                grep -q 'crashed\|took longer' rows errors ||
                ! awk -F'\t' 'NR == 1 { n = NF } NF != n { exit 1 }' rows || ! is_running "$PID"; then
                echo "$i: dmt-bt $words: status $status, $used ms: $(cat errors rows)"
                return 1
            fi
        done
        tell again
        [ "$(answer)" = again ]
    done
    sum="$asked runs, statuses 0:${by[0]:-0} 1:${by[1]:-0} 3:${by[3]:-0}, longest CPU $most ms"
    echo "# $BATS_TEST_DESCRIPTION: $sum"
    [ -z "${DMT_SOAK:-}" ] || echo "# $BATS_TEST_DESCRIPTION: $sum" >&3
}
