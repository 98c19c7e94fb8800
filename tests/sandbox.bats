#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The child in which files of strangers are parsed, as the kernel shows it from outside. What it does when it is taken
# over is tested in tests/unit/sandbox.c.
load helpers

# parser COMMAND...: starts it with its output held up, so that its child waits in the middle of its work; CHILD.
parser() {
    mkfifo "$BATS_TEST_TMPDIR/rows"
    "$@" >"$BATS_TEST_TMPDIR/rows" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    PARENT=$!
    SPAWNED+=("$PARENT")
    exec {ROWS}<"$BATS_TEST_TMPDIR/rows"
    read -r _ <&"$ROWS"
    CHILD=$(cat "/proc/$PARENT/task/$PARENT/children")
    CHILD=${CHILD% }
    [[ $CHILD =~ ^[0-9]+$ ]]
}

# A file with many more symbols than a pipe and a socket hold.
large() {
    readlink -f "$(command -v node)" || ldd "$FIXTURES/symbols" | awk '$1 == "libc.so.6" { print $3 }'
}

status_of() {
    sed -n "s/^$1:[[:space:]]*//p" "/proc/$CHILD/status"
}

@test "the child: nobody, without capabilities, new privileges or core; filtered; two descriptors" {
    need_root
    parser dmt-sym "$(large)"
    [ "$(status_of Uid | xargs)" = '65534 65534 65534 65534' ]
    [ "$(status_of Gid | xargs)" = '65534 65534 65534 65534' ]
    [ -z "$(status_of Groups | xargs)" ]
    for set in CapInh CapPrm CapEff CapAmb; do [ "$(status_of $set)" = 0000000000000000 ]; done
    [ "$(status_of NoNewPrivs)" = 1 ]
    [ "$(status_of Seccomp)" = 2 ]
    # Not dumpable: its files belong to root.
    [ "$(stat -c %u "/proc/$CHILD/mem")" = 0 ]
    # Its socket, and the file that it reads.
    [ "$(readlink "/proc/$CHILD/fd/3")" = "$(readlink "/proc/$CHILD/fd/3" | grep '^socket:')" ]
    if [ -z "$DMT_SAN" ]; then
        [ "$(find "/proc/$CHILD/fd" -type l | wc -l)" = 2 ]
        [ "$(awk '/^Max address space/ { print $4 }' "/proc/$CHILD/limits")" -ge $((2 << 30)) ]
        [ "$(awk '/^Max address space/ { print $4 }' "/proc/$CHILD/limits")" -lt $((4 << 30)) ]
        [ "$(awk '/^Max file size/ { print $4 }' "/proc/$CHILD/limits")" = 0 ]
    fi
    [ "$(awk '/^Max core file size/ { print $5 }' "/proc/$CHILD/limits")" = 0 ]
    [ "$(awk '/^Max open files/ { print $5 }' "/proc/$CHILD/limits")" = 64 ]
    [ "$(awk '/^Max processes/ { print $4 }' "/proc/$CHILD/limits")" = 0 ]
    kill -KILL "$PARENT"
}

@test "the same without root" {
    need_root # to become somebody else
    parser setpriv --reuid=65533 --regid=65533 --clear-groups dmt-sym "$(large)"
    [ "$(status_of Seccomp)" = 2 ]
    [ "$(status_of NoNewPrivs)" = 1 ]
    [ "$(stat -c %u "/proc/$CHILD/mem")" = 0 ]
}

@test "taken over, it cannot open, connect, exec, ptrace, signal or any of that: without root" {
    need_root # to become somebody else
    # As root it is among the unit tests.
    run -0 setpriv --reuid=65533 --regid=65533 --clear-groups "$DMT_BUILD/unit" sandbox
    grep -E '^# sandbox, as uid 65533: [0-9]+ attacks, none of them did anything$' <<<"$output"
}

@test "it dies with its parent, however that dies" {
    parser dmt-sym "$(large)"
    kill -KILL "$PARENT"
    end=$((SECONDS + 30))
    while [ -e "/proc/$CHILD" ] && [ "$(awk '{ print $3 }' "/proc/$CHILD/stat" 2>/dev/null)" != Z ]; do
        [ "$SECONDS" -lt "$end" ]
    done
}

@test "a child that is killed is one error" {
    file=$(large)
    parser dmt-sym "$file"
    kill -SEGV "$CHILD" || skip 'it may not be killed'
    cat <&"$ROWS" >/dev/null
    status=0
    wait "$PARENT" || status=$?
    [ "$status" = 1 ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/said")" = 1 ]
    grep -Eqx "dmt-sym: $file: the ELF parser (crashed \(signal 11\)|ended before its answer)" "$BATS_TEST_TMPDIR/said" ||
        [ -n "$DMT_SAN" ]
}

@test "a kernel that cannot filter system calls: refused, and nothing is parsed" {
    need_root
    need strace
    # The last step fails, as where CONFIG_SECCOMP_FILTER is not set.
    run -3 --separate-stderr strace -f -qq -o /dev/null -e trace=prctl -e inject=prctl:error=EINVAL dmt-sym "$(large)" main
    [ -z "$(tail -n +2 <<<"$output")" ]
    grep -q 'cannot be locked in' <<<"$stderr"
}

@test "in a user namespace where there is no nobody it is locked in as well" {
    unshare -Ur true || skip 'no user namespaces'
    parser unshare -Ur dmt-sym "$(large)"
    [ "$(status_of Seccomp)" = 2 ]
    [ "$(status_of CapEff)" = 0000000000000000 ]
}
