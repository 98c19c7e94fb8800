#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-limit against prlimit(1), /proc/PID/limits and what the target itself is told.
load helpers

parked() {
    spawn "$FIXTURES/parked" "$@"
}

as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# theirs PID: prlimit's table in the form of ours.
theirs() {
    prlimit --pid "$1" --noheadings --raw -o RESOURCE,SOFT,HARD |
        while read -r name soft hard; do printf '%s\t%s\t%s\n' "${name,,}" "$soft" "$hard"; done | sort
}

# limits PID NAME: soft and hard.
limits() {
    dmt-limit -H -o name,soft,hard "$1" | awk -v name="$2" '$1 == name { print $2, $3 }'
}

@test "all limits are those of prlimit" {
    need prlimit
    parked
    [ "$(dmt-limit -H -o name,soft,hard "$PID" | sort)" = "$(theirs "$PID")" ]
    [ "$(dmt-limit "$PID" | head -1)" = $'pid\tname\tsoft\thard\tunit' ]
    [ "$(dmt-limit -H -o pid "$PID" | sort -u)" = "$PID" ]
    # In order of name.
    dmt-limit -H -o name "$PID" | sort -c
}

@test "units are those of /proc/PID/limits" {
    parked
    while IFS=$'\t' read -r name unit; do
        case $name in
        as) label='Max address space' ;; core) label='Max core file size' ;; cpu) label='Max cpu time' ;;
        data) label='Max data size' ;; fsize) label='Max file size' ;; locks) label='Max file locks' ;;
        memlock) label='Max locked memory' ;; msgqueue) label='Max msgqueue size' ;; nice) label='Max nice priority' ;;
        nofile) label='Max open files' ;; nproc) label='Max processes' ;; rss) label='Max resident set' ;;
        rtprio) label='Max realtime priority' ;; rttime) label='Max realtime timeout' ;;
        sigpending) label='Max pending signals' ;; stack) label='Max stack size' ;; *) false ;;
        esac
        want=$(grep "^$label " "/proc/$PID/limits" | awk '{ print ($NF ~ /^([0-9]+|unlimited)$/ ? "-" : $NF) }')
        [ "$unit" = "${want/#us/microseconds}" ] || { echo "$name: $unit, not $want"; false; }
    done < <(dmt-limit -H -o name,unit "$PID")
    [ "$(dmt-limit -H "$PID" | wc -l)" = "$(($(wc -l <"/proc/$PID/limits") - 1))" ]
}

@test "soft, hard and both are set; the others stay; the rows are those set" {
    need prlimit
    parked
    theirs "$PID" >"$BATS_TEST_TMPDIR/before"
    hard=$(limits "$PID" nofile | cut -d' ' -f2)
    [ "$(dmt-limit "$PID" nofile=77)" = $'pid\tname\tsoft\thard\tunit\n'"$PID"$'\tnofile\t77\t'"$hard"$'\tfiles' ]
    [ "$(dmt-limit -H -o soft,hard "$PID" nofile=78:88)" = $'78\t88' ]
    [ "$(dmt-limit -H -o soft,hard "$PID" nofile=:87)" = $'78\t87' ]
    [ "$(dmt-limit -H -o soft,hard "$PID" nofile=79:)" = $'79\t87' ]
    [ "$(prlimit --pid "$PID" --nofile --noheadings --raw -o SOFT,HARD)" = '79 87' ]
    [ "$(theirs "$PID" | grep -v nofile)" = "$(grep -v nofile "$BATS_TEST_TMPDIR/before")" ]
    [ "$(dmt-limit -H -o name,soft "$PID" core=0 cpu=1000 stack=1048576)" = $'core\t0\ncpu\t1000\nstack\t1048576' ]
    [ "$(grep '^Max core' "/proc/$PID/limits" | awk '{ print $5 }')" = 0 ]
}

@test "every limit can be set, unlimited too where that is allowed" {
    need prlimit
    need_root
    parked
    # Raising takes CAP_SYS_RESOURCE, which a container's root may lack.
    prlimit --core=1:1 prlimit --core=1:2 true 2>/dev/null && raises=1 || raises=
    while read -r name hard; do
        [ "$raises" ] || [ "$hard" = unlimited ] || [ "$hard" -ge 5 ] || continue
        [ "$(dmt-limit -H -o soft,hard "$PID" "$name=3:5")" = $'3\t5' ]
        [ "$(theirs "$PID" | grep -P "^$name\t")" = "$name"$'\t3\t5' ]
        # More descriptors than fs.nr_open nobody may have.
        [ -z "$raises" ] || [ "$name" = nofile ] ||
            [ "$(dmt-limit -H -o soft,hard "$PID" "$name=unlimited:unlimited")" = $'unlimited\tunlimited' ]
        [ "$(dmt-limit -H -o soft,hard "$PID" "$name=2:4")" = $'2\t4' ]
    done < <(dmt-limit -H -o name,hard "$PID")
    spawn "$FIXTURES/parked"
    [ "$(dmt-limit -H -o soft,hard "$PID" as=18446744073709551614:18446744073709551614)" = $'18446744073709551614\t18446744073709551614' ]
    [ "$(dmt-limit -J -o soft "$PID" as=18446744073709551613)" = '{"soft":"18446744073709551613"}' ]
}

@test "the process itself is told so" {
    # shellcheck disable=SC2016
    spawn bash -c 'echo ready; while read -r line; do eval "$line"; done'
    dmt-limit -p "$PID" nofile=123 core=0 >/dev/null
    tell ulimit -Sn
    [ "$(answer)" = 123 ]
    tell ulimit -c
    [ "$(answer)" = 0 ]
}

@test "unlimited sorts above all numbers" {
    parked
    dmt-limit "$PID" core=0 nofile=10 as=18446744073709551614 fsize=unlimited >/dev/null
    [ "$(dmt-limit -H -o name,soft --sort=-soft "$PID" | awk '$1 == "as" || $1 == "fsize" || $1 == "nofile" || $1 == "core" { print $1 }' | xargs)" = \
        'fsize as nofile core' ]
    [ "$(dmt-limit -J -o soft "$PID" fsize=unlimited)" = '{"soft":"unlimited"}' ]
}

@test "a word that cannot be, and nothing is set: checked before the first" {
    need prlimit
    parked
    theirs "$PID" >"$BATS_TEST_TMPDIR/before"
    for words in 'nofile=10 stack=99:98' 'nofile=10 nosuch=1' 'nofile=10 core=-1' 'nofile=10 nofile=11' 'nofile=10 x' \
        'nofile=10 core=1K' 'nofile=10 core=' 'nofile=10 core=:' 'nofile=10 core=1:2:3' 'nofile=10 core=0x10' 'nofile=10 core= 1' \
        'nofile=10 core=18446744073709551615' 'nofile=10 core=infinity' 'nofile=10 =5' 'nofile=10 NOFILE=5' 'nofile=10 -Z' \
        'nofile=10 core=unlimited:5' 'nofile=10 1/x' 'nofile=10 -o nonsense' 'nofile=10 core=1.5' 'nofile=10 core=+5'; do
        read -ra word <<<"$words"
        run -2 --separate-stderr dmt-limit "$PID" "${word[@]}"
        [ "$output" = "" ] && [ "${#stderr_lines[@]}" = 1 ] && [[ $stderr == dmt-limit:* ]] || { echo "$words: $stderr"; false; }
    done
    run -2 --separate-stderr dmt-limit nofile=10
    run -2 --separate-stderr dmt-limit
    run -2 --separate-stderr dmt-limit "$PID/$PID" nofile=10
    [[ $stderr == *"limits are of a process, not of its threads"* ]]
    run -2 --separate-stderr dmt-limit "$PID" nofle=10
    [[ $stderr == *"did you mean 'nofile'"* ]]
    # What only the target can tell: its hard limit.
    dmt-limit "$PID" stack=:8388608 >/dev/null
    theirs "$PID" >"$BATS_TEST_TMPDIR/before"
    run -3 --separate-stderr dmt-limit -H "$PID" nofile=10 stack=8388609
    [ "$stderr" = "dmt-limit: $PID: stack: the soft limit would be above its hard one" ]
    run -3 --separate-stderr dmt-limit -H "$PID" nofile=10 stack=:1
    [[ $stderr == "dmt-limit: $PID: stack: the hard limit would be below its soft one"* ]]
    [ "$(theirs "$PID")" = "$(cat "$BATS_TEST_TMPDIR/before")" ]
}

@test "who may not is told why" {
    need setpriv prlimit
    need_root
    parked
    run -3 --separate-stderr as_nobody dmt-limit -H "$PID" nofile=10
    [ "$stderr" = "dmt-limit: $PID: cannot set nofile: Operation not permitted (it runs as root: run as root)" ]
    # They may be looked at.
    [ "$(as_nobody dmt-limit "$PID")" = "$(dmt-limit "$PID")" ]
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups prlimit --nofile=10:20 "$FIXTURES/parked"
    [ "$(as_nobody dmt-limit -H -o soft,hard "$PID" nofile=11:19)" = $'11\t19' ]
    run -3 --separate-stderr as_nobody dmt-limit -H "$PID" nofile=:20
    [ "$stderr" = "dmt-limit: $PID: cannot set nofile: Operation not permitted (to raise a hard limit up to sysctl fs.nr_open: run as root)" ]
    # What comes before it is set by then, and that is said.
    run -3 --separate-stderr as_nobody dmt-limit -H "$PID" core=0 nofile=:20
    [[ $stderr == "dmt-limit: $PID: what was named before it is set: cannot set nofile: "* ]]
    [ "$(limits "$PID" nofile)" = '11 19' ]
}

@test "targets: handles, lists, standard input, several; one bad one does not stop the others" {
    parked
    one=$PID
    parked
    [ "$(dmt-limit -H -o pid,soft "$one" nofile=33 "$PID")" = "$one"$'\t33\n'"$PID"$'\t33' ]
    [ "$(dmt-ps "$one" "$PID" | dmt-limit -H -o pid,soft - nofile=34)" = "$one"$'\t34\n'"$PID"$'\t34' ]
    [ "$(dmt-limit -H -o pid,soft -p "$one,$PID" nofile=35)" = "$one"$'\t35\n'"$PID"$'\t35' ]
    [ "$(dmt-limit -H -o soft "$(dmt-ps -H -o handle "$one")" nofile=36)" = 36 ]
    run -1 --separate-stderr dmt-limit -H -o pid,soft "$one@1" "$PID" nofile=37
    [ "$output" = "$PID"$'\t37' ]
    [[ $stderr == "dmt-limit: $one@1: "* ]]
    [ "$(limits "$one" nofile | cut -d' ' -f1)" = 36 ]
    run -1 dmt-limit - nofile=38 </dev/null
    [ "$(dmt-limit -H -o name,soft self nofile=39)" = $'nofile\t39' ]
}

@test "what is gone, and what has none" {
    parked zombie
    zombie=${READY#* }
    [ "$(dmt-limit -H "$zombie" | wc -l)" = 16 ]
    run -1 --separate-stderr dmt-limit 2147483647 nofile=10
    [ "$stderr" = "dmt-limit: 2147483647: no such process" ]
    run -3 --separate-stderr dmt-limit "$FIXTURES/parked" nofile=10
    [ "$stderr" = "dmt-limit: $FIXTURES/parked: not possible on a core file" ]
    for k in "${KTHREADS[@]}"; do
        [ "$(dmt-limit -H "$k" | wc -l)" = 16 ]
    done
}

@test "prlimit is called once for each limit that is set, between two looks at the pidfd" {
    need strace
    parked
    strace -qq -e signal=none -e trace=prlimit64,poll,ptrace -o "$BATS_TEST_TMPDIR/calls" dmt-limit "$PID" >/dev/null
    run ! grep -E "prlimit64\($PID|ptrace" "$BATS_TEST_TMPDIR/calls"
    strace -qq -e signal=none -e trace=prlimit64,poll -o "$BATS_TEST_TMPDIR/calls" dmt-limit "$PID" nofile=9 core=1 >/dev/null
    [ "$(sed 's/(.*//' "$BATS_TEST_TMPDIR/calls" | tail -6 | xargs)" = 'poll prlimit64 poll poll prlimit64 poll' ]
}
