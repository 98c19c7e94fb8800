#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-peek against /proc/PID/mem, gdb and what the fixture `data` knows of itself: see peek.py.
load helpers

check() {
    need python3
    python3 "$BATS_TEST_DIRNAME/peek.py" "$@" 3>&-
}

data() {
    spawn "$FIXTURES/data" "$@"
}

# at NAME: the address that the fixture gave.
at() {
    local word=" $READY"
    word=${word#* "$1"=}
    echo "${word%%:*}"
}

tab() {
    local IFS=$'\t'
    echo "$*"
}

value() {
    dmt-peek -H -o value "$@" | paste -sd' '
}

state() {
    awk '/^State/ { print $2 }' "/proc/$1/status"
}

# threads: the numbers of its threads.
threads() {
    find "/proc/$PID/task" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -n
}

# --- memory --------------------------------------------------------------------------------

@test "every readable mapping of bash, python3 and node, byte by byte" {
    data
    check memory "$PID"
    spawn bash -c 'echo ready; read -r'
    check memory "$PID"
    spawn python3 -c 'print("ready", flush=True); input()'
    check memory "$PID"
    if command -v node >/dev/null; then
        spawn node -e 'console.log("ready"); process.stdin.on("data", () => {})'
        kill -STOP "$PID"
        soon is_state T "$PID"
        check memory "$PID"
    fi
}

@test "values of all sizes and formats, against the bytes" {
    data
    check values "$PID" "$READY"
}

@test "values, pointers and strings are those of gdb" {
    need gdb
    data
    check against_gdb "$PID" "$READY"
}

@test "reading memory takes no ptrace call, and stops nobody" {
    need strace
    data threads=3
    strace -f -qq -e trace=ptrace,kill,tkill,tgkill -o "$BATS_TEST_TMPDIR/calls" \
        dmt-peek -f x8 "$PID" "$(at numbers),2" "$(at holed)" >"$BATS_TEST_TMPDIR/out"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" = 4 ]
    run ! grep ptrace "$BATS_TEST_TMPDIR/calls"
}

@test "a large mapping: raw, in a pipe and from its middle" {
    data big=40
    dmt-peek --raw "$PID" 0x600000000000,41943040 |
        cmp - <(dd if="/proc/$PID/mem" bs=64K iflag=skip_bytes,count_bytes skip=$((0x600000000000)) count=41943040 status=none)
    [ "$(dmt-peek --raw "$PID" 0x600000000ffd,1000003 | sha256sum)" = \
        "$(dd if="/proc/$PID/mem" bs=64K iflag=skip_bytes,count_bytes skip=$((0x600000000ffd)) count=1000003 status=none | sha256sum)" ]
    dmt-peek -f u8 -H -o value "$PID" 0x600000001000,1048576 | awk 'NR % 512 == 1 { exit $1 != 4096 * ((NR - 1) / 512 + 1) }'
}

@test "the hex dump is that of xxd" {
    need xxd
    data
    dmt-peek -H -o hex,text "$PID" "$(at text),57" >"$BATS_TEST_TMPDIR/ours"
    dmt-peek --raw "$PID" "$(at text),57" | xxd | awk '
        { hex = substr($0, 11, 39); sub(/ *$/, "", hex); text = substr($0, 52); gsub(/\\/, "\\x5c", text); print hex "\t" text }' >"$BATS_TEST_TMPDIR/theirs"
    diff "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/theirs"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/ours")" = 4 ]
    run -0 dmt-peek "$PID" "$(at text)"
    [ "${lines[0]}" = "$(tab pid addr hex text)" ]
    [ "${#lines[@]}" = 2 ]
}

# --- symbols ---------------------------------------------------------------------------------

@test "a variable of 1, 2, 4 or 8 bytes is a number, all else bytes of its size" {
    data
    for name in i8 i16 i32 i64 u8 u16 u32 u64; do
        tell "$name"
        bytes=$(answer)
        run -0 dmt-peek "$PID" "$name"
        [ "${lines[0]}" = "$(tab pid addr location type value)" ]
        [ "${lines[1]}" = "$(tab "$PID" "$(at "$name")" "$name" "unsigned$((${#bytes} / 2))" \
            "$(printf %u "0x$(fold -w2 <<<"$bytes" | tac | tr -d '\n')")")" ]
    done
    for name in text floats pair constant bss; do
        tell "$name"
        [ "$(dmt-peek -H -o hex "$PID" "$name" | tr -d ' \n')" = "$(answer)" ]
    done
    [ "$(dmt-peek -H "$PID" bss | wc -l)" = 19 ]
    [ "$(value "$PID" local)" = 19532 ]
    [ "$(dmt-peek -H -o type "$PID" pair main | sort -u)" = bytes ]
    dmt-peek --raw "$PID" answer,4 | cmp - <(dmt-peek --raw "$PID" "$(at answer),4")
}

@test "-f, COUNT and offsets of a variable" {
    data
    [ "$(value -f d4 "$PID" numbers)" = "1 -2 3 -4 5" ]
    [ "$(value -f d4 "$PID" numbers,2)" = "1 -2" ]
    [ "$(value -f signed4 "$PID" numbers+8)" = "3 -4 5" ]
    [ "$(value "$PID" numbers+16 numbers-0x0,4)" = "5 0100 0000" ]
    [ "$(value -f d4 "$PID" "numbers@data+4,1")" = -2 ]
    [ "$(value -f f "$PID" f64 pair+8,1 f32)" = "-0.3333333333333333 0.5 0.1" ]
    [ "$(value -f s "$PID" pair+16 constant words,4)" = 'pair read-only data one two \0 four' ]
    [ "$(value -f c "$PID" constant,4)" = "r e a d" ]
    [ "$(value -f d "$PID" i8 i16 i32 i64)" = "-8 -1616 -323232 -9223372036854775808" ]
    [ "$(dmt-peek -H -o symbol "$PID" "$(at numbers),32" | xargs)" = "numbers numbers+16" ]
    run -1 --separate-stderr dmt-peek -H -o value "$PID" nonsense u8 numbers@libc.so.6 data.c:99999 u16
    [ "$output" = $'200\n60000' ]
    [ "${#stderr_lines[@]}" = 3 ]
    [ "${stderr_lines[0]}" = "dmt-peek: $PID: nonsense: no such symbol" ]
}

@test "names that look like the grammar: the whole text is a symbol first, quotes make it plain" {
    data
    expect() {
        [ "$(value -f x "$PID" "$1")" = "$2" ] || { echo "$1: not $2: $(value -f x "$PID" "$1")"; return 1; }
    }
    expect 'operator+' 0x11
    expect 'a+8' 0x22
    expect 'std::map<int,int>::at(int,4)' 0x33
    expect 'main.(*T).M' 0x44
    expect 'two words' 0x55
    expect 'file.c:42' 0x66
    expect 'pair,3' 0x77
    expect "it's" 0x88
    expect "'it's'" 0x88
    expect a 0x99
    expect "'a+8'+0" 0x22
    expect "'operator+',1" 0x11
    expect "'a'@'data'" 0x99
    expect "'std::map<int,int>::at(int,4)'+0,1" 0x33
    [ "$(dmt-peek -H -o addr "$PID" "'a'+8,1")" = "$(printf 0x%x $(($(at named_a) + 8)))" ]
}

@test "a file and line is where its code begins" {
    need gdb
    data
    line=$(grep -n 'int value;' "$BATS_TEST_DIRNAME/fixtures/data.c" | cut -d: -f1)
    line=$((line + 1))
    theirs=$(gdb -nx -batch -p "$PID" -ex "info line data.c:$line" 2>/dev/null | grep -o 'address 0x[0-9a-f]*' | head -1)
    [ "$(dmt-peek -H -o addr "$PID" "data.c:$line")" = "${theirs#address }" ]
}

@test "a thread-local variable has no address" {
    data
    run -3 --separate-stderr dmt-peek -H "$PID" own
    [ -z "$output" ]
    [[ $stderr == *"thread-local"* ]]
}

# --- holes -----------------------------------------------------------------------------------

@test "holes: an error after what was read, zeros, or left out" {
    data
    h=$(at holed)
    page() { head -c 4096 /dev/zero | tr '\0' "${1:-\\0}"; }
    run -1 --separate-stderr bash -c "dmt-peek --raw $PID $h,0x3000 >$BATS_TEST_TMPDIR/raw"
    cmp "$BATS_TEST_TMPDIR/raw" <(page h)
    [ "$stderr" = "dmt-peek: $PID: $h,0x3000: nothing is mapped at 0x510000001000" ]
    dmt-peek --raw --holes=zero "$PID" "$h,0x3000" | cmp - <(page h; page; page h)
    dmt-peek --raw --holes=skip "$PID" "$h,0x3000" | cmp - <(page h; page h)
    dmt-peek --raw --holes=skip "$PID" 0x50fffffff000,0x5000 | cmp - <(page h; page h)
    dmt-peek --raw --holes=zero "$PID" 0x50ffffffff00,0x200 | cmp - <(head -c 256 /dev/zero; page h | head -c 256)
    run -1 --separate-stderr dmt-peek -H -o addr,size "$PID" "0x510000000fe8,64"
    [ "$output" = "$(tab 0x510000000fe8 16)"$'\n'"$(tab 0x510000000ff8 8)" ]
    # A value that is cut by a hole is none; a row of bytes is shorter.
    [ "$(dmt-peek -H -f x8 --holes=skip -o addr "$PID" "0x510000000fec,517" | xargs)" = \
        "0x510000000fec 0x510000000ff4 0x510000002004 0x51000000200c" ]
    [ "$(dmt-peek -H -f u1 --holes=zero -o value "$PID" "0x510000000fff,2" | xargs)" = "104 0" ]
    [ "$(dmt-peek -H --holes=skip -o hex "$PID" "0x510000000ffe,4")" = 6868 ]
    run -1 --separate-stderr dmt-peek -H --holes=skip "$PID" 0x510000001000,4096
    [ -z "$output" ]
    [[ $stderr == *"no byte of it can be read" ]]
    # Mapped, but nothing behind it: the end of its file.
    run -1 --separate-stderr bash -c "dmt-peek --raw $PID $(at cut),0x3000 | wc -c; exit \${PIPESTATUS[0]}"
    [ "$output" = 4096 ]
    [[ $stderr == *"cannot read at 0x530000001000"* ]]
    [ "$(dmt-peek --raw --holes=skip "$PID" "$(at cut),0x3000" | wc -c)" = 4096 ]
    [ "$(dmt-peek --raw --holes=zero "$PID" "$(at cut),0x3000" | wc -c)" = 12288 ]
    # A page that the process itself may not read can be read all the same.
    [ "$(dmt-peek --raw "$PID" "$(at closed),4096" | tr -d '\0' | wc -c)" = 0 ]
    # Strings end at a hole.
    [ "$(dmt-peek -H -f s --holes=zero -o size "$PID" 0x510000000ff0)" = 16 ]
    run -1 --separate-stderr dmt-peek -H -f s -o size "$PID" 0x510000000ff0
    [ "$output" = 16 ]
    run -1 --separate-stderr dmt-peek -H -f s --holes=skip -o size "$PID" 0x510000001ff0,3
    [ -z "$output" ]
}

@test "a hole of 64 GiB is one step: behind the end of a file, and of memory that somebody else serves" {
    need strace
    spawn "$FIXTURES/mapped" short=64
    size=$((64 << 30)) # both are left out but for one page
    leaves() {
        strace -qq -e trace=pread64 -o "$BATS_TEST_TMPDIR/calls" dmt-peek --raw --holes=skip "$PID" "$1" >"$BATS_TEST_TMPDIR/raw"
        [ "$(wc -c <"$BATS_TEST_TMPDIR/raw")" = 4096 ]
        echo "$(wc -l <"$BATS_TEST_TMPDIR/calls") calls"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/calls")" -lt 3000 ]
    }
    leaves "$READY,$size"
    [ "$(head -c 5 "$BATS_TEST_TMPDIR/raw")" = short ]
    spawn "$FIXTURES/mapped" served=64 || skip "there is no userfaultfd(2) here"
    leaves "$READY,$size"
    [ "$(head -c 6 "$BATS_TEST_TMPDIR/raw")" = served ]
    run -1 dmt-peek --raw "$PID" "$READY,4096"
}

@test "memory that was never touched is zeros, and takes no page tables of the target" {
    spawn "$FIXTURES/mapped" closed=64
    tables() { awk '/^VmPTE/ { print $2 }' "/proc/$PID/status"; }
    before=$(tables)
    dmt-peek --raw "$PID" "$READY,268435456" | cmp - <(head -c 268435456 /dev/zero)
    [ "$(tables)" -le $((before + 16)) ] # reading all of it takes 512
    data big=1
    # What was touched in between is there, whatever stands around it.
    dmt-peek --raw --holes=skip "$PID" 0x600000000000,0x100000 | cmp - <(dd if="/proc/$PID/mem" bs=4096 skip=$((0x600000000)) count=256 status=none)
}

@test "the top of the address space, and what is far too much" {
    data
    for top in 0xffffffffffffffff 0xfffffffffffffff0 0x8000000000000000 0x7fffffffffffffff 0xffffffffff600000 0x0; do
        run -1 --separate-stderr dmt-peek -H "$PID" "$top"
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
        run -1 --separate-stderr dmt-peek -H -f s "$PID" "$top"
        [ -z "$output" ]
    done
    run -1 --separate-stderr dmt-peek --raw --holes=skip "$PID" 0xffffffffffffffff,1
    [ -z "$output" ]
    [ "$(dmt-peek --raw --holes=zero "$PID" 0xffffffffffffffff,1 | od -An -tx1)" = " 00" ]
    # All of it, without the holes: as much as is mapped.
    dmt-peek --raw --holes=skip "$PID" 0x0,0xffffffffffffffff | wc -c >"$BATS_TEST_TMPDIR/all"
    [ "$(cat "$BATS_TEST_TMPDIR/all")" -gt 1000000 ]
    for bad in 0xffffffffffffffff,2 0x1,0xffffffffffffffff0 0x1,18446744073709551616 0x2,18446744073709551615; do
        run -2 --separate-stderr dmt-peek "$PID" "$bad"
        [ -z "$output" ]
    done
    run -2 dmt-peek -f x8 "$PID" 0x1000,0x2000000000000000
    run -2 dmt-peek "$PID" u64,0x2000000000000000
}

# --- registers -------------------------------------------------------------------------------

spinning() {
    [ "$(uname -m)" = x86_64 ] || skip "the fixture is written for x86_64"
    data spin "$@"
    TID=$(($(at spin)))
}

@test "registers of a thread that knows what it has in them" {
    spinning threads=2
    [ "$(value "$PID/$TID" %r12 %r15)" = "0x1212121212121212 0x1515151515151515" ]
    [ "$(value -f f4 "$PID/$TID" %xmm5)" = "1.5 2.5 3.5 4.5" ]
    [ "$(value -f u2 "$PID/$TID" %r13)" = "4883 4883 4883 4883" ]
    [ "$(value "$PID/$TID" %r14d %R14W %r14b)" = "0x14141414 0x1414 0x14" ]
    [ "$(value -f d "$PID/$TID" %r12)" = 1302123111085380114 ]
    [ "$(dmt-peek -H -r gp -o name,value "$PID/$TID" | grep r15)" = "$(tab r15 0x1515151515151515)" ]
    [ "$(dmt-peek -r gp "$PID/$TID" | head -1)" = "$(tab pid tid set name value)" ]
    [ "$(dmt-peek -r fp,vector -H -o set "$PID/$TID" | sort -u | xargs)" = "fp vector" ]
    [ "$(dmt-peek -r all -H -o set "$PID/$TID" | sort -u | xargs)" = "debug fp gp vector" ]
    # All threads, where none is named; a missing one is status 1.
    [ "$(dmt-peek -H -o tid "$PID" %rip)" = "$(threads)" ]
    [ "$(dmt-peek -H -o tid,value "$PID" %r12 | grep -c 0x1212121212121212)" = 1 ]
    run -1 --separate-stderr dmt-peek -H -o tid "$PID/1" %rip
    [ -z "$output" ]
    # Memory where a register points, of each thread.
    sp=$(value "$PID/$PID" %rsp)
    [ "$(dmt-peek -H -o addr "$PID/$PID" %rsp+8)" = "$(printf 0x%x $((sp + 8)))" ]
    dmt-peek --raw "$PID/$PID" %rsp+0,64 | cmp - <(dmt-peek --raw "$PID" "$sp,64")
    [ "$(dmt-peek -H -o tid -f x8 "$PID" %sp+0 | sort -n)" = "$(threads)" ]
    dmt-peek --raw "$PID/$TID" %r12 %r13b | cmp - <(printf '\x12\x12\x12\x12\x12\x12\x12\x12\x13')
    tell regs
    [ "$(answer)" = "1212121212121212 1313131313131313 1414141414141414 1515151515151515 1.5 2.5 3.5 4.5" ]
}

@test "the registers are those of gdb" {
    need gdb
    data
    check registers "$PID" "$PID"
}

@test "all registers of a thread take one stop, and the thread goes on as it was" {
    need strace
    spinning
    strace -f -qq -e trace=ptrace -o "$BATS_TEST_TMPDIR/calls" \
        dmt-peek "$PID/$TID" %r12 %xmm5 %rsp+0 %r13 %st0 "$(at u8),1" >"$BATS_TEST_TMPDIR/out"
    [ "$(grep -c PTRACE_SEIZE "$BATS_TEST_TMPDIR/calls")" = 1 ]
    [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" = 7 ]
    for ((i = 0; i < $(scale 20 500); i++)); do dmt-peek -r all "$PID" >"$BATS_TEST_TMPDIR/out"; done
    soon is_state R "$PID/task/$TID"
    [ "$(awk '/^TracerPid/ { print $2 }' "/proc/$PID/status")" = 0 ]
    tell regs
    [ "$(answer)" = "1212121212121212 1313131313131313 1414141414141414 1515151515151515 1.5 2.5 3.5 4.5" ]
    kill -STOP "$PID"
    soon is_state T "$PID"
    [ "$(value "$PID/$TID" %r12)" = 0x1212121212121212 ]
    soon is_state T "$PID"
    kill -CONT "$PID"
    tell u8
    [ "$(answer)" = c8 ]
}

# --- targets ---------------------------------------------------------------------------------

@test "several targets: -p and standard input; one that is gone stops no other" {
    data
    one=$PID
    data
    two=$PID
    u=$(at u8) # the same in both is not said: each by its name
    [ "$(dmt-peek -H -o pid,value -p "$one,$two" u8 | xargs)" = "$one 200 $two 200" ]
    [ "$(printf 'pid\n%s\n%s\n' "$two" "$one" | dmt-peek -H -o pid,value - u8 | xargs)" = "$two 200 $one 200" ]
    [ "$(dmt-peek -H -o value "$(dmt-ps -H -o handle "$two")" "$u" -f u1)" = 200 ]
    kill -KILL "$one"
    wait "$one" || :
    run -1 --separate-stderr dmt-peek -H -o pid -p "$one,$two" u8
    [ "$output" = "$two" ]
    [ "$stderr" = "dmt-peek: $one: no such process" ]
}

@test "zombies, kernel threads, processes that are gone" {
    spawn "$FIXTURES/parked" zombie
    run -3 --separate-stderr dmt-peek -H "${READY##* }" 0x1000
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    run -3 --separate-stderr dmt-peek -H -r gp "${READY##* }"
    [[ -z $output && $stderr == *"it is a zombie"* ]]
    for pid in "${KTHREADS[@]}"; do
        run -3 --separate-stderr dmt-peek -H "$pid" 0x1000
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
        run -3 --separate-stderr dmt-peek -H -r gp "$pid"
        [ "${#stderr_lines[@]}" = 1 ]
    done
    run -1 dmt-peek 2147483647 0x1000
}

@test "what holds for all threads is said once" {
    need strace
    data threads=3
    strace -qq -f -o /dev/null -p "$PID" 3>&- &
    traced() { [ "$(grep -l '^TracerPid:.[1-9]' "/proc/$PID/task"/*/status | wc -l)" = 4 ]; }
    soon traced
    tracer=$(awk '/^TracerPid/ { print $2 }' "/proc/$PID/status")
    run -3 --separate-stderr dmt-peek -H "$PID" %rip
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 2 ]
    [[ ${stderr_lines[0]} == "dmt-peek: $PID: thread $PID: "*"$tracer"* ]]
    [ "${stderr_lines[1]}" = "dmt-peek: $PID: the same holds for 3 other threads" ]
    kill "$tracer"
}

@test "a first thread that has ended: memory and registers of the others" {
    spawn "$FIXTURES/parked" threads=2 leader-exits
    soon is_state Z "$PID"
    start=$(cut -d- -f1 "/proc/$PID/task/$(threads | tail -1)/maps" | head -1)
    [ "$(dmt-peek --raw "$PID" "0x$start,4" | tail -c 3)" = ELF ]
    run --separate-stderr dmt-peek -H -o tid "$PID" %rip
    [ "$output" = "$(threads | grep -vx "$PID")" ]
}

@test "a target that runs another program, or ends, while it is read" {
    data big=64
    # meanwhile COMMAND...: reads, and does that when the first bytes have come.
    meanwhile() {
        dmt-peek --raw "$PID" 0x600000000000,67108864 | { head -c 1000 >/dev/null; "$@"; cat >/dev/null; }
        return "${PIPESTATUS[0]}"
    }
    again() { tell exec; [[ $(answer) == ready* ]]; }
    ended() { [ ! -d "/proc/$PID" ] || [ "$(state "$PID")" = Z ]; }
    end() { kill -KILL "$PID"; soon ended; }
    # Not by the name i, which bats uses in `run -1`.
    for ((round = 0; round < $(scale 5 100); round++)); do
        run -1 --separate-stderr meanwhile again
        [ "${#stderr_lines[@]}" = 1 ]
        [[ $stderr == *": it has executed another program" ]]
    done
    run -1 --separate-stderr meanwhile end
    # The shell may say that it was killed.
    [ "$(grep ^dmt <<<"$stderr")" = "dmt-peek: $PID: 0x600000000000,67108864: no such process" ]
}

@test "another user's process is refused, with the cure, and the others are shown" {
    need_root
    spawn setpriv --reuid=65534 --regid=65534 --clear-groups sh -c 'echo ready; read -r _'
    own=$PID
    data
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-peek -H -o pid -p "$PID" 0x510000000000
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    start=$(cut -d- -f1 "/proc/$own/maps" | head -1)
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-peek --raw -p "$PID,$own" "0x$start,4"
    [[ $output == *ELF ]]
}

@test "a core file has the same memory and registers" {
    need gdb gcore
    spinning
    kill -STOP "$PID"
    soon is_state T "$PID"
    gcore -o "$BATS_TEST_TMPDIR/core" "$PID" >/dev/null 2>&1 3>&-
    core=$BATS_TEST_TMPDIR/core.$PID
    words=(i8 u64 "$(at text),32" pair %rip "$(at holed),16" numbers+8)
    diff <(dmt-peek "$core" "${words[@]}") <(dmt-peek "$PID" "${words[@]}")
    diff <(dmt-peek -r gp "$core/$TID") <(dmt-peek -r gp "$PID/$TID")
    run -1 --separate-stderr dmt-peek --raw "$core" "$(at holed),0x3000"
    [ "${#stderr_lines[@]}" = 1 ]
}

# --- output ----------------------------------------------------------------------------------

@test "JSON, columns, and bytes that are no text" {
    need jq
    data
    dmt-peek -J -o all -f s "$PID" text u8 | jq -e -s '.[0].location == "text" and .[0].pid == '"$PID"' and .[1].type == "string"'
    dmt-peek -J "$PID" u8 | jq -e '.value == "200" and .addr == "'"$(at u8)"'"'
    [ "$(value -f s "$PID" text)" = "a\\ttext\\x1b $(printf '\303\251') \\xff\\x5c" ]
    dmt-peek -o all "$PID" "$(at text),300" %rip | LC_ALL=C grep -c $'[\x01-\x08\x0b-\x1f\x7f-\xff]' | grep -qx 0
    [ "$(dmt-peek -H --sort=-addr -o addr "$PID" "$(at numbers),32" | head -1)" = "$(printf 0x%x $(($(at numbers) + 16)))" ]
}

@test "standard output: full, closed, a terminal" {
    data big=8
    for words in "0x600000000000,100000" "--raw 0x600000000000,100000"; do
        # shellcheck disable=SC2086
        run -3 --separate-stderr bash -c "dmt-peek $PID $words >/dev/full"
        [ "${#stderr_lines[@]}" = 1 ]
        run -141 --separate-stderr bash -c "dmt-peek $PID ${words/100000/8000000} | head -c 1 >/dev/null; exit \${PIPESTATUS[0]}"
        [ -z "$stderr" ]
    done
    need script
    run script -qec "dmt-peek --raw $PID 0x600000000000,64" /dev/null </dev/null
    [[ $output == *"not for a terminal"* ]]
    run -0 script -qec "dmt-peek $PID 0x600000000000,64" /dev/null </dev/null
    [[ $output == *"0000 0000"* ]]
}

# --- bad input -------------------------------------------------------------------------------

cases() {
    cat <<'CASES'
dmt-peek
dmt-peek PID
dmt-peek -r gp
dmt-peek -r
dmt-peek -r nonsense PID
dmt-peek -r '' PID
dmt-peek -r gp, PID
dmt-peek -r gp,x PID
dmt-peek -r gp PID 0x1000
dmt-peek -r gp --raw PID
dmt-peek u8 PID
dmt-peek 0x1000
dmt-peek PID ''
dmt-peek PID 1234
dmt-peek PID 0
dmt-peek PID PID
dmt-peek PID 0x1000 PID
dmt-peek PID PID,4
dmt-peek PID PID/PID
dmt-peek PID PID:77
dmt-peek PID PID@77
dmt-peek -p PID PID
dmt-peek PID 0x
dmt-peek PID 0xg
dmt-peek PID 0x1000,
dmt-peek PID 0x1000,x
dmt-peek PID 0x1000,0
dmt-peek PID 0x1000,-1
dmt-peek PID 0x10000000000000000
dmt-peek PID 0xffffffffffffffff,2
dmt-peek PID 0xffffffffffffffff+1
dmt-peek PID 0x0-1
dmt-peek PID u8,0
dmt-peek PID u8,99999999999999999999
dmt-peek PID %
dmt-peek PID %nonsense
dmt-peek PID %rax,4
dmt-peek PID %rax+
dmt-peek PID %rax+x
dmt-peek PID %xmm0+8
dmt-peek PID "'"
dmt-peek PID "''"
dmt-peek PID "'u8"
dmt-peek PID "'u8'x"
dmt-peek PID "'u8'@"
dmt-peek -f PID u8
dmt-peek -f '' PID u8
dmt-peek -f x3 PID u8
dmt-peek -f nonsense PID u8
dmt-peek -f c4 PID u8
dmt-peek -f x8 PID 0x1000,0x2000000000000000
dmt-peek --raw PID 0x1000
dmt-peek --raw PID u8 0x1000
dmt-peek --raw -f x PID u8
dmt-peek --raw -J PID u8
dmt-peek --raw -o addr PID u8
dmt-peek --holes PID u8
dmt-peek --holes=none PID u8
dmt-peek --max-stop=0 PID %rip
dmt-peek --max-stop=x PID %rip
dmt-peek --max-stop=99999999999 PID %rip
dmt-peek PID/x u8
dmt-peek PID/ u8
dmt-peek PID: u8
dmt-peek -p PID,x u8
dmt-peek -p '' u8
dmt-peek --columns=nonsense PID u8
dmt-peek --sort=nonsense PID u8
dmt-peek --nonsense PID u8
dmt-peek PID u8 1234
dmt-peek PID u8 $'a\e[31m\n',0
CASES
}

@test "bad input: status 2, one line, and the target is not even opened" {
    need strace
    data
    local line n=0 wrong=
    while IFS= read -r line; do
        n=$((n + 1))
        eval "strace -f -qq -e trace=ptrace,pidfd_open,openat -e signal=none -o '$BATS_TEST_TMPDIR/calls' ${line//PID/$PID}" \
            >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null && status=0 || status=$?
        [ "$status" = 2 ] || wrong+="status $status: $line"$'\n'
        [ ! -s "$BATS_TEST_TMPDIR/out" ] || wrong+="output: $line"$'\n'
        [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" = 1 ] || wrong+="lines: $line"$'\n'
        grep -q '^dmt-peek: ' "$BATS_TEST_TMPDIR/err" || wrong+="name: $line"$'\n'
        ! LC_ALL=C grep -q '[[:cntrl:]]' "$BATS_TEST_TMPDIR/err" || wrong+="control bytes: $line"$'\n'
        ! grep -q "ptrace(\|pidfd_open\|/proc\|\"mem\"" "$BATS_TEST_TMPDIR/calls" || wrong+="touched: $line"$'\n'
    done < <(cases)
    echo "$n cases"
    echo "$wrong"
    [ -z "$wrong" ]
}

@test "a hint for a PID in the place of a location" {
    data
    run -2 --separate-stderr dmt-peek "$PID" "$PID"
    [[ $stderr == *"'$PID': a plain number is no location: "*"-p LIST"* ]]
}
