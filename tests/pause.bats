#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a target notices of dmt-bt: none of its threads stays behind, whatever happens (pause.py). How long it notices is
# measured: tests/bench/run 'bt-pause*'.
load helpers

# check WHAT WORD...: see pause.py; its figures are shown.
check() {
    need python3
    local sum
    sum=$(python3 "$BATS_TEST_DIRNAME/pause.py" "$@" 3>&-) || { echo "$sum"; return 1; }
    echo "# $sum"
    [ -z "${DMT_SOAK:-}" ] || echo "# $*: $sum" >&3
}

@test "2000 threads a second come and go, others wait for events and each other: none is missed, no call ends" {
    check load "$(scale 20 1000)" 2000
}

@test "threads come and go as fast as they can" {
    check load "$(scale 20 1000)" 1000000
}

@test "no call ends with EINTR but those that signal(7) says" {
    spawn "$FIXTURES/eintr"
    for ((i = 0; i < $(scale 20 1000); i++)); do dmt-bt "$PID" >"$BATS_TEST_TMPDIR/rows"; done
    tell count
    local line calls=0 may='epoll_wait|sigtimedwait|semop|semtimedop|recv_timeout|io_getevents'
    while line=$(answer) && [ "$line" != end ]; do
        echo "$line"
        calls=$((calls + 1))
        [[ $line == *" 0 0" || $line =~ ^($may)\ [0-9]+\ 0$ ]]
    done
    [ "$calls" = 23 ]
}

@test "killed at any moment: each thread goes on" {
    check killed "$(scale 10 200)" "$(scale 3 100)" --folded --samples=100000 --interval=0
}

@test "killed at any moment while it unwinds threads that it holds" {
    check killed "$(scale 5 50)" "$(scale 2 25)" --live
}

@test "a stopped process is shown, stays stopped if dmt-bt is killed, and goes on with SIGCONT" {
    check killed-stopped "$(scale 10 200)" "$(scale 3 100)" --folded --samples=100000 --interval=0
}
