#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-find against pgrep, in a PID namespace where nothing else comes and goes.
load helpers

inside() {
    nsenter -t "$NS" -p -m "$@"
}

# namespace: one with an init called parked.
namespace() {
    need_root
    dir=$BATS_TEST_TMPDIR
    chmod 755 "$dir"
    spawn unshare -pf --mount-proc --kill-child "$FIXTURES/parked"
    NS=$(pgrep -P "$PID")
}

# animal NAME ARG...: a process of that name in the namespace; its number there, and those of
# its children, are IT.
animal() {
    ln -sf "$FIXTURES/parked" "$dir/$1"
    spawn inside "$dir/$1" "${@:2}"
    IT=$READY
}

script() {
    printf '#!/bin/sh\necho ready $$\nread -r line\n' >"$dir/$1"
    chmod +x "$dir/$1"
    spawn inside "$dir/$1"
    IT=$READY
}

zoo() {
    namespace
    animal alpha -- one two && alpha=$IT
    animal alphabet -- --debugger x=y
    animal Alpha
    animal be.ta
    animal beeta
    animal a+b
    animal 'x(y)'
    animal 'c[1]'
    animal 'with blanks in'
    animal owned groups= gid=1:2:3 uid=1:65534:1
    animal nobodys groups= gid=65534:65534:65534 uid=65534:65534:65534
    animal session setsid && session=$IT
    animal group pgid=0 && group=$IT
    animal pty pty && tty=$(inside ps -o tty= "$IT")
    animal zombie zombie && zombie=${IT#* }
    animal stopped stopped
    animal family family=2 && family=$IT parent=${IT%% *}
    animal threads threads=2
}

# agree WORD...: pgrep and dmt-find give the same answer and status.
agree() {
    local theirs ours their_status=0 our_status=0
    theirs=$(inside pgrep "$@" 2>/dev/null) || their_status=$?
    ours=$(inside dmt-find "$@" 2>/dev/null) || our_status=$?
    if [[ $1 == -[la] ]]; then ours=$(tail -n +2 <<<"$ours" | tr '\t' ' '); fi # rows have a header
    [ "$ours" = "$theirs" ] && [ "$our_status" = "$their_status" ] ||
        echo "pgrep $*: $their_status:" "${theirs//$'\n'/ }" "dmt-find: $our_status:" "${ours//$'\n'/ }"
}

# all_agree <TABLE: a line of shell words for each comparison.
all_agree() {
    local line disagreed
    while read -r line; do
        eval "agree $line"
    done >"$dir/disagreed"
    ! grep . "$dir/disagreed"
}

# only WORD... -- PID...: dmt-find WORD... lists exactly these.
only() {
    local words=() found
    while [ "${1?}" != = ]; do words+=("$1") && shift; done
    found=$(inside dmt-find "${words[@]}" | xargs)
    [ "$found" = "${*:2}" ] || { echo "dmt-find ${words[*]}: $found, not ${*:2}"; return 1; }
}

@test "patterns and their options agree with pgrep" {
    zoo
    all_agree <<'END'
alpha
lph
Alpha
ALPHA
nothing
''
.
-x alpha
-x lph
-x ''
-i ALPHA
-xi ALPHA
-i -x alPHa
-f alpha
-f parked
-f one
-f 'one two'
-f 'alpha.*two'
-f 'two$'
-f -x two
-f -x "$dir/alpha -- one two"
-fxi "$dir/ALPHA -- ONE two"
-f "$dir/"
-f -- --debugger
-f '[-]-debugger x=y'
-v alpha
-v .
-v ''
-v nothing
-vx alpha
-vi ALPHA
-v -f one
-c alpha
-c nothing
-cv alpha
-c -f one
^alpha
'alpha$'
'^alpha$'
'^$'
be.ta
'be\.ta'
'be[.]ta'
'be?.ta'
a+b
'a\+b'
'a[+]b'
'x(y)'
'x\(y\)'
'xy'
'c[1]'
'c\[1]'
'c.1.'
'with blanks'
'with.*in'
'alpha|beeta'
-x 'alpha|beeta'
-x 'alp|beeta'
-x '(alpha|be)ta'
'(al|be)..?t?a$'
'e{2}'
'be{1,2}ta'
'[[:upper:]]'
'[^a-z]'
'a*'
'(a)(l)(p)'
'\.'
-- -x
alpha -x
-x alpha -v
--exact alpha
--ignore-case ALPHA
--full one
--inverse alpha
--count alpha
'['
'('
')'
'*'
'a{2'
'\'
'a{99999}'
'[[:nosuch:]]'
'[z-a]'
END
}

@test "conditions agree with pgrep" {
    zoo
    all_agree <<'END'
-u nobody
-u 65534
-u root
-u 0 alpha
-u root,nobody ''
-u daemon
-u 12345
-u nosuchuser
-u ''
-U daemon
-U nobody
-U 1,65534
-U root -u nobody
-U daemon -u nobody
-G daemon
-G 1
-G 65534
-G nogroup,daemon
-G nosuchgroup
-v -u root
-v -U daemon
-v -G 1
-g "$group"
-g "$session"
-g 0
-g 0 alpha
-g "$group,$session"
-g 99999
-g x
-s "$session"
-s 0
-s 0 alpha
-s "$session,0" .
-s 99999
-s x
-P "$parent"
-P 0
-P 0 alpha
-P "$parent,0" .
-P "$parent" child-1
-P 99999
-P x
-P ''
-v -P "$parent"
-t "$tty"
-t pts/999
-t "$tty,pts/998"
-t "$tty" nothing
-v -t "$tty"
-r T
-r Z
-r S
-r ST
-r S,T
-r TZ -x stopped
-r X
-v -r S
-n alpha
-o alpha
-n
-o
-n ''
-n -x alpha
-n nothing
-o -u nobody
-n -P "$parent"
-cn alpha
--ns 1 --nslist pid
--ns 1 --nslist uts,pid alpha
--ns 1 --nslist nosuch
--newest alpha
--oldest alpha
--euid root alpha
--uid=daemon
--group 1
--pgroup="$group"
--parent="$parent"
--session "$session"
--terminal="$tty"
--runstates=T
-u root -s 0 -r S -x -i ALPHA
-A alpha
a b
-n -o alpha
--nosuch
-Y
-d
-P
END
}

@test "-d and rows agree with pgrep" {
    zoo
    all_agree <<'END'
-d, alpha
-d , alpha
-d ' ' -u nobody
-d '' alpha
-d '::' .
-d, nothing
--delimiter=, alpha
--delimiter=$'\n' alpha
-l alpha
-l .
-l -u nobody
-l -x alpha
-l nothing
-a alpha
-a -f one
-a -u nobody
-a 'with blanks'
END
}

@test "--cgroup agrees with pgrep" {
    zoo
    cgroup=/sys/fs/cgroup/unified
    [ -e "$cgroup/cgroup.procs" ] || cgroup=/sys/fs/cgroup
    group=$cgroup/dmt-find-$$
    mkdir "$group" 2>/dev/null && [ -e "$group/cgroup.procs" ] || skip "no control group of version 2 can be made here"
    # shellcheck disable=SC2016
    spawn inside sh -c 'echo 0 >"$1/cgroup.procs" && exec "$2"' sh "$group" "$FIXTURES/parked"
    path=$(sed -n 's/^0:://p' "/proc/$(cat "$group/cgroup.procs")/cgroup")
    all_agree <<'END'
--cgroup "$path"
--cgroup "$path" parked
--cgroup "$path" alpha
--cgroup "$path,/nosuch"
--cgroup /nosuch
--cgroup "${path%?}"
-v --cgroup "$path"
END
    only --cgroup "$path" = "$READY"
}

after() {
    [ -z "${group:-}" ] || [ ! -d "$group" ] || soon rmdir "$group" # who was in it may be dying still
}

# --- documented differences ------------------------------------------------------------

@test "names match beyond the 15 bytes that the kernel keeps" {
    namespace
    animal a-binary-of-a-long-name
    binary=$IT
    script a-script-of-a-long-name
    script=$IT
    animal a-name-of-15-by && exactly=$IT
    only a-binary-of-a-long-name = "$binary"
    only a-script-of-a-long-name = "$script"
    only -x a-binary-of-a-long-name = "$binary"
    only 'of-a-long-name$' = "$binary" "$script"
    only -x 'a-(script|binary)-of-a-long-name' = "$binary" "$script"
    only -ix A-BINARY-OF-A-LONG-NAME = "$binary"
    only -v long-name = 1 "$exactly"
    only -x a-name-of-15-by = "$exactly"
    only -x a-binary-of-a-l = "$binary"
    only -l -H a-script-of-a-long-name = "$script" a-script-of-a-l
    run -1 inside dmt-find long-name-indeed
}

@test "it never lists itself" {
    namespace
    for words in . '-f .' '-f dmt-find' '-v nothing' '-v -f nothing' '-u root' '-r R' -n '-n .' '-I .' '-vl nothing' '--ns 1'; do
        # shellcheck disable=SC2086
        [ "$(inside dmt-find -H --format=tsv -d, $words | grep -v '^1\b')" = '' ]
    done
    only -v nothing = 1
    only -n = 1
    run -1 inside dmt-find -f dmt-find
}

@test "-f: who has no arguments does not match" {
    zoo
    only -x zombie = "$((zombie - 1))" "$zombie"
    only -f zombie = "$((zombie - 1))"
}

@test "-A leaves out our ancestors" {
    namespace
    animal alpha
    [ "$(inside sh -c 'dmt-find . | xargs; :' | wc -w)" -gt 2 ]
    [ "$(inside sh -c 'dmt-find -A .; :' | xargs)" = "1 $IT" ]
    [ "$(inside sh -c 'sh -c "dmt-find -A -x sh; :"; :')" = '' ]
    [ "$(inside sh -c 'sh -c "dmt-find -x sh; :"; :' | wc -l)" = 2 ]
}

@test "-I prints handles, made of the inode of a pidfd" {
    namespace
    animal alpha
    handle=$(inside python3 -c 'import os, sys; pid = int(sys.argv[1]); print(pid, os.fstat(os.pidfd_open(pid)).st_ino, sep=":")' "$IT")
    only -I alpha = "$handle"
    only -I -l -H alpha = "$handle" alpha
    only -Ia -H alpha = "$handle" "$dir/alpha"
    only -In = "$handle"
    [ "$(inside dmt-find -Id, .)" = "$(inside dmt-find -I . | paste -sd,)" ]
}

@test "-I prints PID@START where a pidfd has no inode of its own, before Linux 6.9" {
    spawn "$FIXTURES/parked" name="start-$$"
    run -0 strace -qq -e signal=none -e trace=fstatfs -e inject=fstatfs:retval=0 -o "$BATS_TEST_TMPDIR/calls" dmt-find -I "start-$$"
    [ "$output" = "$PID@$(cut -d' ' -f22 "/proc/$PID/stat")" ]
    dmt-kill -w -KILL "$output"
}

@test "-0 ends each token with a zero byte, and nothing else" {
    namespace
    animal alpha && one=$IT
    animal alpha && two=$IT
    [ "$(inside dmt-find -0 alpha | od -An -c | xargs)" = "$(printf '%s\0%s\0' "$one" "$two" | od -An -c | xargs)" ]
    [ "$(inside dmt-find -0 alpha | xargs -0 -n1 echo)" = "$(inside dmt-find alpha)" ]
}

@test "--descendants: children and theirs, not itself" {
    zoo
    read -r root child grandchild second third <<<"$family"
    only --descendants="$root" = "$child" "$grandchild" "$second" "$third"
    only --descendants "$child" = "$grandchild"
    only --descendants="$(inside dmt-find -I -x family)" grand = "$grandchild" "$third"
    [ "$(inside dmt-find --descendants="$root" -v . | xargs)" = "$(inside dmt-find . | grep -vxE "$child|$grandchild|$second|$third" | xargs)" ]
    run -1 inside dmt-find --descendants="$zombie"
    run -1 inside dmt-find --descendants="$grandchild"
    run -1 --separate-stderr inside dmt-find --descendants=99999
    [ "$stderr" = 'dmt-find: --descendants 99999: no such process' ]
    run -1 --separate-stderr inside dmt-find --descendants="$root:1"
    [ "${#stderr_lines[@]}" = 1 ]
}

@test "--ns: all kinds unless --nslist says which" {
    namespace
    animal alpha && plain=$IT
    spawn inside unshare -u "$dir/alpha" && uts=$READY
    spawn inside unshare -i "$dir/alpha" && ipc=$READY
    only --ns "$plain" alpha = "$plain"
    only --ns "$uts" = "$uts"
    only --ns "$uts" --nslist ipc alpha = "$plain" "$uts"
    only --ns "$uts" --nslist=uts,ipc = "$uts"
    only --ns "$plain" --nslist pid,mnt,net alpha = "$plain" "$uts" "$ipc"
    run -2 inside dmt-find --nslist pid alpha
}

@test "an option that is given twice adds to itself" {
    zoo
    [ "$(inside dmt-find -u nobody -u daemon,root | xargs)" = "$(inside pgrep -u nobody,root | xargs)" ]
    [ "$(inside dmt-find -P "$parent" -P 0 | xargs)" = "$(inside pgrep -P "$parent,0" | xargs)" ]
    [ "$(inside dmt-find -t "$tty" -t pts/999 | xargs)" = "$(inside pgrep -t "$tty" | xargs)" ]
}

@test "-t -: those without a terminal" {
    zoo
    [ "$(inside dmt-find -t - | xargs)" = "$(inside ps -eo pid=,tty=,comm= | awk '$2 == "?" && $3 != "ps" {print $1}' | xargs)" ]
    only -v -t - = "$(inside dmt-find -x pty)"
}

# --- the form ------------------------------------------------------------------------------

@test "one token a line and no header; rows with --columns" {
    namespace
    animal alpha -- one && one=$IT
    animal alpha -- two && two=$IT
    [ "$(inside dmt-find alpha)" = "$one"$'\n'"$two" ]
    [ "$(inside dmt-find --columns=pid,name,args alpha)" = $'pid\tname\targs\n'"$one"$'\talpha\t'"$dir/alpha -- one"$'\n'"$two"$'\talpha\t'"$dir/alpha -- two" ]
    [ "$(inside dmt-find -H --columns=name alpha)" = $'alpha\nalpha' ]
    [ "$(inside dmt-find --columns=+ppid --no-header alpha | head -1)" = "$one"$'\t0' ]
    [ "$(inside dmt-find -l alpha | head -1)" = $'pid\tname' ]
    [ "$(inside dmt-find -a alpha | head -1)" = $'pid\targs' ]
    [ "$(inside dmt-find -Il alpha | head -1)" = $'handle\tname' ]
    [ "$(inside dmt-find -J alpha | head -1)" = "{\"pid\":$one}" ]
    [ "$(inside dmt-find -Jl alpha | tail -1)" = "{\"pid\":$two,\"name\":\"alpha\"}" ]
    only --sort=-pid alpha = "$two" "$one"
    only -c --columns=pid,name alpha = 2
}

@test "no match: no output, not even a header, but for rows; status 1" {
    namespace
    for words in nothing '-I nothing' '-0 nothing' '-d, nothing' '-J nothing' '-lJ nothing' '-H -l nothing' '-n nothing'; do
        # shellcheck disable=SC2086
        run -1 inside dmt-find $words
        [ -z "$output" ]
    done
    run -1 inside dmt-find -l nothing
    [ "$output" = $'pid\tname' ]
    run -1 inside dmt-find -c nothing
    [ "$output" = 0 ]
}

@test "a pattern that is none is refused, also where -x puts brackets around it" {
    for pattern in '(' ')(' 'a)|(b' '[' '*('; do
        run -2 --separate-stderr dmt-find -x "$pattern"
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
    done
}

@test "-c prints no number where it could not count" {
    need_root
    spawn "$FIXTURES/parked"
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-find -c --ns="$PID" .
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    run -1 --separate-stderr dmt-find -c --ns=2147483647 .
    [ -z "$output" ]
}

@test "no /proc: status 3, one line" {
    need_root
    [ -z "${DMT_SAN:-}" ] || skip "a sanitizer needs /proc itself"
    run -3 --separate-stderr unshare -m sh -c 'mount -t tmpfs none /proc && exec dmt-find .'
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
}

# opened WORD...: the files below /proc/PID that dmt-find WORD... opens.
opened() {
    ASAN_OPTIONS=detect_leaks=0 inside strace -qq -e signal=none -e trace=file,ptrace -o "$dir/calls" dmt-find "$@" >/dev/null
    ! grep ptrace "$dir/calls"
    grep -oE '"([0-9]+/)?(comm|stat|statm|status|cmdline|environ|mem|cgroup|ns/.*|exe|smaps_rollup)"' "$dir/calls" | tr -d '"/0-9' | sort -u | xargs
}

@test "what it does not need it does not read" {
    namespace
    animal alpha
    [ "$(opened alpha)" = comm ]
    [ "$(opened -f alpha)" = cmdline ]
    [ "$(opened -P 0)" = stat ]
    [ "$(opened -n alpha)" = stat ]
    [ "$(opened -U 0)" = status ]
    [ "$(opened -c -u 0)" = stat ]
    animal a-binary-of-a-long-name
    [ "$(opened alpha)" = 'cmdline comm stat' ] # stat: whether it is the same program still
}
