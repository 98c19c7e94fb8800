#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# The forms of output of every command, where it goes, and what happens when it cannot go there: see output.py.
load helpers

check() {
    need python3
    python3 "$BATS_TEST_DIRNAME/output.py" "$@" 3>&-
}

# It lies still once it waits for its input.
parked() {
    spawn "$FIXTURES/parked" "$@"
    ALL+=("$PID")
    soon grep -q pipe "/proc/$PID/wchan"
}

# What does not move while a process is parked; pss and uss are of others too.
STILL=$(dmt-ps --list-columns | awk -F'\t' 'NR > 1 && $1 !~ /^(etime|cpu_avg|pss|uss)$/ { print $1 }' | paste -sd,)

# Processes that lie still: ALL. kthreadd does not, whenever the kernel wants a worker.
some() {
    parked mem=100 fds=3 name='a name'
    parked cpu=1100 title=$'\ttitle \\ "quoted" \e[31m'
    # shellcheck disable=SC1003
    parked name='"\' title=-
    parked zombie
    ALL+=("${READY##* }" "${KTHREADS[@]:1:1}")
}

# each COMMAND...: a line for each command and each kind of its output, that writes something
# and lasts; @ stands for a process.
each() {
    local line
    while read -r line; do
        echo "$line"
        # shellcheck disable=SC2086
        "$@" ${line//@/$PID} || return
    done <<END
dmt-ps
dmt-ps -J
dmt-ps --format=table
dmt-ps -o all
dmt-ps -T
dmt-ps --tree
dmt-ps --sort=mem
dmt-ps -H self
dmt-ps -o pid @
dmt-ps --help
dmt-ps --version
dmt-ps --spec
dmt-ps --spec -J
dmt-ps --list-columns
dmt-ps --list-columns -J
dmt-find .
dmt-find -I .
dmt-find -0 .
dmt-find -c .
dmt-find -d, .
dmt-find -l .
dmt-find -a .
dmt-find -J .
dmt-find -a --format=table .
dmt-find --columns=pid,mem --sort=mem .
dmt-find --help
dmt-find --version
dmt-find --spec
dmt-find --list-columns
dmt-kill -l
dmt-kill -l TERM
dmt-kill -l -J
dmt-kill -l --format=table
dmt-kill --dry-run @
dmt-kill --dry-run -J @
dmt-kill --dry-run --format=table @
dmt-kill --dry-run --sort=pid @
dmt-kill -e -0 @
dmt-kill --help
dmt-kill --version
dmt-kill --spec
dmt-kill --list-columns
END
}

# --- forms -----------------------------------------------------------------------------

@test "TSV, table and JSON hold the same values, of all columns" {
    some
    check forms dmt-ps -o "$STILL" "${ALL[@]}"
    check forms dmt-ps "${ALL[@]}"
    check forms dmt-ps --tree --sort=name "${ALL[@]}"
    check forms dmt-ps -T -o pid,tid,name,args "${ALL[@]}"
    check forms dmt-find -l -P $$
    check forms dmt-find -a -P $$ --sort=-mem
    check forms dmt-find --columns=args,start,vsz,pid --sort=name -P $$
    check forms dmt-kill -e -0 "${ALL[@]}"
    check forms dmt-kill --dry-run -o pid,tid,pgid,name,signal,result,target "${ALL[@]}"
    check forms dmt-kill -l
}

@test "--list-columns and --spec are tables as all others" {
    for command in dmt-ps dmt-find dmt-kill; do
        check forms $command --list-columns
        [ "$($command --list-columns | head -1)" = $'name\ttype\tunit\tdefault\thelp' ]
        $command --spec | awk -F'\t' 'NF != 6 { exit 1 } { for (i = 1; i <= NF; i++) if ($i == "") exit 1 }'
        [ "$($command --spec | head -1)" = $'kind\tletter\tname\targ\tcomplete\thelp' ]
        # dmt-kill has columns of -l too.
        [[ $($command --spec | awk -F'\t' '$1 == "column" { print $3 }') == "$($command --list-columns | field name)"* ]]
    done
}

@test "the columns marked default are those shown" {
    [ "$(dmt-ps --list-columns | awk -F'\t' '$4 == "yes" { print $1 }' | xargs)" = "$(dmt-ps self | head -1 | xargs)" ]
    [ "$(dmt-find -l --list-columns | awk -F'\t' '$4 == "yes" { print $1 }' | xargs)" = "$(dmt-find -l -P $$ | head -1 | xargs)" ]
    [ "$(dmt-kill --list-columns | awk -F'\t' '$4 == "yes" { print $1 }' | xargs)" = "$(dmt-kill --dry-run $$ | head -1 | xargs)" ]
    [ "$(dmt-ps -o +nice self | head -1)" = "$(dmt-ps self | head -1)"$'\tnice' ]
    [ "$(dmt-ps -o all self | head -1 | tr '\t' '\n')" = "$(dmt-ps --list-columns | field name)" ]
}

@test "columns and formats that are not there: status 2, nothing printed" {
    for command in dmt-ps 'dmt-find -l' 'dmt-kill --dry-run 2'; do
        for bad in --columns=nonsense --columns= --columns=pid,,name "--columns=pid," --sort=nonsense --sort= --format=xml \
            --format --nonsense --columns=PID --help=x; do
            # shellcheck disable=SC2086
            run -2 --separate-stderr $command $bad
            [ -z "$output" ]
            [ "${#stderr_lines[@]}" = 1 ]
        done
    done
}

# --- a terminal --------------------------------------------------------------------------

@test "a terminal: the same columns, rows and order, human units, cut to the width; -b exact; -H" {
    some
    for columns in 40 79 80 132; do
        check terminal $columns dmt-ps -o pid,mem,vsz,cputime,start,args "${ALL[@]}"
        check terminal $columns dmt-ps --sort=-mem -o pid,mem,args "${ALL[@]}"
    done
    check terminal 60 dmt-find -a -P $$
    check terminal 50 dmt-kill -l
    check terminal 85 dmt-ps --list-columns
    check terminal 60 dmt-kill --dry-run "${ALL[@]}"
}

@test "a narrow terminal shrinks text and never a number" {
    parked
    parked mem=30
    for columns in 75 90 100 120; do
        check shrunk $columns dmt-ps -o exe,pid,cwd,mem,handle,vsz,root,name "${ALL[@]}"
    done
}

@test "human units: powers of 1024, durations, dates in TZ" {
    spawn "$FIXTURES/parked" cpu=1200
    [[ $(dmt-ps -H --format=table -o cputime "$PID") =~ ^0:01\.[0-9][0-9]$ ]]
    mem=$(dmt-ps -H -o vsz "$PID")
    [ "$(dmt-ps -H --format=table -o vsz "$PID")" = "$(numfmt --to=iec --format=%.1f --round=nearest "$mem")" ]
    [ "$(TZ=Asia/Kolkata dmt-ps -H --format=table -o start "$PID")" = \
        "$(TZ=Asia/Kolkata date -d "@$(dmt-ps -H -o start "$PID")" '+%Y-%m-%d %H:%M:%S')" ]
    [ "$(dmt-ps -H -b --format=table -o vsz,cputime "$PID" | xargs)" = "$(dmt-ps -H -o vsz,cputime "$PID" | xargs)" ]
}

@test "the locale changes nothing" {
    some
    for locale in C POSIX C.UTF-8 en_US.UTF-8 tr_TR.UTF-8 nonsense; do
        [ "$(LC_ALL=$locale dmt-ps --sort=name -o "$STILL" "${ALL[@]}")" = "$(dmt-ps --sort=name -o "$STILL" "${ALL[@]}")" ]
        [ "$(LC_ALL=$locale dmt-ps --format=table "${ALL[@]}")" = "$(dmt-ps --format=table "${ALL[@]}")" ]
    done
}

# --- where it cannot be written --------------------------------------------------------------

full() {
    run -3 bash -c '"$@" 2>&1 >/dev/full' bash "$@"
    [ "$output" = "$1: standard output: cannot write: No space left on device" ] || { echo "$output"; return 1; }
}

@test "a full disk: status 3 and one line, for each command and form" {
    parked
    each full
}

@test "a reader that has gone ends us as SIGPIPE does, silently, also where it is ignored" {
    parked
    for line in dmt-ps 'dmt-ps -J' 'dmt-ps --format=table' 'dmt-ps --sort=mem' 'dmt-ps --help' 'dmt-ps --spec' 'dmt-ps --version' \
        'dmt-ps --list-columns' 'dmt-find .' 'dmt-find -c .' 'dmt-find -a .' 'dmt-find --help' 'dmt-kill -l' 'dmt-kill -l -J' \
        'dmt-kill --help' "dmt-kill --dry-run $PID" "dmt-kill -e -0 $PID"; do
        echo "$line"
        # shellcheck disable=SC2086
        check no-reader $line
    done
}

headed() {
    run -0 bash -c '"$@" | head -1 >/dev/null' bash "$@"
    [ -z "$output" ]
    run -0 bash -c 'trap "" PIPE; "$@" | head -1 >/dev/null' bash "$@"
    [ -z "$output" ]
}

@test "| head -1 is silent" {
    parked
    each headed
}

@test "closed standard streams: the documented status, and nothing is written elsewhere" {
    need strace
    some
    for line in "dmt-ps ${ALL[*]}" "dmt-ps --sort=mem -J ${ALL[*]}" 'dmt-ps nonsense' 'dmt-ps -' 'dmt-ps 2147483647' 'dmt-ps --help' \
        'dmt-ps --spec' 'dmt-ps --nonsense' 'dmt-find kthreadd' 'dmt-find -l kthreadd' 'dmt-find no-such-process' 'dmt-find (' \
        "dmt-kill --dry-run ${ALL[*]}" 'dmt-kill -0 -' "dmt-kill -e -0 ${ALL[0]}" 'dmt-kill -l' 'dmt-kill' 'dmt-kill --version'; do
        echo "$line"
        # shellcheck disable=SC2086
        check closed $line
    done
}

# --- messages ----------------------------------------------------------------------------------

# message STATUS COMMAND...: it ends so, and says one clean line.
message() {
    run "-$1" --separate-stderr "${@:2}"
    [ -z "$output" ] || [ "$1" = 1 ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == "$2: "?* && $stderr != *[[:cntrl:]]* ]]
}

@test "a message is one line: the command, what it is about, what failed" {
    for command in dmt-ps dmt-find dmt-kill; do
        for bad in --nonsense -Z --columns --columns=x --sort=x --format=x --help=x $'--\e[31m\n' $'--columns=\n'; do
            message 2 $command "$bad"
        done
    done
    long=$(printf '%10000s' x)
    for bad in x '' $'a\nb' $'\e[2J' "$long" $'\xff' 1/ /x; do
        message 2 dmt-ps "$bad"
        message 2 dmt-kill "$bad"
        message 2 dmt-kill -s "$bad" 2
    done
    message 1 dmt-ps 2147483647
    message 1 dmt-kill 2147483647
    message 2 dmt-kill
    message 2 dmt-kill 1
    message 2 dmt-find '('
    message 2 dmt-find -u $'no such\nuser'
    message 2 dmt-find a b
    message 2 dmt-ps --tree -T
}

# --- memory --------------------------------------------------------------------------------------

# clean STATUS COMMAND...: no error, no leak, no descriptor left open but those that bats left to us.
clean() {
    local status=0
    valgrind --error-exitcode=9 --leak-check=full --show-leak-kinds="$kinds" --errors-for-leak-kinds="$kinds" --track-fds=yes -q \
        "$(command -v "$2")" "${@:3}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null 3>&- || status=$?
    if [ "$status" != "$1" ] || grep -A1 'Open file descriptor' "$BATS_TEST_TMPDIR/err" | grep -v -e inherited -e Open -e '^--$'; then
        echo "status $status: ${*:2}"
        cat "$BATS_TEST_TMPDIR/err"
        return 1
    fi
}

# valgrind 3.19 knows no pidfd: nothing that opens one.
@test "valgrind finds no error, no leak and no open descriptor" {
    need valgrind
    [ -z "$DMT_SAN" ] || skip "sanitizers do this"
    kinds=definite,indirect,possible # libc keeps what looks up users
    clean 0 dmt-ps
    clean 0 dmt-ps --tree --sort=mem,-name -J
    clean 0 dmt-find -l -u root .
    kinds=all
    clean 0 dmt-ps --format=table -o "$(dmt-ps --list-columns | sed 1d | cut -f1 | grep -v -x -e handle -e user -e group -e ruser | paste -sd,)"
    clean 0 dmt-find -f -a --sort=mem .
    clean 1 dmt-find -x -c no-such-process
    clean 0 dmt-kill --list
    clean 2 dmt-kill
    clean 2 dmt-ps -o pid,nonsense
    clean 0 dmt-ps --spec
}
