#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-poke: what it says it wrote, the fixture `data` sees; and what it shows as old puts things back.
load helpers

data() {
    spawn "$FIXTURES/data" "$@"
}

at() {
    local word=" $READY"
    word=${word#* "$1"=}
    echo "${word%%:*}"
}

tab() {
    local IFS=$'\t'
    echo "$*"
}

# sees NAME: its bytes, as the process itself sees them.
sees() {
    tell "$1"
    answer
}

# all: what the process sees everywhere.
all() {
    local name
    for name in $(tr ' ' '\n' <<<"$READY" | sed 's/=.*//' | grep -vx 'closed\|holed\|cut\|main\|big\|spin'); do
        echo "$name $(sees "$name")"
    done
}

spinning() {
    [ "$(uname -m)" = x86_64 ] || skip "the fixture is written for x86_64"
    data spin
    TID=$(($(at spin)))
}

regs() {
    tell regs
    answer
}

# --- memory ----------------------------------------------------------------------------------

@test "numbers of all sizes: the process sees the new, the old puts it back" {
    data
    before=$(all)
    dmt-poke "$PID" i8 7 i16 515 i32 16909060 i64 72623859790382856 u8 255 u16 0xfffe u32 0 u64 0x8000000000000000 \
        local 1 >"$BATS_TEST_TMPDIR/rows"
    [ "$(head -1 "$BATS_TEST_TMPDIR/rows")" = "$(tab pid addr location type old new)" ]
    [ "$(sees i8) $(sees i16) $(sees i32) $(sees i64)" = "07 0302 04030201 0807060504030201" ]
    [ "$(sees u8) $(sees u16) $(sees u32) $(sees u64)" = "ff feff 00000000 0000000000000080" ]
    [ "$(sees local)" = 0100 ]
    [ "$(sed -n 3p "$BATS_TEST_TMPDIR/rows")" = "$(tab "$PID" "$(at i16)" i16 unsigned2 63920 515)" ]
    tail -n +2 "$BATS_TEST_TMPDIR/rows" | while IFS=$'\t' read -r pid addr _ type old _; do
        dmt-poke -f "$type" -- "$pid" "$addr" "$old"
    done >"$BATS_TEST_TMPDIR/back"
    [ "$(all)" = "$before" ]
}

@test "every format: signed, hex, float, char, string, pointer, bytes" {
    data
    before=$(all)
    : >"$BATS_TEST_TMPDIR/rows"
    put() {
        dmt-poke -H "$@" >>"$BATS_TEST_TMPDIR/rows"
    }
    put -f d -- "$PID" i8 -128 i16 -2 i32 -1 i64 -9223372036854775808
    [ "$(sees i8) $(sees i16) $(sees i32) $(sees i64)" = "80 feff ffffffff 0000000000000080" ]
    put -f x "$PID" u32 0xdeadbeef
    [ "$(sees u32)" = efbeadde ]
    put -f f -- "$PID" f32 1.5 f64 -2.5e-3
    [ "$(sees f32) $(sees f64)" = "0000c03f 7b14ae47e17a64bf" ]
    put -f f4 "$PID" floats inf floats+4 nan floats+8 0.1
    [ "$(sees floats | head -c 24)" = 0000807f0000c07fcdcccc3d ]
    put -f f16 "$PID" f80 1
    [ "$(sees f80 | head -c 20)" = 0000000000000080ff3f ]
    put -f c "$PID" text X text+1 '\x00'
    [ "$(sees text | head -c 6)" = 580074 ]
    put -f s "$PID" words 'a\tb c' constant 'now it is not'
    [ "$(sees words)" = 610962206300776f00000000666f757200 ] || [ "$(sees words | head -c 12)" = 610962206300 ]
    [ "$(sees constant | head -c 28)" = 6e6f77206974206973206e6f7400 ]
    put -f p "$PID" pointers+16 "$(at u8)"
    [ "$(dmt-peek -H -f p -o points_to "$PID" pointers+16,1)" = u8 ]
    put -f bytes "$PID" bss 'dead beef 01' bss+100 00FF
    [ "$(sees bss | head -c 10)" = deadbeef01 ]
    put -f u16 "$PID" bss+200 340282366920938463463374607431768211455
    [ "$(dmt-peek -H -f x16 -o value "$PID" bss+200,1)" = 0xffffffffffffffffffffffffffffffff ]
    # What was written last is put back first.
    tac "$BATS_TEST_TMPDIR/rows" | while IFS=$'\t' read -r pid addr _ type old _; do
        dmt-poke -f "$type" -- "$pid" "$addr" "$old" >/dev/null
    done
    [ "$(all)" = "$before" ]
}

@test "whatever stands there as a float or a string, its old value puts it back" {
    data
    before=$(all)
    for form in f4 f8 s d1 u16 x2 bytes; do
        for name in floats doubles pair text words numbers pointers; do
            value=1
            [ "$form" != x2 ] || value=0x1
            [ "$form" != bytes ] || value=010203
            [ "$form" != s ] || value='longer\x00 than what stood there'
            for off in 0 4 8; do
                addr=$(printf 0x%x $(($(at "$name") + off)))
                old=$(dmt-poke -H -o old -f "$form" "$PID" "$addr" "$value")
                dmt-poke -f "$form" -- "$PID" "$addr" "$old" >/dev/null
            done
        done
    done
    [ "$(all)" = "$before" ]
}

@test "code, read-only data, a page that nobody may read; a mapping others share stays" {
    data
    tell call
    [ "$(answer)" = 42 ]
    off=$(dmt-peek -H -o value,addr -f u1 "$PID" answer,16 | awk -F'\t' '$1 == 42 { print $2; exit }')
    run -0 dmt-poke -H -o old,new -f u1 "$PID" "$off" 43
    [ "$output" = "$(tab 42 43)" ]
    tell call
    [ "$(answer)" = 43 ]
    dmt-poke -f u1 "$PID" "$off" 42
    tell call
    [ "$(answer)" = 42 ]
    # The file is not written.
    cmp "$FIXTURES/data" "/proc/$PID/exe"
    dmt-poke -f c "$PID" constant R
    [ "$(sees constant | head -c 4)" = 5265 ]
    dmt-poke -f x8 "$PID" "$(at closed)" 0x1122
    [ "$(dmt-peek -H -f x8 -o value "$PID" "$(at closed)")" = 0x1122 ]
    run -3 --separate-stderr dmt-poke -H -f c "$PID" u8 'X' "$(at shared)" Y
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == *shared* ]]
    [ "$(sees u8) $(sees shared | head -c 2)" = "c8 73" ]
}

@test "where /proc/PID/mem may not be written, a stop of a thread does it" {
    need strace
    # refused WORD...: dmt-poke on a kernel that refuses it.
    refused() {
        strace -qq -e signal=none -e trace=pwrite64,ptrace -e inject=pwrite64:error=EIO -o "$BATS_TEST_TMPDIR/calls" dmt-poke "$@"
    }
    data threads=2
    off=$(dmt-peek -H -o value,addr -f u1 "$PID" answer,16 | awk -F'\t' '$1 == 42 { print $2; exit }')
    [ "$(refused -H -o old,new -f u1 "$PID" "$off" 43)" = "$(tab 42 43)" ]
    grep -q PTRACE_POKEDATA "$BATS_TEST_TMPDIR/calls"
    tell call
    [ "$(answer)" = 43 ]
    # At the end of a page, over its edge, and less than a word.
    refused -f bytes "$PID" 0x510000000ffd 616263 0x510000002ff1 3132333435363738393031 0x510000000003 78 >"$BATS_TEST_TMPDIR/rows"
    [ "$(dmt-peek --raw "$PID" 0x510000000ff8,8 0x510000002ff0,16 0x510000000000,8)" = hhhhhabch12345678901hhhhhhhxhhhh ]
    before=$(sees bss)
    refused -f bytes "$PID" bss+1 "$(printf 'ab%.0s' {1..299})" >"$BATS_TEST_TMPDIR/rows"
    [ "$(sees bss)" = "${before:0:2}$(printf 'ab%.0s' {1..299})" ]
    # Never what others see.
    run -3 --separate-stderr refused -H -f c "$PID" "$(at shared)" Y
    [ "$(awk '/^TracerPid/ { print $2 }' "/proc/$PID/status")" = 0 ]
    soon is_state S "$PID"
}

@test "nothing is written unless all of it can be" {
    need strace
    data
    before=$(all)
    h=0x510000000ff8
    refused() {
        local want=$1
        shift
        run "-$want" --separate-stderr strace -f -qq -e trace=pwrite64,ptrace,process_vm_writev -o "$BATS_TEST_TMPDIR/calls" \
            dmt-poke -H "$@"
        [ -z "$output" ] || { echo "output: $*"; return 1; }
        ! grep -q 'pwrite64\|POKE\|SETREG\|process_vm' "$BATS_TEST_TMPDIR/calls" || { echo "wrote: $*"; return 1; }
    }
    refused 1 -f u8 "$PID" u64 1 0x0 1
    refused 1 -f bytes "$PID" u8 01 "$h" 00112233445566778899
    [ "${#stderr_lines[@]}" = 1 ]
    refused 1 -f u8 "$PID" u64 1 nonsense 2 0x10 3
    [ "${#stderr_lines[@]}" = 2 ]
    refused 2 "$PID" u8 1 pair 5 # of which type?
    refused 2 "$PID" u8 1 u16 65536
    refused 2 -f u8 "$PID" u64 1 u8 1 # more than it has
    refused 2 -f s "$PID" constant '0123456789abcdef'
    refused 2 -f f "$PID" u64 1 text 2 # of which size?
    refused 1 -f u1 "$PID" u8 1 0xffffffffffffffff 1
    refused 2 -f u8 "$PID" u64 1 0xffffffffffffffff 1
    refused 3 -f u4 "$PID" u32 1 own 2
    refused 2 "$PID" u8 1 u8,1 1
    # A string that could not be put back: no zero byte after it.
    dmt-poke -f bytes "$PID" 0x510000000000 "$(printf 'h%.0s' {1..8} | od -An -tx1 | tr -d ' \n')" >/dev/null
    refused 2 -f s "$PID" u8 '\0' 0x510000000ffc ab
    [ "$(all)" = "$before" ]
    [ "$(awk '/^TracerPid/ { print $2 }' "/proc/$PID/status")" = 0 ]
}

@test "operands are taken in order, and what was written stays when a later write fails" {
    data
    run -0 dmt-poke -H -o old,new "$PID" u8 1 u8 2 u8 3
    [ "$output" = "$(tab 200 1)"$'\n'"$(tab 200 2)"$'\n'"$(tab 200 3)" ]
    [ "$(sees u8)" = 03 ]
    # What changes at once is said.
    spawn "$FIXTURES/data" spin
    [ "$(uname -m)" = x86_64 ] || return 0
    run -0 dmt-poke -H "$PID" u8 9
}

@test "several targets: each is written when all of its own is well" {
    data
    one=$PID
    data
    run -0 dmt-poke -H -o pid,new -p "$one,$PID" u8 17
    [ "$output" = "$(tab "$one" 17)"$'\n'"$(tab "$PID" 17)" ]
    [ "$(printf '%s\n' "$one" "$PID" | dmt-poke -H -o pid,old - u8 18)" = "$(tab "$one" 17)"$'\n'"$(tab "$PID" 17)" ]
    kill -KILL "$one"
    wait "$one" || :
    run -1 --separate-stderr dmt-poke -H -o pid,new -p "$one,$PID" u8 19
    [ "$output" = "$(tab "$PID" 19)" ]
    [ "$stderr" = "dmt-poke: $one: no such process" ]
    [ "$(sees u8)" = 13 ]
}

# --- registers -------------------------------------------------------------------------------

@test "registers: the thread sees them, and the old values put it back" {
    spinning
    before=$(regs)
    dmt-poke "$PID/$TID" %r12 1 %r13 0xfedcba9876543210 %xmm5 0x3f8000003f8000003f8000003f800000 >"$BATS_TEST_TMPDIR/rows"
    [ "$(head -1 "$BATS_TEST_TMPDIR/rows")" = "$(tab pid tid addr location type old new)" ]
    [ "$(sed -n 2p "$BATS_TEST_TMPDIR/rows")" = "$(tab "$PID" "$TID" - %r12 hex8 0x1212121212121212 0x1)" ]
    [ "$(regs)" = "1 fedcba9876543210 1414141414141414 1515151515151515 1 1 1 1" ]
    tail -n +2 "$BATS_TEST_TMPDIR/rows" | while IFS=$'\t' read -r pid tid _ reg type old _; do
        dmt-poke -f "$type" "$pid/$tid" "$reg" "$old"
    done >"$BATS_TEST_TMPDIR/back"
    [ "$(regs)" = "$before" ]
    # Parts, as the processor has them: 32 bits clear the rest, 16 and 8 do not.
    dmt-poke "$PID/$TID" %r14b 255 %r15w 0 >/dev/null
    [ "$(regs | cut -d' ' -f3,4)" = "14141414141414ff 1515151515150000" ]
    dmt-poke "$PID/$TID" %r14d 7 >/dev/null
    [ "$(regs | cut -d' ' -f3)" = 7 ]
    dmt-poke -f d8 -- "$PID/$TID" %r14 -1 >/dev/null
    [ "$(regs | cut -d' ' -f3)" = ffffffffffffffff ]
    soon is_state R "$PID/task/$TID"
}

@test "several registers are written in one stop; memory where one points" {
    need strace
    spinning
    strace -f -qq -e trace=ptrace -o "$BATS_TEST_TMPDIR/calls" dmt-poke -H "$PID/$TID" %r12 1 %r13 2 %xmm5 0x0 >"$BATS_TEST_TMPDIR/out"
    [ "$(grep -c PTRACE_SEIZE "$BATS_TEST_TMPDIR/calls")" = 1 ]
    [ "$(regs)" = "1 2 1414141414141414 1515151515151515 0 0 0 0" ]
    dmt-poke "$PID/$TID" %r12 "$(at u64)" >/dev/null
    run -0 dmt-poke -H -o tid,addr,new -f x8 "$PID/$TID" %r12+0 0x55
    [ "$output" = "$(tab "$TID" "$(at u64)" 0x55)" ]
    [ "$(sees u64)" = 5500000000000000 ]
}

@test "a thread that waits in a system call goes on waiting" {
    spinning
    # The first thread reads its input: the interrupted call is taken up again.
    for ((i = 0; i < $(scale 10 300); i++)); do
        dmt-poke "$PID/$PID" %r15 "$(dmt-peek -H -o value "$PID/$PID" %r15)" >"$BATS_TEST_TMPDIR/out"
        dmt-poke "$PID/$PID" %mxcsr 0x1f80 >"$BATS_TEST_TMPDIR/out"
    done
    [ "$(sees u8)" = c8 ]
    soon is_state S "$PID/task/$PID"
}

@test "a register of which thread? a value that does not fit or is forbidden" {
    spinning
    before=$(regs)
    run -2 --separate-stderr dmt-poke -H "$PID" %r12 1
    [ -z "$output" ]
    [[ $stderr == *"which of 2 threads"* ]]
    run -2 --separate-stderr dmt-poke -H "$PID" u8 1 %r12 1
    [ -z "$output" ]
    [ "$(sees u8)" = c8 ]
    run -1 dmt-poke -H "$PID/1" %r12 1
    run -3 --separate-stderr dmt-poke -H "$PID/$TID" %cs 1
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [ "$(regs)" = "$before" ]
    # What the kernel does not take as it was meant is said.
    run -1 --separate-stderr dmt-poke -H -o new "$PID/$TID" %eflags 0x200246
    [[ $stderr == *"not what was written"* ]]
}

# --- refusals --------------------------------------------------------------------------------

@test "a core file cannot be written" {
    need gdb gcore
    data
    gcore -o "$BATS_TEST_TMPDIR/core" "$PID" >/dev/null 2>&1 3>&-
    sum=$(sha256sum "$BATS_TEST_TMPDIR/core.$PID")
    run -3 --separate-stderr dmt-poke -H "$BATS_TEST_TMPDIR/core.$PID" u8 1
    [ -z "$output" ]
    [[ $stderr == *"not possible on a core file" ]]
    run -3 --separate-stderr dmt-poke -H "$BATS_TEST_TMPDIR/core.$PID" %rip 1
    [ "$sum" = "$(sha256sum "$BATS_TEST_TMPDIR/core.$PID")" ]
}

@test "zombies, kernel threads, other users' processes, standard output that is full" {
    spawn "$FIXTURES/parked" zombie
    run -3 --separate-stderr dmt-poke -f u1 "${READY##* }" 0x1000 1
    [ "${#stderr_lines[@]}" = 1 ]
    for pid in "${KTHREADS[@]}"; do
        run -3 dmt-poke -f u1 "$pid" 0x1000 1
        run -3 dmt-poke "$pid" %rip 1
    done
    run -1 dmt-poke -f u1 2147483647 0x1000 1
    data
    if [ "$(id -u)" = 0 ]; then
        run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-poke -H -f u1 "$PID" "$(at u8)" 1
        [ -z "$output" ]
        [ "${#stderr_lines[@]}" = 1 ]
    fi
    [ "$(sees u8)" = c8 ]
    run -3 --separate-stderr bash -c "dmt-poke $PID u8 1 >/dev/full"
    [ "${#stderr_lines[@]}" = 1 ]
}

# --- bad input -------------------------------------------------------------------------------

cases() {
    cat <<'CASES'
dmt-poke
dmt-poke PID
dmt-poke PID u8
dmt-poke PID u8 1 u16
dmt-poke u8 1
dmt-poke 0x1000 1
dmt-poke PID 1234 1
dmt-poke PID PID 1
dmt-poke PID u8 1 1234 1
dmt-poke -p PID PID u8 1
dmt-poke PID '' 1
dmt-poke PID 0x1000 1
dmt-poke -f x PID 0x1000 0x1
dmt-poke -f f PID 0x1000 1
dmt-poke -f u4 PID 0x1000
dmt-poke -f u4 PID 0x1000 x
dmt-poke -f u4 PID 0x1000 ''
dmt-poke -f u4 PID 0x1000 1x
dmt-poke -f u4 PID 0x1000 4294967296
dmt-poke -f u4 -- PID 0x1000 -1
dmt-poke -f d1 PID 0x1000 128
dmt-poke -f d1 -- PID 0x1000 -129
dmt-poke -f d1 PID 0x1000 -1
dmt-poke -f x4 PID 0x1000 10
dmt-poke -f x4 PID 0x1000 0x
dmt-poke -f p PID 0x1000 16
dmt-poke -f c PID 0x1000 ab
dmt-poke -f c PID 0x1000 ''
dmt-poke -f c PID 0x1000 '\x'
dmt-poke -f s PID 0x1000 'a\b'
dmt-poke -f b PID 0x1000 abc
dmt-poke -f b PID 0x1000 zz
dmt-poke -f b PID 0x1000 ''
dmt-poke -f f4 PID 0x1000 1e99
dmt-poke -f f4 PID 0x1000 ' 1'
dmt-poke -f u8 PID 0xffffffffffffffff 1
dmt-poke -f u8 PID 0xfffffffffffffff9 1
dmt-poke -f u4 PID 0x1000,2 1
dmt-poke -f u4 PID u8 1 u16 x
dmt-poke -f nonsense PID u8 1
dmt-poke -f '' PID u8 1
dmt-poke -f u4 PID u8 99999999999
dmt-poke PID %nonsense 1
dmt-poke PID %rax,2 1
dmt-poke PID %rax x
dmt-poke PID %rax 0x10000000000000000
dmt-poke PID %al 256
dmt-poke -f u4 PID %rax 1
dmt-poke -f s PID %rax a
dmt-poke -f b PID %rax 00
dmt-poke PID %xmm5+1 1
dmt-poke PID u8 -5
dmt-poke PID/x u8 1
dmt-poke PID/ u8 1
dmt-poke -p PID,x u8 1
dmt-poke --columns=nonsense PID u8 1
dmt-poke --nonsense PID u8 1
dmt-poke -r gp PID u8 1
CASES
}

@test "bad input: status 2, one line, and the target is not even opened" {
    need strace
    data
    local line n=0 wrong=
    while IFS= read -r line; do
        n=$((n + 1))
        eval "strace -f -qq -e trace=ptrace,pidfd_open,openat,pwrite64 -e signal=none -o '$BATS_TEST_TMPDIR/calls' ${line//PID/$PID}" \
            >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null && status=0 || status=$?
        [ "$status" = 2 ] || wrong+="status $status: $line"$'\n'
        [ ! -s "$BATS_TEST_TMPDIR/out" ] || wrong+="output: $line"$'\n'
        [ "$(wc -l <"$BATS_TEST_TMPDIR/err")" = 1 ] || wrong+="lines: $line"$'\n'
        grep -q '^dmt-poke: ' "$BATS_TEST_TMPDIR/err" || wrong+="name: $line"$'\n'
        ! grep -q "ptrace\|pidfd_open\|/proc\|pwrite" "$BATS_TEST_TMPDIR/calls" || wrong+="touched: $line"$'\n'
    done < <(cases)
    echo "$n cases"
    echo "$wrong"
    [ -z "$wrong" ]
}
