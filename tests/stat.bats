#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-stat against the kernel's counters, the tools of others, and programs that measure themselves: see stat.py.
load helpers

check() {
    need python3
    sum=$(python3 "$BATS_TEST_DIRNAME/stat.py" "$@" 3>&-) || { echo "$sum"; return 1; }
    echo "# $sum"
    [ -z "${DMT_SOAK:-}" ] || echo "# stat.py $*: $sum" >&3
}

# It lies still once it waits for its input.
parked() {
    spawn "$FIXTURES/parked" "$@"
    soon is_state S "$PID"
}

as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

need_mounts() {
    need_root
    unshare --mount true || skip "no mount namespace can be made here"
}

# A directory of a file system that counts what is read and written; tmpfs does not.
scratch() {
    local dir=$BATS_TEST_TMPDIR
    [ "$(stat -f -c %T "$dir")" != tmpfs ] || dir=/var/tmp
    [ "$(stat -f -c %T "$dir")" != tmpfs ] || skip "all file systems here are in memory"
    SCRATCH=$(mktemp -d "$dir/stat.XXXXXX")
}

after() {
    [ -z "${SCRATCH:-}" ] || rm -rf "$SCRATCH"
}

# --- the machine -----------------------------------------------------------------------------

@test "cpu: all shares of all CPUs as /proc/stat has them; no core, one and two burning" {
    check cpu 0
    check cpu 1
    check cpu 2
}

@test "cpu as mpstat and vmstat have it" {
    need mpstat vmstat
    check tools
}

@test "mem and swap as /proc/meminfo and free have them" {
    need free
    check memory
}

@test "pressure as /proc/pressure has it" {
    [ -r /proc/pressure/cpu ] || skip "the kernel has no pressure information"
    check pressure
}

@test "disk: what dd moved through a loop device; a new one has no past" {
    need_root
    need losetup dd
    scratch
    losetup -f >/dev/null || skip "no loop device can be had here"
    check disk "$SCRATCH"
}

@test "disk: a device that is given to another file, again and again" {
    need_root
    need losetup dd
    scratch
    losetup -f >/dev/null || skip "no loop device can be had here"
    check disks "$SCRATCH" "$(scale 60 1000)"
}

@test "net: what went through a veth pair, both ways; a new link has no past" {
    need_root
    need ip
    unshare --net ip link add ping type veth peer name pong || skip "no veth pair can be made here"
    check net
}

@test "net: an interface whose name another one gets, again and again" {
    need_root
    need ip
    unshare --net ip link add ping type veth peer name pong || skip "no veth pair can be made here"
    check links "$(scale 150 3000)"
}

# --- processes ---------------------------------------------------------------------------------

@test "cpu of a process that burns half a CPU is what it measures itself" {
    check burn "$(scale 4 10)"
}

@test "the same without descriptors to keep" {
    need_root
    # shellcheck disable=SC2016
    check burn "$(scale 4 10)" setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'ulimit -n 64 && exec dmt-stat "$@"' sh
}

@test "the same in a /proc whose numbers are of another PID namespace" {
    need_root
    check foreign
}

@test "cpu of threads" {
    check threads "$(scale 4 10)"
}

@test "page faults, context switches, bytes of storage: as many as there were" {
    scratch
    check counts "$SCRATCH"
}

@test "wait of two processes on one CPU is what schedstat says" {
    check waiting
}

reuse() {
    scratch
    alone stat.py reuse "$SCRATCH" "$@"
}

@test "no row is of two processes that had one pid" {
    reuse "$(scale 100 2000)" 30
}

@test "nor without descriptors to keep, as far as the time of their start tells" {
    # shellcheck disable=SC2016
    reuse "$(scale 100 2000)" 90 sh -c 'ulimit -n 64 && exec dmt-stat "$@"' sh
}

@test "a process that was born is in the next report, whoever had its pid" {
    alone stat.py births "$(scale 50 1000)"
}

@test "a process that was forked is in the next report" {
    alone stat.py forked "$(scale 50 1000)"
}

@test "the list of processes is read again where numbers do not tell who was born, at every tenth look, and else not" {
    need strace
    check list "$(scale 100 1000)"
    alone stat.py list "$(scale 100 1000)"
}

@test "a row for each process that was there all the time, in order" {
    parked
    dmt-stat -H -o pid proc 0.2 1 >"$BATS_TEST_TMPDIR/rows"
    sort -nc "$BATS_TEST_TMPDIR/rows"
    grep -qx "$PID" "$BATS_TEST_TMPDIR/rows"
    grep -qx "$$" "$BATS_TEST_TMPDIR/rows"
    [ -z "$(uniq -d "$BATS_TEST_TMPDIR/rows")" ]
}

@test "mem, state, start and name as in dmt-ps" {
    parked mem=40 name='a name'
    [ "$(dmt-stat -H -p "$PID" -o pid,name,mem,state,start 0.1 1)" = \
        "$(dmt-ps -H -o pid,name,mem,state "$PID")"$'\t'"$(cut -d' ' -f22 <(sed 's/(.*)/x/' "/proc/$PID/stat"))" ]
    total=$(awk '/^MemTotal/ { print $2 * 1024 }' /proc/meminfo)
    [ "$(dmt-stat -H -p "$PID" -o mem_pct,mem 0.1 1 | awk -v total="$total" '{ off = $1 - 100 * $2 / total; print off * off < 0.0001 }')" = 1 ]
}

@test "mem of a process that sleeps while its memory is taken" {
    scratch
    check robbed "$SCRATCH"
}

@test "kernel threads have no memory, nor have zombies" {
    parked zombie
    for pid in "${READY##* }" "${KTHREADS[@]}"; do
        [ "$(dmt-stat -H -p "$pid" -o mem,mem_pct 0.1 1)" = $'-\t-' ]
    done
}

@test "what we may not read is -, and no error" {
    need_root
    parked
    [ "$(as_nobody dmt-stat -H -p "$PID" -o read,write,minflt 0.1 1)" = $'-\t-\t0.00' ]
}

@test "a name that the process chose comes out escaped" {
    parked name=$'a\tb\e[31m\\'
    [ "$(dmt-stat -H -p "$PID" -o name 0.1 1)" = 'a\tb\x1b[31m\x5c' ]
}

@test "--busy: only those that did something" {
    parked
    idle=$PID
    spawn "$FIXTURES/stat" "burn=50:$BATS_TEST_TMPDIR/log"
    dmt-stat -H -o pid --busy proc 0.5 1 >"$BATS_TEST_TMPDIR/rows"
    grep -qx "$PID" "$BATS_TEST_TMPDIR/rows"
    run -1 grep -x "$idle" "$BATS_TEST_TMPDIR/rows"
    [ "$(dmt-stat -o pid --busy -p "$idle" 0.1 2)" = pid ]
}

# --- targets ---------------------------------------------------------------------------------------

@test "targets: numbers, handles, threads, standard input" {
    parked
    one=$PID
    parked threads=2
    two=$PID
    read -r _ tid last < <(echo "/proc/$two/task/"* | sed 's|/proc/[0-9]*/task/||g')
    [ "$(dmt-stat -H -o pid -p "$one" -p "$two,$one" 0.1 1 | xargs)" = "$one $two" ]
    [ "$(dmt-stat -H -o pid -p "$(dmt-ps -H -o handle "$one")" 0.1 1)" = "$one" ]
    [ "$(dmt-stat -H -o pid -p "$one@$(cut -d' ' -f22 "/proc/$one/stat")" 0.1 1)" = "$one" ]
    [ "$(dmt-ps -o handle,name "$one" "$two" | dmt-stat -H -o pid -p - 0.1 1 | xargs)" = "$one $two" ]
    [ "$(dmt-stat -H -p "$two/$tid" -o pid,tid,name 0.1 1)" = "$two"$'\t'"$tid"$'\tthread-1' ]
    [ "$(echo "$two/$tid,$last" | dmt-stat -H -p - -o tid 0.1 1 | xargs)" = "$tid $last" ]
    [ "$(echo "$two/$two" | dmt-stat -H -p "$two" -p - -o tid 0.1 1 | xargs)" = "$two $two" ]
    [ "$(dmt-stat -H -T -p "$one,$two" -o pid,tid 0.1 1)" = "$(dmt-ps -H -T -o pid,tid "$one" "$two")" ]
    dmt-stat -H -p self -o name 0.1 1 | grep -qx dmt-stat
}

@test "a target that does not fit is refused, the others are shown" {
    parked
    run -1 --separate-stderr dmt-stat -H -o pid -p "$PID@1,$PID" 0.1 1
    [ "$output" = "$PID" ]
    [ "${#stderr_lines[@]}" = 1 ]
    run -1 --separate-stderr dmt-stat -o pid -p "$PID@1"
    [ "$output" = pid ]
    run -2 --separate-stderr dmt-stat -H -o pid -p - 0.1 1 < <(printf 'x\n%s\n' "$PID")
    [ "$output" = "$PID" ]
}

@test "no target on standard input: nothing, and nobody waits" {
    run -1 --separate-stderr timeout 20 dmt-stat -p - </dev/null
    [ "${#lines[@]}" = 1 ]
}

# watch ARG...: dmt-stat in the background; its reports are lines from $rows, its status in the end `status N`.
watch() {
    exec {rows}< <(exec 3>&-; status=0; dmt-stat "$@" 2>"$BATS_TEST_TMPDIR/said" || status=$?; echo "status $status")
}

# until_row WORD...: the next line is that, or soon will be.
until_row() {
    local line
    while IFS= read -r -t 60 line <&"$rows"; do
        if [ "$line" = "$*" ]; then return; fi
    done
    return 1
}

# until_twice WORD...: two such rows running, none of others between.
until_twice() {
    local line last=
    while IFS= read -r -t 60 line <&"$rows"; do
        if [ "$line" = "$*" ] && [ "$last" = "$*" ]; then return; fi
        last=$line
    done
    return 1
}

# stop PID: it ends and is gone.
stop() {
    kill -KILL "$1"
    wait "$1" || :
}

@test "a target that ends is reported once; the others go on; the last one ends all" {
    parked
    one=$PID
    parked
    watch -H -o pid -p "$one,$PID" 0.1
    until_row "$one"
    stop "$one"
    until_twice "$PID"
    for _ in 1 2 3; do
        read -r line <&"$rows"
        [ "$line" = "$PID" ]
    done
    [ "$(cat "$BATS_TEST_TMPDIR/said")" = "dmt-stat: $one: no such process" ]
    stop "$PID"
    until_row "status 1"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/said")" = 2 ]
}

@test "a thread that ends is reported once; the others of its target go on" {
    spawn "$FIXTURES/stat"
    for i in 1 2; do
        tell thread 1
        read -r _ "tid[i]" < <(answer)
    done
    # shellcheck disable=SC2154
    watch -H -o tid -p - 0.1 <<<"$PID/${tid[1]},${tid[2]}"
    until_row "${tid[1]}"
    tell end "${tid[1]}"
    answer
    until_twice "${tid[2]}"
    for _ in 1 2 3; do
        read -r line <&"$rows"
        [ "$line" = "${tid[2]}" ]
    done
    [ "$(cat "$BATS_TEST_TMPDIR/said")" = "dmt-stat: $PID/${tid[1]},${tid[2]}: no such thread: ${tid[1]}" ]
    tell end "${tid[2]}"
    until_row "status 1"
}

@test "a process and a thread that come count from their birth" {
    check born
}

@test "a target whose pid is another's at once is gone" {
    need_root
    need python3 unshare setpriv
    unshare --pid --fork --mount-proc true || skip "no PID namespace can be made here"
    scratch
    # shellcheck disable=SC2016
    run -1 --separate-stderr setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --kill-child \
        sh -c '"$0" "$1" 90 | read -r ready & until [ -e /proc/203/stat ]; do :; done; timeout 60 dmt-stat -H -o name -p 203 0.01' \
        "$FIXTURES/statchurn" "$SCRATCH/churn" 3>&-
    [[ $stderr == "dmt-stat: 203: "*process* && ${#stderr_lines[@]} = 1 ]]
    [ "$(sort -u <<<"$output" | grep -cE '^(faults|writes)$')" -le 1 ]
}

# --- time ----------------------------------------------------------------------------------------

@test "N reports of 0.1 s take N times 0.1 s" {
    check phases
}

@test "without INTERVAL one report after a second, for each table" {
    begin=$EPOCHREALTIME
    run -0 dmt-stat -H cpu -o when
    end=$EPOCHREALTIME
    awk -v a="$begin" -v b="$end" -v when="${lines[0]}" 'BEGIN { exit !(b - a >= 1 && b - a < 30 && when >= a + 0.98 && when <= b + 0.01) }'
    [ "$(dmt-stat -H -o when proc | uniq | wc -l)" = 1 ]
}

@test "COUNT reports, the header once; without COUNT for ever" {
    dmt-stat mem 0.05 3 >"$BATS_TEST_TMPDIR/rows"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/rows")" = 4 ]
    [ "$(grep -c ^when "$BATS_TEST_TMPDIR/rows")" = 1 ]
    [ "$(dmt-stat -H mem 0.05 3 | wc -l)" = 3 ]
    [ "$(dmt-stat -p $$ -o pid 0.05 2 | xargs)" = "pid $$ $$" ]
    watch mem 0.05
    until_row "$(dmt-stat mem 0.05 1 | head -1)"
    for _ in {1..20}; do
        read -r -t 60 line <&"$rows"
        [[ $line == *$'\tmem\t'* ]]
    done
}

@test "each report is written at once" {
    watch -p $$ -o pid 0.1
    for word in pid $$ $$ $$; do
        read -r -t 60 line <&"$rows"
        [ "$line" = "$word" ]
    done
    watch -J -p $$ -o pid --sort=pid 0.1
    read -r -t 60 line <&"$rows"
    [ "$line" = "{\"pid\":$$}" ]
}

@test "--sort orders each report by itself" {
    for i in 1 2; do spawn "$FIXTURES/stat" "burn=$((i * 30)):$BATS_TEST_TMPDIR/log.$i"; done
    dmt-stat -H --sort=cpu -o when,cpu proc 0.3 3 | awk '
        $1 != when { when = $1; n++; last = 1e9 }
        $2 != "-" { if ($2 > last) bad = 1; last = $2 }
        $2 == "-" { last = -1 }
        END { exit bad || n != 3 }'
}

@test "| head ends it silently" {
    # shellcheck disable=SC2016
    run -0 --separate-stderr bash -c 'set -o pipefail; dmt-stat cpu 0.05 | head -1; [ "${PIPESTATUS[0]}" = 141 ]'
    [[ $output == when* && -z $stderr ]]
    # shellcheck disable=SC2016
    run -0 --separate-stderr bash -c 'dmt-stat -p $$ 0.05 | head -2; [ "${PIPESTATUS[0]}" = 141 ]'
    [ -z "$stderr" ]
}

@test "SIGINT ends it, with whole lines" {
    check interrupt "$(scale 10 100)"
}

@test "/dev/full: status 3, one line" {
    for words in cpu 'cpu mem 0.05 3' 'proc 0.05' '--sort=cpu proc 0.05' '-J mem 0.05' '--format=table mem 0.05'; do
        # shellcheck disable=SC2086
        run -3 --separate-stderr bash -c 'exec dmt-stat "$@" >/dev/full' bash $words
        [ "${#stderr_lines[@]}" = 1 ] || { echo "$words: $stderr"; return 1; }
    done
}

# --- the tables ------------------------------------------------------------------------------------

@test "all resources by default, in order; those that are named, in the same order" {
    [ "$(dmt-stat -H -o resource 0.1 1 | uniq | grep -v pressure | xargs)" = 'cpu mem swap disk net' ] ||
        [ "$(dmt-stat -H -o resource 0.1 1 | uniq | grep -v pressure | xargs)" = 'cpu mem swap net' ]
    [ "$(dmt-stat -H -o resource mem cpu mem 0.1 1 | uniq | xargs)" = 'cpu mem' ]
    [ "$(dmt-stat cpu 0.1 1 | head -1 | tr '\t' ,)" = when,resource,name,percent,used,total,in,out,in_ops,out_ops,errors ]
    [ "$(dmt-stat proc 0.1 1 | head -1 | tr '\t' ,)" = pid,name,cpu,mem,mem_pct,read,write,ctxsw,when ]
    [ "$(dmt-stat proc -T 0.1 1 | head -1 | tr '\t' ,)" = pid,tid,name,cpu,mem,mem_pct,read,write,ctxsw,when ]
}

@test "no field is empty, every row is whole, in all forms" {
    for words in '' proc '-T proc'; do
        # shellcheck disable=SC2086
        dmt-stat -o all $words 0.1 2 | awk -F'\t' '{ for (i = 1; i <= NF; i++) if ($i == "") exit 1 } NR == 1 { n = NF } NF != n { exit 1 }'
        if command -v jq >/dev/null; then
            # shellcheck disable=SC2086
            dmt-stat -J -o all $words 0.1 2 | jq -es 'length > 0 and (map(keys) | unique | length == 1)' >/dev/null
        fi
        # shellcheck disable=SC2086
        [ "$(dmt-stat --format=table $words 0.1 2 | grep -cE '^ *(when|pid) ')" = 2 ]
    done
}

@test "columns are those of the table that is asked for" {
    [ "$(dmt-stat --list-columns -H | cut -f1 | paste -sd,)" = "$(dmt-stat -o all 0.1 1 | head -1 | tr '\t' ,)" ]
    [ "$(dmt-stat proc --list-columns -H | cut -f1 | paste -sd,)" = "$(dmt-stat -o all proc 0.1 1 | head -1 | tr '\t' ,)" ]
    [ "$(dmt-stat -p 1 --list-columns)" = "$(dmt-stat proc --list-columns)" ]
}

# --- what is not there -------------------------------------------------------------------------------

# without_pressure ARG...: dmt-stat on a kernel without pressure information.
without_pressure() {
    mkdir -p "$BATS_TEST_TMPDIR/empty"
    # shellcheck disable=SC2016
    unshare --mount sh -c 'mount --bind "$0" /proc/pressure && exec dmt-stat "$@"' "$BATS_TEST_TMPDIR/empty" "$@"
}

@test "no pressure information: left out, an error where it is asked for" {
    need_mounts
    [ -d /proc/pressure ] || skip "the kernel has no pressure information"
    run -0 --separate-stderr without_pressure -H -o resource 0.1 1
    [ -z "$stderr" ]
    [[ $output != *pressure* && $output == *cpu*mem* ]]
    run -3 --separate-stderr without_pressure -o resource pressure
    [ -z "$output" ]
    [[ $stderr == 'dmt-stat: pressure: '*psi=1* && ${#stderr_lines[@]} = 1 ]]
    run -3 --separate-stderr without_pressure -H -o resource mem pressure 0.1 2
    [ "$output" = $'mem\nmem' ]
    [ "${#stderr_lines[@]}" = 1 ]
}

@test "no /proc: status 3, one line, no header" {
    need_mounts
    [ -z "${DMT_SAN:-}" ] || skip "a sanitizer needs /proc itself"
    for words in '' cpu 'proc 0.1' '-p self'; do
        # shellcheck disable=SC2086
        run -3 --separate-stderr unshare --mount sh -c 'mount -t tmpfs none /proc && exec dmt-stat "$@"' sh $words
        [[ -z $output && ${#stderr_lines[@]} = 1 ]] || { echo "$words: $output $stderr"; return 1; }
    done
}

# hidden LEVEL ARG...: dmt-stat as a user who runs nothing else, in a /proc that hides the others.
hidden() {
    # shellcheck disable=SC2016
    unshare --mount sh -c 'mount -t proc -o "hidepid=$0" proc /proc && uid=$1 && shift && exec setpriv --reuid="$uid" --regid=65534 --clear-groups dmt-stat "$@"' \
        "$1" $((60000 + $$ % 5000)) "${@:2}"
}

@test "hidepid: those that we may see, and no error; a hidden target is refused" {
    need_mounts
    for level in 1 2; do
        for words in 'proc 0.1 2' 'proc -T 0.1 2' 'proc -o pid,cpu,wait,state 0.1 2'; do
            # shellcheck disable=SC2086
            run -0 --separate-stderr hidden $level -H $words
            [ -z "$stderr" ] || { echo "$level $words: $stderr"; return 1; }
            [ "$(cut -f1 <<<"$output" | sort -u | wc -l)" = 1 ]
        done
        run -3 --separate-stderr hidden $level -p $$ 0.1 1
        [ "${#stderr_lines[@]}" = 1 ]
    done
}

# --- bad input -----------------------------------------------------------------------------------------

@test "bad input: status 2, nothing on standard output, one line" {
    n=0
    while read -r line; do
        eval "set -- $line"
        run -2 --separate-stderr timeout 20 dmt-stat "$@"
        [[ -z $output && ${#stderr_lines[@]} = 1 && $stderr == dmt-stat:* ]] || { echo "$line: $output $stderr"; return 1; }
        n=$((n + 1))
    done <<'END'
0
0.0
-1
1x
1e3
1.
.5
1.0000000001
99999999999999999999
1 0
1 -1
1 1.5
1 x
1 99999999999999999999
1 2 3
1 cpu
cpu 1 mem
cpu 1 2 mem
nosuch
CPU
cpu,mem
self
-
''
$'a\tb'
proc cpu
cpu proc
-p 1 mem
-p ''
-p 1,
-p x
-p 1:
-p 1:0
-p 1@
-p 1/x
-p -1
-p 99999999999
-p 1 1 0
-T
-T cpu
--busy
--busy 1
-o nosuch
-o cpu
proc -o percent
--sort=nosuch
proc --sort=percent
--format=xml
--nosuch
-Z
-p
--busy=1 proc
END
    [ "$n" -ge 50 ]
}

@test "bad input is found before anything is read" {
    need strace
    strace -qq -e signal=none -e trace=openat,open -o "$BATS_TEST_TMPDIR/calls" dmt-stat cpu 1 x 2>/dev/null || :
    run -1 grep -E '"/proc/(stat|meminfo|pressure)' "$BATS_TEST_TMPDIR/calls"
}

# --- what it costs ---------------------------------------------------------------------------------------

@test "of a process that sleeps only statm is read" {
    need strace
    parked
    strace -qq -e signal=none -e trace=openat,read,pread64 -o "$BATS_TEST_TMPDIR/calls" \
        dmt-stat -p "$PID" -o pid,cpu,mem,read,write,minflt,ctxsw 0.05 20 >"$BATS_TEST_TMPDIR/rows"
    [ "$(grep -c pread64 "$BATS_TEST_TMPDIR/calls")" -le 30 ]
    [ "$(awk 'NR > 1 { print $2, $4, $5, $6, $7 }' "$BATS_TEST_TMPDIR/rows" | sort -u)" = '0.00 0 0 0.00 0.00' ]
}

@test "it attaches to nobody" {
    need strace
    parked threads=1
    for words in '' "-p $PID" "-T -p $PID"; do
        # shellcheck disable=SC2086
        strace -f -qq -e signal=none -e trace=ptrace,kill,tgkill,pidfd_send_signal,process_vm_readv \
            -o "$BATS_TEST_TMPDIR/calls" dmt-stat -o all $words 0.05 2 >/dev/null
        [ ! -s "$BATS_TEST_TMPDIR/calls" ]
    done
}
