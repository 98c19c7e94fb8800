#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-ps against ps, /proc, system calls of Python, readelf and strace: see ps.py.
load helpers

check() {
    need python3
    python3 "$BATS_TEST_DIRNAME/ps.py" "$@" 3>&-
}

parked() {
    spawn "$FIXTURES/parked" "$@"
    ALL+=("$PID")
}

# gone: PID is a number that no process has.
gone() {
    parked
    kill -KILL "$PID"
    wait "$PID" || :
}

# tab WORD...: the words with tabs between them.
tab() {
    local IFS=$'\t'
    echo "$*"
}

as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# with_proc OPTIONS COMMAND...: where /proc is mounted with these options.
with_proc() {
    # shellcheck disable=SC2016
    unshare -m sh -c 'mount -t proc -o "$0" proc /proc && exec "$@"' "$@"
}

# One of each kind that has something to show.
zoo() {
    need_root
    parked threads=3 switches=20 nice=5 fds=7 oom=300 mem=8
    parked cpu=150 pgid=0
    parked zombie
    ALL+=("${READY##* }")
    parked stopped
    ALL+=("${READY##* }")
    parked pty name='a name'
    parked groups=7,8,99999 gid=4:5:6 uid=1:2:3
    parked gid=4000000001:4000000002:4000000003 uid=4000000001:4000000002:4000000003
    parked policy=fifo:7
    parked policy=batch nice=-3 title='a title'
    parked policy=idle dumpable=0
    parked threads=2 leader-exits
    soon is_state Z "$PID"
    parked mem=16 child
    ALL+=("${READY##* }")
    parked write="$BATS_TEST_TMPDIR/written"
    # shellcheck disable=SC1003
    parked name='\ "-'$'\n\e\xff' title=$'\ta  b\\ \xc3\xa9 \xff\xe2\x80\xae'
    (cd /usr && spawn "$FIXTURES/parked" setsid && echo "$PID") >/dev/null
}

# --- against ps ------------------------------------------------------------------------

@test "every process agrees with ps, field by field" {
    need ps
    zoo
    check listing 1 "${KTHREADS[@]}" "${ALL[@]}"
}

# --- against /proc -----------------------------------------------------------------------

@test "all columns of processes of every kind agree with /proc" {
    need readelf
    zoo
    check columns 1 "${KTHREADS[@]}" "${ALL[@]}"
}

@test "all columns of threads agree with /proc" {
    need readelf
    zoo
    check threads 1 "${KTHREADS[@]}" "${ALL[@]}"
}

@test "what a fixture is, its row says" {
    zoo
    check value "${ALL[0]}" nice=5 threads=4 oom_adj=300 policy=other name=parked abi="$(uname -m)" host="$(uname -n)"
    check value "${ALL[3]}" state=Z mem=- args=- exe=- vsz=- name=parked ppid="${ALL[2]}" abi=- cwd=-
    check value "${ALL[5]}" state=T threads=1
    check value "${ALL[6]}" name='a name' sid="${ALL[6]}" tpgid="${ALL[6]}"
    check value "${ALL[7]}" ruid=1 uid=2 suid=3 rgid=4 gid=5 sgid=6 groups=7,8,99999 user=bin ruser=daemon
    check value "${ALL[8]}" user=4000000002 ruser=4000000001 group=4000000002 uid=4000000002 suid=4000000003
    check value "${ALL[9]}" policy=fifo rtprio=7 prio=-8
    check value "${ALL[10]}" policy=batch nice=-3 prio=17 args='a title'
    [[ $(dmt-ps -H -o argv "${ALL[10]}") == 'a title\x00'* ]]
    check value "${ALL[12]}" state=Z mem=- args=- exe=-
    [ ${#KTHREADS[@]} = 0 ] || check value 2 name=kthreadd args=- mem=- vsz=- exe=- ppid=0
    [ "$(dmt-ps -H -o write_bytes "${ALL[15]}")" -ge 65536 ]
    [ "$(dmt-ps -H -o name "${ALL[16]}")" = '\x5c "-\n\x1b\xff' ]
    [ "$(dmt-ps -H -o args "${ALL[16]}")" = $'\\ta  b\\x5c \xc3\xa9 \\xff\\xe2\\x80\\xae' ]
}

@test "mem is VmRSS, and CPU time is that of stat, of a busy one too" {
    parked mem=64 cpu=300
    exact() {
        [ "$(dmt-ps -H -o mem "$PID")" = $(($(awk '/^VmRSS/ { print $2 }' "/proc/$PID/status") * 1024)) ]
    }
    soon exact # it may touch a page more after its ready line
    [ "$(dmt-ps -H -o mem "$PID")" -gt $((64 << 20)) ]
    check columns "$PID"
    dmt-ps -H -o cputime,utime,stime "$PID" | awk '{ exit !($1 >= 0.29 && $1 - $2 - $3 < 0.001 && $2 > 0) }'
    spawn bash -c 'echo ready; while :; do :; done'
    check value "$PID" state=R wchan=-
}

@test "pss and uss are exact for who shares no file, and halved between two" {
    mkdir "$BATS_TEST_TMPDIR/own"
    cd "$BATS_TEST_TMPDIR/own"
    mapfile -t libs < <(ldd "$FIXTURES/parked" | grep -o '/[^ ]*')
    cp "${libs[@]}" "$FIXTURES/parked" .
    spawn ./ld-*.so* --library-path . ./parked mem=32 child
    check shared-pages "$PID"
    check shared-pages "${READY##* }"
    dmt-ps -H -o pss,uss,rss "$PID" | awk '{ exit !($1 > 16e6 && $1 < 20e6 && $2 < 2e6 && $3 > 33e6) }'
    cp "${libs[@]}" "$FIXTURES/parked" "$(mktemp -d -p . alone.XXX)"
    sync ./alone.*/*
    spawn ./alone.*/ld-*.so* --library-path ./alone.* ./alone.*/parked mem=4
    check shared-pages "$PID"
    grep -q '^Private_Clean: *[1-9]' "/proc/$PID/smaps_rollup"
}

@test "read_bytes and majflt count what came from a disk" {
    head -c 4M /dev/urandom >"$BATS_TEST_TMPDIR/file"
    sync "$BATS_TEST_TMPDIR/file"
    spawn python3 "$BATS_TEST_DIRNAME/ps.py" pages "$BATS_TEST_TMPDIR/file"
    check columns "$PID"
    dmt-ps -H -o majflt,read_bytes "$PID" | awk '{ exit !($1 > 0 && $2 >= 65536) }' || skip "the file was in memory still"
}

@test "tracer is who traces, and state t" {
    need strace
    spawn env strace -o /dev/null -e trace=write -e inject=write:delay_exit=100000000 "$FIXTURES/parked"
    traced=${READY%% *}
    soon is_state t "$traced"
    check value "$traced" state=t tracer="$(awk '/^TracerPid/ { print $2 }' "/proc/$traced/status")"
    check columns "$traced"
    check threads "$traced"
    kill -KILL "$traced"
}

@test "state D of a parent in vfork" {
    spawn "$FIXTURES/psvfork"
    soon is_state D "$PID"
    check value "$PID" state=D
    check columns "$PID"
    kill -KILL "$READY"
}

@test "a chroot: root, exe and cwd as links, and osrel of the program all the same" {
    need_root
    parked chroot="$BATS_TEST_TMPDIR"
    check value "$PID" root="$BATS_TEST_TMPDIR" cwd="$BATS_TEST_TMPDIR"
    check columns "$PID"
}

@test "a program that was removed: exe says so, osrel is known" {
    cp "$FIXTURES/parked" "$BATS_TEST_TMPDIR/removed"
    spawn "$BATS_TEST_TMPDIR/removed"
    rm "$BATS_TEST_TMPDIR/removed"
    check value "$PID" exe="$BATS_TEST_TMPDIR/removed (deleted)"
    check columns "$PID"
}

@test "other namespaces have other numbers, and the pids of ours" {
    need_root
    spawn unshare -imnuCT "$FIXTURES/parked"
    check columns "$PID"
    [ "$(dmt-ps -H -o ns "$PID" $$ | sort -u | wc -l)" = 2 ]
}

@test "abi i386 and an osrel of its own, in 32 bits" {
    [ "$(uname -m)" = x86_64 ] || skip "not on this machine"
    check elf32 "$BATS_TEST_TMPDIR/elf32"
    (exec "$BATS_TEST_TMPDIR/elf32" </dev/null >/dev/null & kill -9 $!) 2>/dev/null
    spawn "$BATS_TEST_TMPDIR/elf32" || skip "the kernel runs no 32-bit programs"
    check value "$PID" abi=i386 osrel=2.6.9
    check columns "$PID"
}

@test "a name that has no user shows the number, and long user names are whole" {
    need_root
    user=a-user-name-of-more-than-thirty-two
    # shellcheck disable=SC2016
    run -0 unshare -m sh -c '
        { cat /etc/passwd; echo "$0:x:4000000002:1::/:/bin/sh"; } >"$1" && mount --bind "$1" /etc/passwd &&
        setpriv --reuid=4000000002 --regid=4000000003 --clear-groups dmt-ps -H -o user,group,uid self' \
        "$user" "$BATS_TEST_TMPDIR/passwd"
    [ "$output" = "$(tab "$user" 4000000003 4000000002)" ]
}

# --- threads ---------------------------------------------------------------------------

@test "-T: the rows are those of /proc/PID/task, with the threads' names" {
    parked threads=5
    check threads "$PID"
    [ "$(dmt-ps -T "$PID" | field tid)" = "$(ls "/proc/$PID/task")" ]
    [ "$(dmt-ps -T "$PID" | field name | xargs)" = "parked thread-1 thread-2 thread-3 thread-4 thread-5" ]
    run -0 dmt-ps -T "$PID"
    [ "${lines[0]}" = "$(tab pid tid ppid user state mem cputime name)" ]
    dmt-ps -T -o pid,tid >"$BATS_TEST_TMPDIR/all"
    [ "$(grep -c "^$PID"$'\t' "$BATS_TEST_TMPDIR/all")" = 6 ]
    [ ${#KTHREADS[@]} = 0 ] || grep -q "^2"$'\t'"2$" "$BATS_TEST_TMPDIR/all"
}

@test "PID/TID, ranges and lists choose threads; a missing one is status 1" {
    parked threads=4
    mapfile -t tid < <(ls "/proc/$PID/task")
    tids() {
        dmt-ps -H -o tid "$@" | xargs
    }
    [ "$(tids "$PID/${tid[2]}")" = "${tid[2]}" ]
    [ "$(tids "$PID/$PID")" = "$PID" ]
    [ "$(tids "$PID/${tid[1]}-${tid[3]}")" = "${tid[*]:1:3}" ]
    [ "$(tids "$PID/${tid[4]},${tid[0]}")" = "${tid[0]} ${tid[4]}" ]
    [ "$(tids "$PID/${tid[1]},${tid[1]}-${tid[2]}")" = "${tid[*]:1:2}" ]
    [ "$(tids "$(dmt-ps -T -H -o handle "$PID/${tid[3]}")")" = "${tid[3]}" ]
    [ "$(tids "$PID/1-2147483647")" = "${tid[*]}" ]
    run -1 dmt-ps -H "${tid[1]}" # no process has that number
    run -1 --separate-stderr dmt-ps -H -o tid "$PID/${tid[1]},1"
    [ "$output" = "${tid[1]}" ]
    [ "$stderr" = "dmt-ps: $PID/${tid[1]},1: no such thread: 1" ]
    run -1 --separate-stderr dmt-ps -H -o tid "$PID/1" "$PID/${tid[4]}"
    [ "$output" = "${tid[4]}" ]
    for bad in "$PID/" "$PID/x" "$PID/0" "$PID/5-4" "$PID/-1" "$PID/1,,2" "/1"; do
        run -2 --separate-stderr dmt-ps "$bad"
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
    done
}

# --- trees ---------------------------------------------------------------------------------

@test "--tree: children stand below their parents, indented by depth, siblings sorted" {
    parked family=4
    local line=''
    for key in '' --sort=name --sort=-name --sort=+start --sort=-pid --sort=pgid,-pid; do
        line=$(check tree ${key:+"$key"})
    done
    echo "$line"
    [ "${line%% *}" -gt 20 ]
    read -ra members <<<"$READY"
    expected=$(printf '%s\n' parked '  child-'{4,3,2,1})
    [ "$(dmt-ps --tree -H --sort=-name -o tree "$PID" "${members[1]}" "${members[3]}" "${members[5]}" "${members[7]}")" = "$expected" ]
    # One whose parent is not shown is a root.
    [ "$(dmt-ps --tree -H -o tree "${members[2]}" "$PID")" = $'grandchild-1\nparked' ]
    run -0 dmt-ps --tree "$PID"
    [ "${lines[0]}" = "$(tab pid ppid user state mem cputime tree)" ]
    run -2 dmt-ps --tree -T
    run -2 dmt-ps --tree "$PID/$PID"
}

# --- which processes -------------------------------------------------------------------------

@test "a pid that has ended: status 1, the others are shown" {
    gone
    gone=$PID
    parked
    run -1 --separate-stderr dmt-ps -H -o pid $$ "$gone" "$PID"
    [ "$output" = $$$'\n'"$PID" ]
    [ "$stderr" = "dmt-ps: $gone: no such process" ]
    run -1 --separate-stderr dmt-ps -H -o pid 2147483647 0 "$PID@1" "$PID:1"
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 4 ]
}

@test "operands and -p lists, in the order given, as often as given" {
    parked
    one=$PID
    parked
    pids() {
        dmt-ps -H -o pid "$@" | xargs
    }
    [ "$(pids "$one" "$PID")" = "$one $PID" ]
    [ "$(pids "$PID" "$one" "$PID")" = "$PID $one $PID" ]
    [ "$(pids -p "$PID,$one")" = "$PID $one" ]
    [ "$(pids -p "$PID" --pid="$one")" = "$PID $one" ]
    [ "$(pids -p"$PID" "$one")" = "$one $PID" ]
    [ "$(pids "$(dmt-ps -H -o handle "$one")" "$PID@$(cut -d' ' -f22 "/proc/$PID/stat")")" = "$one $PID" ]
    [ "$(dmt-ps -H -o pid,name self | cut -f2)" = dmt-ps ]
    for bad in "$one," ",$one" "" "$one,,$PID" "$one,x"; do
        run -2 --separate-stderr dmt-ps -p "$bad"
        [ -z "$output" ]
    done
    for bad in parked "" " $one" "$one " "+$one" "0x1" 99999999999 2147483648 "$one:" "$one@" "$one:0" "$one:x" "$one.5"; do
        run -2 --separate-stderr dmt-ps "$one" "$bad"
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
    done
}

@test "targets on - : header, CRLF, blank lines, blanks, zero bytes, no newline at the end" {
    parked
    one=$PID
    parked
    from() {
        # shellcheck disable=SC2059
        printf "$1" "$one" "$PID" | dmt-ps -H -o pid - | xargs
    }
    [ "$(from '%s\n%s\n')" = "$one $PID" ]
    [ "$(from '%s\n%s')" = "$one $PID" ]
    [ "$(from 'pid\tname\n%s\tx\n%s\ty z\n')" = "$one $PID" ]
    [ "$(from 'handle\n%s\n%s\n')" = "$one $PID" ]
    [ "$(from 'pid\r\n%s\r\n%s\r\n')" = "$one $PID" ]
    [ "$(from '\n\n%s\n\n \n\t\n\r\n%s\n\n')" = "$one $PID" ]
    [ "$(from '  %s trailing words\n\t%s\n')" = "$one $PID" ]
    [ "$(from '%s\0%s\0')" = "$one $PID" ]
    [ "$(from '%s\0%s')" = "$one $PID" ]
    [ "$(from '%s'"$(printf '%5000s' x)"'\n%s\n')" = "$one $PID" ]
    [ -z "$(from '')" ]
    [ "$(dmt-ps -o handle,args "$one" "$PID" | dmt-ps -H -o pid -)" = "$one"$'\n'"$PID" ]
    [ "$(echo "$one" | dmt-ps -H -o pid - "$PID" | xargs)" = "$PID $one" ]
}

@test "a bad line on - is reported and skipped, status 2 at the end" {
    parked
    one=$PID
    gone
    run -2 --separate-stderr dmt-ps -H -o pid - <<<"$one"$'\nx y\npid\n'"$PID"$'\n'"$one"
    [ "$output" = "$one"$'\n'"$one" ]
    [ "${#stderr_lines[@]}" = 3 ]
    [ "${stderr_lines[0]}" = "dmt-ps: standard input: 'x': not a PID; try dmt-find" ]
    [ "${stderr_lines[2]}" = "dmt-ps: $PID: no such process" ]
    run -1 --separate-stderr dmt-ps -H -o pid - <<<"$PID"$'\n'"$one"
    [ "$output" = "$one" ]
}

# --- order -----------------------------------------------------------------------------------

@test "--sort: several keys, directions, keys that are not shown, - last" {
    for n in 3 1 2; do
        parked nice=$n name="n$n" mem=$((n * 4))
    done
    parked nice=1 name=n0 mem=20
    local all=("${ALL[@]}")
    parked name=dead nice=0 zombie
    all+=("${READY##* }")
    order() {
        dmt-ps -H -o name --sort="$1" "${all[@]}" | xargs
    }
    [ "$(order name)" = "dead n0 n1 n2 n3" ]
    [ "$(order -name)" = "n3 n2 n1 n0 dead" ]
    [ "$(order mem)" = "n0 n3 n2 n1 dead" ]
    [ "$(order +mem)" = "n1 n2 n3 n0 dead" ]
    [ "$(order nice,name)" = "dead n0 n1 n2 n3" ]
    [ "$(order -nice,name)" = "n3 n2 n0 n1 dead" ]
    [ "$(order -nice,-name)" = "n3 n2 n1 n0 dead" ]
    [ "$(order threads)" = "n3 n1 n2 n0 dead" ]
    sorted=$(for i in "${all[@]}"; do echo "$i $(cat "/proc/$i/comm")"; done | sort -n | cut -d' ' -f2)
    [ "$(order threads,pid)" = "$(xargs <<<"$sorted")" ]
    [ "$(order threads,-pid)" = "$(tac <<<"$sorted" | xargs)" ]
    run -2 dmt-ps --sort=nonsense
    run -2 dmt-ps --sort=
    dmt-ps -H -o pid | sort -nc
}

@test "dmt-ps --sort=mem | head" {
    run -0 --separate-stderr bash -c 'dmt-ps --sort=mem | head'
    [ "${#lines[@]}" = 10 ]
    [ -z "$stderr" ]
    field mem <<<"$output" | sort -nrc
}

# --- what we may not see -----------------------------------------------------------------------

# hidden OPTIONS ARGUMENTS...: another user's listings with this /proc end well and say nothing.
hidden() {
    for arguments in "${@:2}"; do
        # shellcheck disable=SC2086
        run -0 --separate-stderr with_proc "$1" setpriv --reuid=65534 --regid=65534 --clear-groups dmt-ps $arguments
        [ -z "$stderr" ]
        [ "${#lines[@]}" -gt 0 ]
    done
}

# named OPTIONS: a hidden pid that the user names.
named() {
    run -3 --separate-stderr with_proc "$1" setpriv --reuid=65534 --regid=65534 --clear-groups dmt-ps -H -o pid "$PID" self
    [ "${#lines[@]}" = 1 ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "dmt-ps: $PID: "*hidepid* ]]
}

@test "hidepid=1: rows without values, nothing on standard error" {
    need_root
    parked
    run -0 --separate-stderr with_proc hidepid=1 setpriv --reuid=65534 --regid=65534 --clear-groups dmt-ps -o all
    [ -z "$stderr" ]
    row=$(awk -F'\t' -v pid="$PID" '$1 == pid' <<<"$output")
    [[ $row == "$(tab "$PID" "$PID" - root - - - -)"$'\t'* ]]
    [ "$(awk -F'\t' '{ print NF }' <<<"$output" | sort -u | wc -l)" = 1 ]
    [[ $output == *$'\tdmt-ps\t'* ]]
}

@test "hidepid=1: sorted, as a tree, as JSON" {
    need_root
    hidden hidepid=1 '' --tree --sort=mem '-J -o all'
}

@test "hidepid=1: -T shows the threads that may be seen" {
    need_root
    hidden hidepid=1 -T '-T -o all'
    [[ $output == *$'\tdmt-ps\t'* ]]
}

@test "hidepid=2: others are not listed; named, the message names hidepid, status 3" {
    need_root
    parked
    hidden hidepid=2 '' '-o all' -T '-T -o all' --tree --sort=mem -J
    named hidepid=2
    run -0 with_proc hidepid=2 setpriv --reuid=65534 --regid=65534 --clear-groups dmt-ps -H -o user
    [ "$(sort -u <<<"$output")" = nobody ]
}

@test "hidepid=4: others are not listed; named, the message names hidepid, status 3" {
    need_root
    parked
    hidden hidepid=4 '' '-o all' -T '-T -o all' --tree --sort=mem -J
    named hidepid=4
}

@test "subset=pid: all that is of processes works" {
    need_root
    hidden subset=pid '' '-o all' -T '-T -o all' --tree --sort=mem -J
    parked pty
    run -0 --separate-stderr with_proc subset=pid dmt-ps -H -o pid,tty,start "$PID"
    [ "$output" = "$(dmt-ps -H -o pid,tty,start "$PID")" ]
    [ -z "$stderr" ]
}

@test "another user's process: what needs the right to inspect is -" {
    need_root
    parked
    for column in exe cwd root fds ns pss uss read_bytes write_bytes wchan abi osrel; do
        [ "$(as_nobody "$(command -v dmt-ps)" -H -o $column "$PID")" = - ]
    done
    run -0 --separate-stderr as_nobody "$(command -v dmt-ps)" -H -o mem,name,args,user "$PID"
    [ "$output" = "$(dmt-ps -H -o mem,name,args,user "$PID")" ]
    [ -z "$stderr" ]
}

@test "no /proc: status 3, one line that says so, no header" {
    need_root
    [ -z "$DMT_SAN" ] || skip "sanitizers need it themselves"
    for arguments in '' self 1 '-T' '--tree' '-o host'; do
        # shellcheck disable=SC2086
        run -3 --separate-stderr unshare -m sh -c 'umount -l /proc && exec "$@"' sh dmt-ps $arguments
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
        [[ $stderr == "dmt-ps: "*"mount -t proc"* ]]
    done
}

# --- what it costs -----------------------------------------------------------------------------

@test "the default columns: at most 9 system calls a process, never its memory" {
    need strace
    [ -z "$DMT_SAN" ] || skip "sanitizers make calls of their own"
    strace -f -o "$BATS_TEST_TMPDIR/calls" dmt-ps >/dev/null
    sed -i -E 's/^[0-9]+ +//' "$BATS_TEST_TMPDIR/calls"
    check calls "$BATS_TEST_TMPDIR/calls"
}
