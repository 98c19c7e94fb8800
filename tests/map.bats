#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-map against /proc/PID/maps and smaps, read by another parser (map.py); targets that are ill.
load helpers

check() {
    python3 "$BATS_TEST_DIRNAME/map.py" "$@" 3>&-
}

mapped() {
    spawn "$FIXTURES/mapped" "$@"
}

as_nobody() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
}

# row ADDRESS COLUMNS: these columns of the mapping of PID that begins there.
row() {
    dmt-map -H -o "start,$2" "$PID" | awk -F'\t' -v at="$1" '$1 == at { sub(/^[^\t]*\t/, ""); print }'
}

@test "each field of each mapping is that of maps and smaps" {
    need python3
    mapped anon none zero shm memfd=name file="$BATS_TEST_TMPDIR/file" shared="$BATS_TEST_TMPDIR/shared" hole spare=8
    check equal "$PID"
    spawn bash -c 'echo ready; read -r _'
    check shares "$PID"
    spawn python3 -c 'import sqlite3, ssl, ctypes; print("ready", flush=True); input()'
    check shares "$PID"
}

@test "node too" {
    need python3 node
    spawn node -e 'console.log("ready"); process.stdin.resume()'
    check shares "$PID"
}

@test "names as they are: newline, tab, ESC, no UTF-8, the kernel's escape, and deleted or called so" {
    need python3
    dir=$BATS_TEST_TMPDIR/$'d\t\xff'
    mkdir "$dir"
    mapped file="$dir/"$'new\nline' file="$dir/"$'tab\tESC\e[31m' file="$dir/"$'\xff\xc3' file="$dir/"'back\012slash' \
        file="$dir/called (deleted)" gone="$dir/was" gone="$dir/"$'was\n' file="$dir/ blanks " file="$dir/"$'new\n (deleted)' \
        gone="$dir/twice (deleted)" file="$dir/"'a\012'$'\n'
    check equal "$PID"
    read -ra at <<<"$READY"
    [ "${#at[@]}" = 11 ]
    shown='\xff\xc3'
    d=$(dmt-map -H -o path "$PID" | grep -F '\x1b[31m')
    d=${d%/*}
    [ "$(row "${at[0]}" path,deleted)" = "$d/new\\nline"$'\tno' ]
    [ "$(row "${at[2]}" path,deleted)" = "$d/$shown"$'\tno' ]
    [ "$(row "${at[3]}" path,deleted)" = "$d/back\\x5c012slash"$'\tno' ]
    [ "$(row "${at[4]}" path,deleted)" = "$d/called (deleted)"$'\tno' ]
    [ "$(row "${at[5]}" path,deleted)" = "$d/was"$'\tyes' ]
    [ "$(row "${at[6]}" path,deleted)" = "$d/was\\n"$'\tyes' ]
    [ "$(row "${at[9]}" path,deleted)" = "$d/twice (deleted)"$'\tyes' ]
    dmt-map -J "$PID" | jq -e . >/dev/null
}

@test "what a file is called that was deleted, for who is not root" {
    need setpriv
    need_root
    dir=$(mktemp -d "${TMPDIR:-/tmp}/dmt-XXXXXX")
    chmod 777 "$dir"
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups "$FIXTURES/mapped" file="$dir/called (deleted)" gone="$dir/was"
    read -ra at <<<"$READY"
    run as_nobody dmt-map -H -o start,path,deleted "$PID"
    rm -r "$dir"
    [[ $output == *"${at[0]}"$'\t'"$dir/called (deleted)"$'\tno'* ]]
    [[ $output == *"${at[1]}"$'\t'"$dir/was"$'\tyes'* ]]
}

@test "-x adds columns, and bytes are exact" {
    mapped spare=16
    [ "$(dmt-map -x "$PID" | head -1)" = "$(tr ' ' '\t' <<<'pid start end perms offset dev inode path rss pss dirty swap')" ]
    [ "$(row "$READY" rss,dirty,swap,size,offset,dev,inode,path)" = $'16777216\t16777216\t0\t16777216\t-\t-\t-\t-' ]
}

@test "addresses sort as numbers" {
    mapped anon
    dmt-map -H -o start --sort=-start "$PID" >"$BATS_TEST_TMPDIR/down"
    dmt-map -H -o start "$PID" | tac | cmp - "$BATS_TEST_TMPDIR/down"
    dmt-map -J -o start "$PID" | jq -e -s 'all(.start | type == "string")' >/dev/null
}

@test "build-id and bias are those of the file" {
    need readelf nm
    mapped anon
    id=$(readelf -n "$FIXTURES/mapped" | awk '/Build ID:/ { print $3 }')
    [ -n "$id" ]
    exe=$(readlink "/proc/$PID/exe")
    [ "$(dmt-map -H -o path,build_id "$PID" | awk -F'\t' -v p="$exe" '$1 == p { print $2 }' | sort -u)" = "$id" ]
    libc=$(dmt-map -H -o path "$PID" | grep -m1 '/libc[.-]')
    [ "$(dmt-map -H -o path,build_id "$PID" | awk -F'\t' -v p="$libc" '$1 == p { print $2 }' | sort -u)" = \
        "$(readelf -n "$libc" | awk '/Build ID:/ { print $3 }')" ]
    # A byte of main in the file, and what the process has at that address.
    bias=$(dmt-map -H -o path,bias "$PID" | awk -F'\t' -v p="$exe" '$1 == p { print $2; exit }')
    [ "$(dmt-map -H -o path,bias "$PID" | awk -F'\t' -v p="$exe" '$1 == p { print $2 }' | sort -u | wc -l)" = 1 ]
    main=$(nm "$FIXTURES/mapped" | awk '$3 == "main" { print "0x" $1 }')
    tell bytes "$(printf '0x%x' $((main + bias)))" 16
    [ "$(answer)" = "$(od -An -v -tx1 -j "$((main))" -N 16 "$FIXTURES/mapped" | tr -d ' \n')" ]
    [ "$(row "$READY" build_id,bias)" = $'-\t-' ]
}

@test "the build-id of a deleted program, and of one in another mount namespace" {
    need unshare readelf
    cp "$FIXTURES/mapped" "$BATS_TEST_TMPDIR/program"
    id=$(readelf -n "$FIXTURES/mapped" | awk '/Build ID:/ { print $3 }')
    spawn "$BATS_TEST_TMPDIR/program" anon
    rm "$BATS_TEST_TMPDIR/program"
    [ "$(dmt-map -H -o path,deleted,build_id "$PID" | head -1)" = "$BATS_TEST_TMPDIR/program"$'\tyes\t'"$id" ]
    need_root
    mkdir "$BATS_TEST_TMPDIR/m"
    # shellcheck disable=SC2016
    spawn unshare -m sh -c 'mount -t tmpfs none "$0" && cp "$1" "$0/there" && exec "$0/there" anon' \
        "$BATS_TEST_TMPDIR/m" "$FIXTURES/mapped"
    [ ! -e "$BATS_TEST_TMPDIR/m/there" ]
    [ "$(dmt-map -H -o build_id "$PID" | head -1)" = "$id" ]
}

@test "a 32-bit process has its mappings" {
    need python3
    # No C library of 32 bits is needed: int 0x80 is write(2) and then pause(2).
    cat >"$BATS_TEST_TMPDIR/m.c" <<'END'
void _start(void)
{
    int ret;
    __asm__ volatile("int $0x80" : "=a"(ret) : "a"(4), "b"(1), "c"("ready\n"), "d"(6) : "memory");
    for (;;)
        __asm__ volatile("int $0x80" : "=a"(ret) : "a"(29) : "memory");
}
END
    cc -m32 -nostdlib -static -fno-pie -no-pie -fno-stack-protector -o "$BATS_TEST_TMPDIR/m32" "$BATS_TEST_TMPDIR/m.c" ||
        skip "cc -m32 does not work"
    run timeout 1 "$BATS_TEST_TMPDIR/m32"
    [ "$status" = 124 ] || skip "this kernel runs no 32-bit programs"
    spawn "$BATS_TEST_TMPDIR/m32"
    check shares "$PID"
    run -3 --separate-stderr dmt-peek "$PID" %rip
    echo "$stderr"
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == *"32-bit"* ]]
}

@test "while it runs program after program, each list is whole and of one" {
    need python3 env
    # sh and env, each running the other.
    cat >"$BATS_TEST_TMPDIR/loop" <<END
exec env sh "$BATS_TEST_TMPDIR/loop"
END
    # shellcheck disable=SC2016
    spawn sh -c 'echo ready; exec sh "$0"' "$BATS_TEST_TMPDIR/loop"
    figure=$(check whole "$(scale 2 30)" "$PID")
    echo "$figure"
    [[ $figure == *" 2 programs" ]]
}

@test "while mappings come and go, none overlaps and none is cut" {
    need python3
    mapped anon
    tell churn
    [ "$(answer)" = churns ]
    check whole "$(scale 2 30)" "$PID"
}

@test "one that dies in the middle is a row or a message, and never half" {
    for _ in $(seq "$(scale 20 300)"); do
        "$FIXTURES/mapped" anon </dev/null >/dev/null 3>&- &
        run --separate-stderr dmt-map -H -x "$!"
        wait "$!" || :
        case $status in
        0) [[ $output == *"[stack]"* && -z $stderr ]] ;;
        1) [ -z "$output" ] && [ "${#stderr_lines[@]}" = 1 ] ;;
        *) echo "$status $stderr"; false ;;
        esac
    done
}

@test "targets: threads, handles, lists, standard input" {
    mapped anon
    all=$(dmt-map "$PID")
    [ "$(dmt-map "$PID/$PID")" = "$all" ]
    [ "$(dmt-map -p "$PID")" = "$all" ]
    [ "$(dmt-map "$(dmt-ps -H -o handle "$PID")")" = "$all" ]
    [ "$(dmt-ps "$PID" | dmt-map -)" = "$all" ]
    run -1 --separate-stderr dmt-map -H "$PID/1"
    [ "$stderr" = "dmt-map: $PID/1: no such thread: 1" ]
    run -1 --separate-stderr dmt-map "$PID@1"
    [[ $stderr == "dmt-map: $PID@1: "* ]]
    # One bad target does not stop the others.
    run -1 --separate-stderr dmt-map -H "$PID@1" "$PID"
    [ "$output" = "$(tail -n +2 <<<"$all")" ]
}

@test "a process whose first thread has ended has its mappings" {
    spawn "$FIXTURES/parked" threads=2 leader-exits
    until grep -q '^State:.Z' "/proc/$PID/status"; do :; done
    dmt-map -H "$PID" | grep -F '[stack]'
    [ "$(dmt-map -H -o build_id "$PID" | head -1)" = "$(readelf -n "$FIXTURES/parked" | awk '/Build ID:/ { print $3 }')" ]
}

@test "kernel threads and zombies have no address space" {
    spawn "$FIXTURES/parked" zombie
    for p in "${READY#* }" "${KTHREADS[@]}"; do
        run -1 --separate-stderr dmt-map -H "$p"
        [ "$output" = "" ]
        [ "$stderr" = "dmt-map: $p: it has no address space: a kernel thread, or a zombie" ]
    done
    run -1 --separate-stderr dmt-map 2147483647
    [ "$stderr" = "dmt-map: 2147483647: no such process" ]
}

@test "a refusal names the check that failed, and the cure" {
    need setpriv
    need_root
    says() {
        run -3 --separate-stderr as_nobody dmt-map "$PID"
        [ "$output" = "$(dmt-map self | head -1)" ]
        [[ $stderr == "dmt-map: $PID: cannot read its mappings: Operation not permitted ($1)" ]] || { echo "$stderr"; false; }
    }
    spawn "$FIXTURES/parked"
    says 'it runs as root: run as that user or as root'
    spawn "$FIXTURES/parked" gid=0:65534:65534 uid=65534:65534:65534
    says 'it runs with another group than we: run as root'
    spawn "$FIXTURES/parked" gid=65534:65534:65534 uid=65534:65534:65534 dumpable=0
    says 'it is not dumpable, as after a change of user or by prctl: run as root'
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=+net_raw --ambient-caps=+net_raw "$FIXTURES/parked"
    says 'it has capabilities that we lack: run as root'
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups "$FIXTURES/parked"
    as_nobody dmt-map "$PID" >/dev/null
}

# Here the kernel need not have Yama: what it would say stands in the place of two files.
@test "what Yama forbids is said" {
    need setpriv unshare dmt-peek
    need_root
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups "$FIXTURES/mapped" anon
    cd "$BATS_TEST_TMPDIR"
    mkdir -p kernel/yama
    echo 2 >kernel/yama/ptrace_scope
    chmod 755 . kernel kernel/yama
    : >mem
    chmod 0 mem
    # shellcheck disable=SC2016
    run -3 --separate-stderr unshare --mount sh -ec 'mount --bind kernel /proc/sys/kernel; mount --bind mem "/proc/$1/mem"
        exec setpriv --reuid=65534 --regid=65534 --clear-groups dmt-peek "$1" "$2"' - "$PID" "$READY,8"
    echo "$stderr"
    [[ $stderr == *"cannot read its memory: "*" (ptrace_scope is 2: "* ]]
    as_nobody dmt-map "$PID" >/dev/null
}

@test "a refusal in a user namespace says so" {
    need unshare
    spawn "$FIXTURES/parked" uid=1:1:1
    run -3 --separate-stderr unshare -Ur dmt-map -H "$PID"
    [ "$stderr" = "dmt-map: $PID: cannot read its mappings: Operation not permitted (our rights end with our user namespace: run as root outside of it)" ]
}

@test "no ptrace call, no memory of the target, no signal" {
    need strace
    mapped anon file="$BATS_TEST_TMPDIR/file" gone="$BATS_TEST_TMPDIR/gone"
    strace -f -qq -e signal=none -e trace=ptrace,process_vm_readv,process_vm_writev,kill,tgkill,tkill,pidfd_send_signal,openat \
        -o "$BATS_TEST_TMPDIR/calls" dmt-map -o all "$PID" >/dev/null
    grep -q '"smaps"' "$BATS_TEST_TMPDIR/calls"
    run ! grep -E 'ptrace|process_vm|kill|pidfd_send|"mem"' "$BATS_TEST_TMPDIR/calls"
}

# --- file systems that do not answer -------------------------------------------------------

# fuse ARG...: a daemon that answers no more. PID is the process that has its file, AT where.
fuse() {
    [ -c /dev/fuse ] || skip "/dev/fuse is missing"
    mkdir "$BATS_TEST_TMPDIR/fuse"
    run timeout 20 "$FIXTURES/fuse" "$BATS_TEST_TMPDIR/fuse" "$FIXTURES/mapped" map </dev/null
    [ "$status" = 0 ] || skip "FUSE cannot be mounted: $output"
    spawn "$FIXTURES/fuse" "$BATS_TEST_TMPDIR/fuse" "$@"
    read -r PID AT <<<"$READY"
}

# in_time COMMAND...: it ends within 20 s. Output, errors and status go to files; if it does not, the daemon has to die
# for it to be ended at all.
in_time() {
    local end=$((${EPOCHREALTIME/./} + 20000000)) pid
    "$@" >"$BATS_TEST_TMPDIR/o" 2>"$BATS_TEST_TMPDIR/e" 3>&- &
    pid=$!
    while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
        if [ "${EPOCHREALTIME/./}" -gt "$end" ]; then
            echo "after 20 s $* is in state $(grep ^State: "/proc/$pid/status"), $(cat "/proc/$pid/wchan")"
            kill -KILL "${SPAWNED[@]}" "$pid"
            return 1
        fi
    done
    STATUS=0
    wait "$pid" || STATUS=$?
}

@test "a FUSE daemon that does not answer: dmt-map answers, and the fixture is what it says" {
    fuse "$FIXTURES/mapped" map
    in_time dmt-map -x -o +size,deleted,build_id,bias "$PID"
    [ "$STATUS" = 0 ]
    [ ! -s "$BATS_TEST_TMPDIR/e" ]
    [ "$(field path <"$BATS_TEST_TMPDIR/o" | grep -c "/fuse/file$")" = 1 ]
    [ "$(awk -F'\t' -v at="$AT" '$2 == at { print $NF, $(NF - 1) }' "$BATS_TEST_TMPDIR/o")" = "- -" ]
    # Who reads a page of it sleeps, and is not even ended by SIGKILL.
    dd if="/proc/$PID/mem" bs=1 count=1 skip="$((AT))" status=none 3>&- >/dev/null 2>&1 &
    [ "$(answer)" = taken ]
    kill -KILL "$!"
    until grep -q '^State:.D' "/proc/$!/status"; do [ -e "/proc/$!/stat" ]; done
    run ! timeout 0.3 tail --pid="$!" -f /dev/null
    grep -q '^State:.D' "/proc/$!/status"
    # With the daemon all are let go.
    kill -KILL "${SPAWNED[@]}"
    timeout 10 tail --pid="$!" -f /dev/null
}

@test "a program on a FUSE file system whose daemon does not answer" {
    fuse "$FIXTURES/parked" exec
    in_time dmt-map -o all "$PID"
    [ "$STATUS" = 0 ]
    [ "$(field path <"$BATS_TEST_TMPDIR/o" | head -1)" = "$BATS_TEST_TMPDIR/fuse/file" ]
}

@test "dmt-peek reads no page that may never come, and those of others" {
    need dmt-peek
    fuse "$FIXTURES/mapped" map
    in_time dmt-peek "$PID" "$AT,8"
    [ "$STATUS" = 3 ]
    grep -q -- '--remote-fs' "$BATS_TEST_TMPDIR/e"
    stack=$(dmt-map -H -o path,start "$PID" | awk '$1 == "[stack]" { print $2 }')
    in_time dmt-peek "$PID" "$stack,8"
    [ "$STATUS" = 0 ]
    # Nobody is left sleeping for the daemon.
    run ! pgrep -r D dmt-peek
}

@test "a page that its userfaultfd handler does not give is an error, and no wait" {
    need dmt-peek
    spawn "$FIXTURES/mapped" uffd
    in_time dmt-peek "$PID" "$READY,8"
    [ "$STATUS" = 1 ]
    grep -q "cannot read at $READY" "$BATS_TEST_TMPDIR/e"
    in_time dmt-map -x "$PID"
    [ "$STATUS" = 0 ]
}

# --- bad input --------------------------------------------------------------------------------

@test "bad input is status 2 and one line" {
    while read -r line; do
        eval "run -2 --separate-stderr $line"
        [ "$output" = "" ] || { echo "$line: $output"; false; }
        [ "${#stderr_lines[@]}" = 1 ] && [[ $stderr == dmt-map:* ]] || { echo "$line: $stderr"; false; }
    done <<'CASES'
dmt-map
dmt-map --
dmt-map x
dmt-map ''
dmt-map 0x1
dmt-map -- -1
dmt-map 1/
dmt-map 1/x
dmt-map /nonexistent
dmt-map /nonexistent/1
dmt-map -p x
dmt-map -p 1,,2
dmt-map -x=1 1
dmt-map -Z 1
dmt-map -o nonsense 1
dmt-map -o pid, 1
dmt-map --sort=nonsense 1
dmt-map --remote-fs=1 1
dmt-map --format=xml 1
dmt-map self nobody
CASES
}
