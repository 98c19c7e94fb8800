#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-kill against a counter inside the target, strace, bash's kill and wait.
load helpers

declare -gA ID IN FROM TIDS

# counter NAME ARG...: a process that says which signals it took.
counter() {
    spawn "$FIXTURES/counter" "${@:2}"
    ID[$1]=$PID IN[$1]=$SPAWN_IN FROM[$1]=$SPAWN_OUT TIDS[$1]=${READY#* }
}

# took NAME: a line `SIGNAL si_code si_value si_pid TID` for each signal since the last time.
took() {
    local SPAWN_IN=${IN[$1]} SPAWN_OUT=${FROM[$1]} line
    tell sum
    while line=$(answer) && [ "$line" != sum ]; do echo "${line#got }"; done
}

# took_only NAME SIGNAL...: it took these and no other.
took_only() {
    local took
    took=$(took "$1" | cut -d' ' -f1 | xargs)
    [ "$took" = "${*:2}" ] || { echo "took '$took', not '${*:2}'"; return 1; }
}

parked() {
    spawn "$FIXTURES/parked" "$@"
}

# ended_by SIGNAL PID: that child of this shell is dead, and of that.
ended_by() {
    local status=0
    wait "$2" || status=$?
    [ "$status" = $((128 + $1)) ] || { echo "status $status"; return 1; }
}

# gone: a number that no process has.
gone() {
    parked
    kill -KILL "$PID"
    wait "$PID" || :
}

# polls PID: it waits in poll(2).
polls() {
    local call
    read -r call _ <"/proc/$1/syscall" && [ "$call" = 7 ]
}

calls=kill,tkill,tgkill,rt_sigqueueinfo,rt_tgsigqueueinfo,pidfd_send_signal

# sent_nothing STATUS ARG...: dmt-kill ends so, and no system call of it sends a signal.
sent_nothing() {
    local status=0
    strace -f -qq -e signal=none -e trace="$calls" -o "$BATS_TEST_TMPDIR/calls" dmt-kill "${@:2}" || status=$?
    [ "$status" = "$1" ] || { echo "status $status: dmt-kill ${*:2}"; return 1; }
    [ ! -s "$BATS_TEST_TMPDIR/calls" ] || { cat "$BATS_TEST_TMPDIR/calls"; return 1; }
}

as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# A PID namespace whose init is a counter, and a command in it.
namespace() {
    spawn unshare -pf --mount-proc --kill-child "$FIXTURES/counter"
    NS=$(pgrep -P "$PID") IN[init]=$SPAWN_IN FROM[init]=$SPAWN_OUT
}

inside() {
    nsenter -t "$NS" -p -m "$@"
}

# --- which signal ----------------------------------------------------------------------

@test "every way to name a signal sends that one, once" {
    counter one
    while read -r number words; do
        # shellcheck disable=SC2086
        dmt-kill $words "${ID[one]}"
        took_only one "$number" || { echo "dmt-kill $words"; return 1; }
    done <<'END'
15
15 -TERM
15 -SIGTERM
15 -term
15 -SigTerm
15 -15
15 -s TERM
15 -s SIGTERM
15 -s term
15 -s 15
15 -sTERM
15 -s15
15 --signal=TERM
15 --signal TERM
15 --sig=15
1 -HUP
1 -1
2 -INT
3 -QUIT
6 -IOT
6 -ABRT
10 -USR1
11 -SEGV
12 -12
17 -CHLD
17 -CLD
18 -CONT
20 -TSTP
29 -IO
29 -POLL
34 -RTMIN
34 -SIGRTMIN
34 -34
35 -RTMIN+1
37 -s RTMIN+3
37 -SIGRTMIN+3
37 -rtmin+3
63 -RTMAX-1
63 --signal=rtmax-1
64 -RTMAX
64 -s SIGRTMAX
64 -RTMIN+30
34 -RTMAX-30
END
}

@test "a signal word that is also letters of options is the signal" {
    counter one
    dmt-kill -w -segv --dry-run "${ID[one]}" | grep -w SEGV
    dmt-kill -WINCH "${ID[one]}"
    took_only one 28
}

@test "the signal may stand after the target" {
    counter one
    dmt-kill "${ID[one]}" -USR1
    dmt-kill "${ID[one]}" -s USR2
    took_only one 10 12
}

@test "every signal does by default what -l says" {
    ulimit -c 0
    while IFS=$'\t' read -r number name default _; do
        parked pgid=0 # TSTP does not stop an orphaned group
        dmt-kill "-$name" "$PID"
        case $default in
        terminate | core) ended_by "$number" "$PID" ;;
        stop) soon is_state T "$PID" ;;
        ignore | continue) soon is_state S "$PID" ;;
        *) false ;;
        esac || { echo "$name: not $default"; return 1; }
    done < <(dmt-kill -l -H)
}

@test "CONT continues what is stopped" {
    parked stopped
    dmt-kill -CONT "${READY#* }"
    soon is_state S "${READY#* }"
}

@test "-l agrees with bash's kill -l, both ways" {
    [ "$(dmt-kill -l | head -1)" = $'number\tname\tdefault\thelp' ]
    [ "$(dmt-kill -l -H | cut -f1 | xargs)" = "$(kill -l | grep -o '[0-9]*)' | tr -d ')' | xargs)" ]
    while IFS=$'\t' read -r number name _; do
        [ "$(kill -l "$name")" = "$number" ]
        [ "$number" -gt 31 ] || [ "$(kill -l "$number")" = "$name" ]
    done < <(dmt-kill -l -H)
}

@test "-l with signals lists those" {
    [ "$(dmt-kill -l -H 9 term RTMIN+3 POLL | cut -f1,2 | xargs)" = '9 KILL 15 TERM 37 RTMIN+3 29 IO' ]
    run -2 --separate-stderr dmt-kill -l -H 9 NOSUCH 15
    [ "${#stderr_lines[@]}" = 1 ]
}

@test "-l is a table as all others: its own columns, --sort, -J" {
    [ "$(dmt-kill -l --list-columns -H | cut -f1 | xargs)" = 'number name default help' ]
    [ "$(dmt-kill -l -H -o name,number 9 15)" = $'KILL\t9\nTERM\t15' ]
    [ "$(dmt-kill -l -H --columns=name --sort=name | LC_ALL=C sort -c && dmt-kill -l -H -o number --sort=-number | head -1)" = 64 ]
    [ "$(dmt-kill -l -J -o number KILL)" = '{"number":9}' ]
    run -2 dmt-kill -l -o pid
}

@test "signal 0 does nothing by default" {
    [ "$(dmt-kill -l -H 0 | cut -f3)" = - ]
}

@test "signal 0 only asks" {
    counter one
    dmt-kill -0 "${ID[one]}"
    took_only one
    kill -KILL "${ID[one]}"
    wait "${ID[one]}" || :
    run -1 dmt-kill -0 "${ID[one]}"
}

# --- to whom -----------------------------------------------------------------------------

@test "only the target gets it, and once; its name is no matter" {
    counter one
    counter two
    counter three
    dmt-kill -USR1 "${ID[two]}"
    took_only one
    took_only two 10
    took_only three
}

@test "every form of a target" {
    counter one # signals without queue would count once where they come too fast
    pid=${ID[one]} inode=$(dmt-ps -H -o handle "$PID") start=$(cut -d' ' -f22 "/proc/$PID/stat")
    dmt-kill -35 "$pid"
    dmt-kill -35 "$inode"
    dmt-kill -35 "$pid@$start"
    dmt-kill -35 "$pid/$pid"
    dmt-kill -35 -p "$pid"
    echo "$pid" | dmt-kill -35 -
    took_only one 35 35 35 35 35 35
    dmt-kill -35 "$pid" "$inode" -p "$pid,$pid@$start" --pid="$pid"
    took_only one 35 35 35 35 35
}

@test "a handle that does not fit is refused" {
    counter one
    handle=$(dmt-ps -H -o handle "$PID") start=$(cut -d' ' -f22 "/proc/$PID/stat")
    sent_nothing 1 "${handle%?}"
    sent_nothing 1 "${handle}0"
    sent_nothing 1 "$PID@$((start + 1))"
    sent_nothing 1 "${handle}0/$PID"
    took_only one
}

@test "PID/TID goes to that thread" {
    counter one threads=3
    counter other
    read -ra tid <<<"${TIDS[one]}"
    dmt-kill -USR1 "${ID[one]}/${tid[1]}" &
    wait "$!"
    [ "$(took one)" = "10 -6 0 $! ${tid[1]}" ]
    dmt-kill -USR1 "${ID[one]}/${tid[0]},${tid[2]}"
    [ "$(took one | cut -d' ' -f1,5 | sort)" = "$(printf '10 %s\n' "${tid[0]}" "${tid[2]}")" ]
    dmt-kill -USR2 "${ID[one]}/${tid[0]}-${tid[2]}"
    [ "$(took one | cut -d' ' -f1,5 | sort)" = "$(printf '12 %s\n' "${tid[@]}")" ]
    took_only other
}

@test "a range of threads costs what there is in it" {
    counter one threads=2
    timeout 30 dmt-kill -USR1 "${ID[one]}/1-2147483647"
    [ "$(took one | cut -d' ' -f1 | xargs)" = '10 10 10' ]
}

@test "a value to a thread" {
    counter one threads=3
    read -ra tid <<<"${TIDS[one]}"
    dmt-kill -q 77 -USR1 "${ID[one]}/${tid[1]}" &
    wait "$!"
    [ "$(took one)" = "10 -1 77 $! ${tid[1]}" ]
}

@test "a thread of another process, or none, is not signalled" {
    counter one threads=2
    counter other
    sent_nothing 1 -USR1 "${ID[one]}/${ID[other]}"
    sent_nothing 1 -USR1 "${ID[one]}/4194304"
    read -ra tid <<<"${TIDS[one]}"
    run -1 dmt-kill -USR1 "${ID[one]}/${ID[other]},${tid[1]}"
    took_only one 10
    took_only other
}

@test "the number of a thread names no process" {
    counter one threads=2
    sent_nothing 1 -USR1 "${TIDS[one]##* }"
    took_only one
}

@test "-q queues the value, from us" {
    counter one
    for value in 0 42 -5 2147483647 -2147483648; do
        dmt-kill -q "$value" -USR1 "${ID[one]}" &
        wait "$!"
        [ "$(took one)" = "10 -1 $value $! ${TIDS[one]}" ]
    done
    dmt-kill -USR1 "${ID[one]}" &
    wait "$!"
    [ "$(took one)" = "10 0 0 $! ${TIDS[one]}" ]
}

@test "-g reaches all of the group and nobody else" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    counter other pgid=0
    counter bystander
    dmt-kill -g -USR1 "${ID[member]}"
    took_only leader 10
    took_only member 10
    dmt-kill -g -USR2 "${ID[leader]}"
    took_only leader 12
    took_only member 12
    took_only other
    took_only bystander
}

@test "-g reaches a group whose leader is dead" {
    counter leader pgid=0
    counter one pgid="${ID[leader]}"
    counter two pgid="${ID[leader]}"
    kill -KILL "${ID[leader]}"
    dmt-kill -g -USR1 "${ID[one]}" # the leader may be a zombie
    took_only one 10
    took_only two 10
    wait "${ID[leader]}" || :
    dmt-kill -g -USR1 "${ID[two]}" # there is no process of the group's number
    took_only one 10
    took_only two 10
}

@test "-g with a value reaches all, or nobody where the leader is gone" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    dmt-kill -g -q 3 -USR1 "${ID[member]}" &
    wait "$!"
    [ "$(took leader)" = "10 -1 3 $! ${TIDS[leader]}" ]
    [ "$(took member)" = "10 -1 3 $! ${TIDS[member]}" ]
    kill -KILL "${ID[leader]}"
    wait "${ID[leader]}" || :
    sent_nothing 3 -g -q 3 -USR1 "${ID[member]}"
    took_only member
}

@test "-g: a group that cannot be seen from here is not signalled" {
    need_root
    namespace
    spawn inside "$FIXTURES/counter" && IN[a]=$SPAWN_IN FROM[a]=$SPAWN_OUT
    run -3 --separate-stderr inside dmt-kill -g -USR1 "${READY%% *}"
    [ "${#stderr_lines[@]}" = 1 ]
    took_only a
    took_only init
}

@test "a process whose first thread has ended" {
    parked leader-exits
    soon is_state Z "$PID"
    dmt-kill -w -TERM "$PID"
    ended_by 15 "$PID"
}

@test "a zombie can be signalled, and is no more dead for it" {
    parked zombie
    dmt-kill -TERM "${READY#* }"
    is_state Z "${READY#* }"
}

# --- older kernels -------------------------------------------------------------------------

# on_older CALL ARG...: dmt-kill where that system call fails as it does on a kernel that lacks it.
on_older() {
    strace -f -qq -e signal=none -e trace="${1%%:*}" -e inject="$1" -o "$BATS_TEST_TMPDIR/calls" dmt-kill "${@:2}"
}

@test "before 6.9: -g goes to the group by number, a value cannot" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    counter bystander
    on_older pidfd_send_signal:error=EINVAL -g -USR1 "${ID[member]}"
    took_only leader 10
    took_only member 10
    run -3 --separate-stderr on_older pidfd_send_signal:error=EINVAL -g -q 1 -USR1 "${ID[member]}"
    [[ $stderr == *"Linux 6.9"* ]]
    took_only leader
    took_only bystander
}

@test "before 6.9: no threads, no PID:INODE, but PID@START" {
    counter one threads=2
    start=$(cut -d' ' -f22 "/proc/$PID/stat")
    run -3 --separate-stderr on_older pidfd_open:error=EINVAL:when=2+ -USR1 "${ID[one]}/${TIDS[one]##* }"
    [[ $stderr == *"Linux 6.9"* ]]
    run -3 --separate-stderr on_older fstatfs:retval=0 -USR1 "$(dmt-ps -H -o handle "${ID[one]}")"
    [[ $stderr == *"Linux 6.9"*"PID@START"* ]]
    took_only one
    on_older fstatfs:retval=0 -USR2 "$PID@$start"
    took_only one 12
}

@test "before 5.3: no pidfd, no signal" {
    counter one
    run -3 --separate-stderr on_older pidfd_open:error=ENOSYS -USR1 "${ID[one]}"
    [ "${#stderr_lines[@]}" = 1 ]
    took_only one
}

# --- several targets ---------------------------------------------------------------------

@test "a target that is gone: status 1, one line, the others get theirs" {
    counter one
    counter two
    gone
    run -1 --separate-stderr dmt-kill -USR1 "${ID[one]}" "$PID" "${ID[two]}"
    [ -z "$output" ]
    [ "$stderr" = "dmt-kill: $PID: no such process" ]
    took_only one 10
    took_only two 10
}

@test "not permitted: status 3, the owner is named, the others get theirs" {
    need_root
    counter one
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups "$FIXTURES/counter"
    ID[own]=$PID IN[own]=$SPAWN_IN FROM[own]=$SPAWN_OUT
    gone
    run -3 --separate-stderr as_nobody dmt-kill -USR1 "${ID[one]}" "$PID" "${ID[own]}"
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 2 ]
    [[ ${stderr_lines[0]} == "dmt-kill: ${ID[one]}: "*"Operation not permitted"*root* ]]
    [ "${stderr_lines[1]}" = "dmt-kill: $PID: no such process" ]
    took_only one
    took_only own 10
}

@test "not permitted: another user's name or number" {
    need_root
    parked gid=54321:54321:54321 uid=54321:54321:54321
    run -3 --separate-stderr as_nobody dmt-kill "$PID"
    [[ $stderr == *"Operation not permitted"*54321* ]]
    [ "${#stderr_lines[@]}" = 1 ]
    parked gid=65534:65534:65534 uid=65534:65534:65534
    run -3 --separate-stderr setpriv --reuid=54321 --regid=54321 --clear-groups dmt-kill "$PID"
    [[ $stderr == *"Operation not permitted"*nobody* ]]
}

@test "a bad operand is found before anything is sent" {
    counter one
    sent_nothing 2 -USR1 "${ID[one]}" bogus
    sent_nothing 2 -USR1 "${ID[one]}" "${ID[one]}x"
    sent_nothing 2 -USR1 "${ID[one]}" -- -1
    sent_nothing 2 -USR1 "${ID[one]}" 1
    sent_nothing 2 -USR1 "${ID[one]}" -p ''
    took_only one
}

@test "0, 1 and negative numbers are refused without --force" {
    for target in 0 1 00 01 -1 -5 -2147483648 0/1 1/1 1:1 1@0 0:1; do
        sent_nothing 2 -TERM -- "$target"
        sent_nothing 2 -TERM -p "$target"
        sent_nothing 2 -g -TERM -- "$target"
        sent_nothing 2 -TERM - <<<"$target"
    done 2>&1 | tee "$BATS_TEST_TMPDIR/text" >&2
    [ "$(grep -c '^dmt-kill: .*nothing was sent\|^dmt-kill: .*-g takes processes' "$BATS_TEST_TMPDIR/text")" = 48 ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/text")" = 48 ]
}

@test "a second signal is refused: dmt-kill -9 -1, -TERM -5, -TERM -s 9" {
    counter one
    sent_nothing 2 -9 -1
    sent_nothing 2 -TERM -5 "${ID[one]}"
    sent_nothing 2 -TERM -s 9 "${ID[one]}"
    sent_nothing 2 -15 -TERM "${ID[one]}"
    took_only one
}

@test "no target: status 2, nothing is sent" {
    sent_nothing 2
    sent_nothing 2 -TERM
    sent_nothing 2 -g -w -e
    sent_nothing 1 - </dev/null
}

# --- --force -------------------------------------------------------------------------------

@test "--force 1 in a namespace of its own reaches its init" {
    need_root
    namespace
    run -2 inside dmt-kill -TERM 1
    took_only init
    inside dmt-kill --force -TERM 1
    took_only init 15
}

@test "--force -1 reaches all but init and us, as kill(2)" {
    need_root
    namespace
    spawn inside "$FIXTURES/counter" && ID[a]=$PID IN[a]=$SPAWN_IN FROM[a]=$SPAWN_OUT
    spawn inside "$FIXTURES/counter" setsid && ID[b]=$PID IN[b]=$SPAWN_IN FROM[b]=$SPAWN_OUT
    run -2 inside dmt-kill -TERM -- -1
    took_only a
    inside dmt-kill --force -TERM -- -1
    took_only a 15
    took_only b 15
    took_only init
}

@test "--force -N reaches group N, --force 0 our own" {
    need_root
    namespace
    spawn inside "$FIXTURES/counter" pgid=0 && ID[a]=$READY IN[a]=$SPAWN_IN FROM[a]=$SPAWN_OUT
    spawn inside "$FIXTURES/counter" pgid="${ID[a]%% *}" && IN[b]=$SPAWN_IN FROM[b]=$SPAWN_OUT
    spawn inside "$FIXTURES/counter" pgid=0 && IN[c]=$SPAWN_IN FROM[c]=$SPAWN_OUT
    inside dmt-kill --force -TERM -- "-${ID[a]%% *}"
    took_only a 15
    took_only b 15
    took_only c
    took_only init
    run -143 inside setsid -w dmt-kill --force -TERM 0
    took_only a
    took_only init
    run -1 inside dmt-kill --force -TERM -- -4194303
}

# --- the end ---------------------------------------------------------------------------------

@test "-w returns when the target has ended, not before" {
    counter one
    dmt-kill -w -e -TERM "${ID[one]}" >"$BATS_TEST_TMPDIR/rows" 3>&- &
    killer=$!
    soon polls "$killer"
    took_only one 15
    soon polls "$killer"
    kill -KILL "${ID[one]}"
    wait "$killer"
    [[ ! -e /proc/${ID[one]} || $(cut -d' ' -f3 "/proc/${ID[one]}/stat") = Z ]]
    [ "$(field result <"$BATS_TEST_TMPDIR/rows" | xargs)" = 'sent ended' ]
}

@test "-w waits for all of several, also where one is gone" {
    gone
    dead=$PID
    parked && one=$PID
    parked && two=$PID
    run -1 dmt-kill -w -KILL "$one" "$dead" "$two"
    ended_by 9 "$one"
    ended_by 9 "$two"
}

@test "no /proc: status 3, one line, no header" {
    need_root
    [ -z "${DMT_SAN:-}" ] || skip "a sanitizer needs /proc itself"
    # shellcheck disable=SC2016
    run -3 --separate-stderr unshare -m sh -c 'mount -t tmpfs none /proc && exec dmt-kill -e "$1"' sh $$
    [[ -z $output && ${#stderr_lines[@]} = 1 ]]
}

@test "-w waits for more than the limit of descriptors was for, as far as it may be raised" {
    parked family=30
    mapfile -t targets < <(pgrep -P "$PID")
    [ "${#targets[@]}" = 30 ]
    # shellcheck disable=SC2016
    run -0 bash -c 'ulimit -Sn 24 && exec dmt-kill -H -e -w -KILL "$@"' bash "${targets[@]}"
    [ "$(grep -c $'\tended$' <<<"$output")" = 30 ]
}

@test "-g -w waits for all of the group" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    counter bystander
    dmt-kill -g -w -e -H -USR1 "${ID[member]}" >"$BATS_TEST_TMPDIR/rows" 3>&- &
    killer=$!
    soon polls "$killer"
    kill -KILL "${ID[leader]}"
    wait "${ID[leader]}" || :
    soon polls "$killer"
    kill -KILL "${ID[member]}"
    wait "$killer"
    [ "$(cut -f1,4 "$BATS_TEST_TMPDIR/rows")" = "$(printf '%s\t%s\n' "${ID[member]}" sent "${ID[leader]}" ended "${ID[member]}" ended)" ]
    took_only bystander
}

@test "-w waits for nobody who was not signalled" {
    need_root
    counter one pgid=0
    run -3 timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups dmt-kill -w --then=1:KILL "${ID[one]}"
    run -3 timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups dmt-kill -g -w --then=1:KILL "${ID[one]}"
    took_only one
}

@test "-w: a zombie has ended" {
    parked zombie
    timeout 60 dmt-kill -w -0 "${READY#* }"
}

@test "--then: what ends in time gets no more" {
    parked
    SECONDS=0
    run -0 dmt-kill -e --then=30000:KILL "$PID"
    [ "$SECONDS" -lt 20 ]
    [ "$(field signal <<<"$output" | xargs)" = 'TERM -' ]
    [ "$(field result <<<"$output" | xargs)" = 'sent ended' ]
    ended_by 15 "$PID"
}

@test "--then: what ignores TERM gets KILL" {
    counter one
    run -0 dmt-kill -e -w --then=1:KILL "${ID[one]}"
    [ "$(field signal <<<"$output" | xargs)" = 'TERM KILL -' ]
    [ "$(field result <<<"$output" | xargs)" = 'sent sent ended' ]
    ended_by 9 "${ID[one]}"
}

@test "--then: several steps, in order, and no wait after the last" {
    counter one
    run -0 dmt-kill -e -HUP --then=1:INT --then 0:15 --then=1:RTMIN+2 "${ID[one]}"
    [ "$(field signal <<<"$output" | xargs)" = 'HUP INT TERM RTMIN+2' ]
    took_only one 1 2 15 36 # a signal that waits is overtaken by those of smaller numbers
}

@test "--then: each target for itself" {
    counter one
    parked
    dmt-kill -e --then=5000:RTMIN "${ID[one]}" "$PID" >"$BATS_TEST_TMPDIR/rows"
    ended_by 15 "$PID"
    took_only one 15 34
    [ "$(awk -F'\t' -v pid="$PID" '$1 == pid {print $4}' "$BATS_TEST_TMPDIR/rows" | xargs)" = 'sent ended' ]
}

@test "--then with -g goes to the group, with /TID to the thread" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    dmt-kill -g -USR1 --then=1:USR2 "${ID[leader]}"
    took_only leader 10 12
    took_only member 10 12
    counter one threads=2
    dmt-kill -USR1 --then=1:USR2 "${ID[one]}/${TIDS[one]##* }"
    [ "$(took one | cut -d' ' -f1,5 | xargs)" = "10 ${TIDS[one]##* } 12 ${TIDS[one]##* }" ]
}

# --- what it says --------------------------------------------------------------------------------

@test "it says nothing unless asked, -e prints a row for each" {
    counter one
    counter two
    run -0 dmt-kill -USR1 "${ID[one]}" "${ID[two]}"
    [ -z "$output" ]
    run -0 dmt-kill -e -USR1 "${ID[one]}" "${ID[two]}/${TIDS[two]}"
    [ "${lines[0]}" = $'pid\tname\tsignal\tresult' ]
    [ "${lines[1]}" = "${ID[one]}"$'\tcounter\tUSR1\tsent' ]
    [ "${lines[2]}" = "${ID[two]}"$'\tcounter\tUSR1\tsent' ]
    [ "${#lines[@]}" = 3 ]
}

@test "-e rows: all columns, failures too" {
    counter one pgid=0
    gone
    run -1 --separate-stderr dmt-kill -e -H -o pid,tid,pgid,name,signal,result,target -RTMIN+1 "$PID" "${ID[one]}/${TIDS[one]}"
    [ "${lines[0]}" = "$PID"$'\t-\t-\t-\tRTMIN+1\tfailed\t'"$PID" ]
    [ "${lines[1]}" = "${ID[one]}"$'\t'"${TIDS[one]}"$'\t-\tcounter\tRTMIN+1\tsent\t'"${ID[one]}/${TIDS[one]}" ]
    run -0 dmt-kill -e -H -o pid,pgid,result -g -USR1 "${ID[one]}"
    [ "$output" = "${ID[one]}"$'\t'"${ID[one]}"$'\tsent' ]
    [ "$(dmt-kill -e -J -USR1 "${ID[one]}")" = "{\"pid\":${ID[one]},\"name\":\"counter\",\"signal\":\"USR1\",\"result\":\"sent\"}" ]
}

@test "--dry-run prints the rows and sends nothing" {
    counter leader pgid=0
    counter member pgid="${ID[leader]}"
    gone
    sent_nothing 0 --dry-run "${ID[leader]}" >"$BATS_TEST_TMPDIR/rows"
    [ "$(tail -n +2 "$BATS_TEST_TMPDIR/rows")" = "${ID[leader]}"$'\tcounter\tTERM\twould-send' ]
    sent_nothing 0 --dry-run -e -g -KILL "${ID[leader]}"
    sent_nothing 0 --dry-run -e -KILL "${ID[member]}/${TIDS[member]}"
    sent_nothing 0 --dry-run -w --then=1:KILL "${ID[leader]}"
    sent_nothing 0 --dry-run --force -KILL 1 0 -- -1 "-${ID[leader]}"
    sent_nothing 1 --dry-run "$PID"
    took_only leader
    took_only member
}

# --- pipelines -----------------------------------------------------------------------------------

@test "dmt-find nothing | xargs dmt-kill fails and touches nothing" {
    # shellcheck disable=SC2016
    ASAN_OPTIONS=detect_leaks=0 run -123 bash -c 'dmt-find no-such-process | xargs strace -f -qq -e signal=none -e trace='"$calls"' -o "$0" dmt-kill' "$BATS_TEST_TMPDIR/calls"
    [ ! -s "$BATS_TEST_TMPDIR/calls" ]
    [ "$output" = "dmt-kill: no target was given, nothing was sent (try 'dmt-kill --help')" ]
}

@test "dmt-find -I NAME | dmt-kill -HUP -" {
    ln -s "$FIXTURES/counter" "$BATS_TEST_TMPDIR/nginx-$$"
    counter other
    spawn "$BATS_TEST_TMPDIR/nginx-$$" && IN[a]=$SPAWN_IN FROM[a]=$SPAWN_OUT
    spawn "$BATS_TEST_TMPDIR/nginx-$$" && IN[b]=$SPAWN_IN FROM[b]=$SPAWN_OUT
    dmt-find -I "nginx-$$" | dmt-kill -HUP -
    took_only a 1
    took_only b 1
    dmt-find -0 "nginx-$$" | dmt-kill -USR1 -
    took_only a 10
    took_only b 10
    dmt-find -l "nginx-$$" | dmt-kill -USR2 -
    dmt-ps -o handle,mem,args -p "$(dmt-find -d, "nginx-$$")" | dmt-kill -URG -
    took_only a 12 23
    took_only b 12 23
    took_only other
}

@test "dmt-find bash | xargs dmt-kill, in a namespace of its own" {
    need_root
    namespace
    spawn inside bash -c 'echo ready; read -r' && a=$PID
    spawn inside bash -c 'echo ready; read -r' && b=$PID
    spawn inside "$FIXTURES/counter" && IN[c]=$SPAWN_IN FROM[c]=$SPAWN_OUT
    inside sh -c 'dmt-find bash | xargs dmt-kill'
    ended_by 15 "$a"
    ended_by 15 "$b"
    took_only c
    took_only init
}

@test "bad lines on - are reported and skipped, status 2 at the end" {
    counter one
    counter two
    gone
    run -2 --separate-stderr dmt-kill -USR1 - <<END
pid	name
${ID[one]}	counter
bogus
1
pid
 	${ID[two]} trailing words

$PID
-5
${ID[one]}/x
END
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 6 ]
    [ "$(grep -c '^dmt-kill: standard input: ' <<<"$stderr")" = 5 ]
    [ "${stderr_lines[3]}" = "dmt-kill: $PID: no such process" ]
    took_only one 10
    took_only two 10
}

@test "no CPU is burnt and nothing is opened for writing while it waits" {
    counter one
    dmt-kill -w -TERM "${ID[one]}" 3>&- &
    soon polls "$!"
    [ "$(find "/proc/$!/fd" -mindepth 1 -lname '/proc*' | wc -l)" = 1 ]
    kill -KILL "${ID[one]}"
    wait "$!"
}
