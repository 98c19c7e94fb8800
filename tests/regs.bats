#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Registers of threads, read and changed: against gdb, and against what the thread's own processor stored.
load helpers

setup() {
    [ "$(uname -m)" = x86_64 ] || skip "the fixtures are of x86_64"
}

# regs MODE: a thread TID of PID whose registers hold a pattern; LEAVE is an address at which it stores them.
regs() {
    spawn "$FIXTURES/regs" "$1"
    TID=${READY#* } LEAVE=${TID#*leave=} TID=${TID%% *}
}

# said WORD: what the fixture answers, `NAME VALUE` by name; the values have no leading zeros.
said() {
    local line
    tell "$1"
    while line=$(answer) && [ "$line" != end ]; do echo "$line"; done | plain
    [ "$1" = pattern ] || [ "$(answer)" = parked ]
}

plain() {
    sed -E 's/ (0x)?0*([0-9a-f])/ \2/' | sort
}

# ours SETS [TARGET]
ours() {
    dmt-peek -H -f hex -r "$1" -o name,value "${2:-$PID/$TID}" | tr '\t' ' ' | plain
}

debugger() {
    gdb -nx -batch -iex 'set debuginfod enabled off' -p "$PID" -ex 'thread 2' "$@" 2>/dev/null 3>&-
}

# gdbs NAME...: the same by gdb.
gdbs() {
    local name i words bits file=$BATS_TEST_TMPDIR/gdb
    for name; do
        case $name in
        st?) echo "info registers $name" ;;
        [xyz]mm*)
            case $name in z*) words=8 ;; y*) words=4 ;; *) words=2 ;; esac
            printf 'printf "is %s ' "$name"
            for ((i = 0; i < words; i++)); do printf '%%016lx'; done
            printf '\\n"'
            for ((i = words - 1; i >= 0; i--)); do printf ', $%s.v%d_int64[%d]' "$name" "$words" "$i"; done
            echo ;;
        *) printf 'echo is %s \\ \noutput/x $%s\necho \\n\n' "$name" "$name" ;;
        esac
    done >"$file"
    debugger -x "$file" | sed -nE 's/^is //p; s/^(st[0-7]) .*\(raw 0x([0-9a-f]+)\)$/\1 \2/p' | plain
}

same() {
    diff "$1" "$2" >&2
}

# is_as_before PID: all its threads run, untraced.
is_as_before() {
    local task
    for task in /proc/"$1"/task/*; do
        # Those that end meanwhile are not meant.
        if grep -qs $'^State:\t[tT]\|^TracerPid:\t[1-9]' "$task/status"; then
            grep 'State\|Tracer' "$task/status"
            return 1
        fi
    done
    [ -d "/proc/$1/task/$1" ]
}

# --- read ----------------------------------------------------------------------------------------

@test "every register is what was put into it, in a loop and in a system call" {
    regs spin
    same <(said pattern) <(ours gp,fp,vector | grep -vE '^(rip|orig_rax|[cdefgs]s|[fg]s_base|ftag|fi.*|fo.*) ')
    [ "$(ours gp | grep -cE '^(orig_rax f{16}|cs 33|ss 2b|[defg]s 0|gs_base 0)$')" = 8 ]
    # In the call three registers are the kernel's, and rax says how the call was interrupted (pause: ERESTARTNOHAND).
    regs call
    same <(said pattern | grep -vE '^(rax|rcx|r11) ') \
        <(ours gp,fp,vector | grep -vE '^(rax|rcx|r11|rip|orig_rax|[cdefgs]s|[fg]s_base|ftag|fi.*|fo.*) ')
    same <(printf '%s\n' "orig_rax 22" "r11 e17" "rax fffffffffffffdfe" "rcx ${LEAVE#0x}" "rip ${LEAVE#0x}") \
        <(ours gp | grep -E '^(rax|rcx|r11|rip|orig_rax) ')
}

@test "every register is gdb's" {
    need gdb
    local names mode
    for mode in spin call; do
        regs "$mode"
        # In the loop pc is one of two. Before gdb 14 pkru is read from where Intel's processors would have it.
        ours gp,fp,vector | grep -v '^pkru ' | { if [ "$mode" = spin ]; then grep -v '^rip '; else cat; fi; } >"$BATS_TEST_TMPDIR/ours"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/ours")" -gt 50 ]
        mapfile -t names < <(cut -d' ' -f1 "$BATS_TEST_TMPDIR/ours")
        same <(gdbs "${names[@]}") "$BATS_TEST_TMPDIR/ours"
    done
}

@test "parts of registers are gdb's" {
    need gdb
    regs spin
    local names=(al bl cl dl sil dil bpl spl ah bh ch dh ax bx cx dx si di bp eax ebx ecx edx esi edi ebp esp) i
    for i in 8 9 10 11 12 13 14 15; do names+=("r${i}l" "r${i}w" "r${i}d"); done
    for i in 0 7 15; do names+=("xmm$i" "ymm$i"); done
    if dmt-peek "$PID/$TID" %zmm31 >/dev/null 2>&1; then names+=(xmm16 ymm16 xmm31 ymm31); fi
    same <(gdbs "${names[@]}") \
        <(dmt-peek -H -f hex -o location,value "$PID/$TID" "${names[@]/#/%}" | tr -d % | tr '\t' ' ' | plain)
    [ "$(dmt-peek -H -o value "$PID/$TID" %sp %fp %PC | sed 2q | xargs)" = \
        "$(dmt-peek -H -o value "$PID/$TID" %rsp %rbp | xargs)" ]
}

@test "names and order of a list are gdb's" {
    need gdb
    regs spin
    debugger -ex 'echo begin\n' -ex 'info all-registers' | sed '1,/^begin/d' | grep -oE '^[a-z][a-z0-9_]+' >"$BATS_TEST_TMPDIR/gdb"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/gdb")" -gt 50 ]
    dmt-peek -H -r all -o name "$PID/$TID" >"$BATS_TEST_TMPDIR/ours"
    same "$BATS_TEST_TMPDIR/gdb" <(grep -xFf "$BATS_TEST_TMPDIR/gdb" "$BATS_TEST_TMPDIR/ours")
    [ "$(grep -vxFf "$BATS_TEST_TMPDIR/gdb" "$BATS_TEST_TMPDIR/ours" | grep -vE '^[fg]s_base$|^orig_rax$' | xargs)" = "dr0 dr1 dr2 dr3 dr6 dr7" ]
    [ "$(dmt-peek -H -r fp,gp,debug,vector -o set "$PID/$TID" | uniq | xargs)" = "gp fp vector debug" ]
}

@test "debug registers are those that another program has set" {
    regs spin
    [ "$(ours debug | xargs)" = "dr0 0 dr1 0 dr2 0 dr3 0 dr6 0 dr7 0" ] ||
        [ "$(ours debug | xargs)" = "dr0 0 dr1 0 dr2 0 dr3 0 dr6 ffff0ff0 dr7 0" ]
    # 4 bytes written at 1000, executed at 2001, 8 bytes read or written at 3000, 1 written at 4003, not switched on
    [ "$("$FIXTURES/debugregs" "$TID" 1000 2001 3000 4003 1b0d0015)" = ok ]
    same <(printf '%s\n' "dr0 1000" "dr1 2001" "dr2 3000" "dr3 4003" "dr7 1b0d0015") <(ours debug | grep -v dr6)
    # And the other way round; an address that does not fit what the control register says is taken with it.
    dmt-poke "$PID/$TID" %dr0 0x1001 %dr2 0x3004 %dr7 0x15 >"$BATS_TEST_TMPDIR/rows"
    [ "$("$FIXTURES/debugregs" "$TID")" = "1001 2001 3004 4003 15 ok" ]
    # What the kernel refuses changes nothing: an address of its own.
    run -3 --separate-stderr dmt-poke "$PID/$TID" %dr1 0x2002 %dr0 0xffffffff81000000
    [ "${#stderr_lines[@]}" = 1 ]
    [ "$("$FIXTURES/debugregs" "$TID")" = "1001 2001 3004 4003 15 ok" ]
    soon is_as_before "$PID"
}

@test "a thread in 32-bit code is refused in one line, the others are read" {
    spawn "$FIXTURES/compat"
    TID=${READY#* }
    run -3 --separate-stderr dmt-peek -r gp "$PID/$TID"
    [[ $stderr = "dmt-peek: "*"32-bit thread"* ]]
    [ "${#stderr_lines[@]}" = 1 ]
    run -3 --separate-stderr dmt-poke "$PID/$TID" %rbx 0x1
    [[ $stderr = "dmt-poke: "*"32-bit thread"* ]]
    run -3 --separate-stderr dmt-peek -H -r gp -o tid,name "$PID"
    grep -qx "$PID"$'\trax' <<<"$output"
    soon is_as_before "$PID"
}

# --- changed -------------------------------------------------------------------------------------

# Pairs for dmt-poke: NAME VALUE in hexadecimal.
values() {
    local r i
    for r in rbx rdx rsi rdi rbp r8 r9 r10 r12 r13 r14 r15; do echo "%$r 0x${#r}f0e0d0c0b0a09$((++i % 10))7"; done
    echo "%eflags 0x246"
}

@test "what is changed arrives in the thread, and nothing else" {
    local words mode
    for mode in spin call; do
        regs "$mode"
        mapfile -t words < <(values | tr ' ' '\n')
        words+=(%fctrl 0x27f %mxcsr 0x1f80 %st1 0x4001c000000000000000 %xmm3 0x1112131415161718191a1b1c1d1e1f10)
        words+=(%ymm4 "0x$(printf '%064d' 99)" %xmm5 0x7)
        if dmt-peek "$PID/$TID" %zmm31 >/dev/null 2>&1; then
            words+=(%zmm30 "0x$(printf '%0128d' 123456)" %zmm6 "0x$(printf '%0128d' 654321)" %k3 0x55 %ymm31 0x1)
        fi
        dmt-poke -f hex -H -o location,old "$PID/$TID" "${words[@]}" | tr -d % | tr '\t' ' ' | plain >"$BATS_TEST_TMPDIR/old"
        ours gp,fp,vector >"$BATS_TEST_TMPDIR/now"
        [ "$(wc -l <"$BATS_TEST_TMPDIR/old")" = $((${#words[@]} / 2)) ]
        said show >"$BATS_TEST_TMPDIR/said"
        # The processor's answer is ours, but for what the end of the call brought.
        same <(grep -vE '^(rax|rcx|r11) ' "$BATS_TEST_TMPDIR/said") \
            <(grep -vE '^(rax|rcx|r11|rip|orig_rax|[cdefgs]s|[fg]s_base|fi.*|fo.*) ' "$BATS_TEST_TMPDIR/now")
        grep -qx 'r15 3f0e0d0c0b0a0927' "$BATS_TEST_TMPDIR/said"
        grep -qx 'eflags 246' "$BATS_TEST_TMPDIR/said"
        grep -qx 'mxcsr 1f80' "$BATS_TEST_TMPDIR/said"
        grep -qx 'fctrl 27f' "$BATS_TEST_TMPDIR/said"
        grep -qx 'st1 4001c000000000000000' "$BATS_TEST_TMPDIR/said"
        [ "$mode" = spin ] || grep -qx 'rax fffffffffffffffc' "$BATS_TEST_TMPDIR/said" # EINTR: a signal let it out
        # It parks again: nothing of it stays.
        same <(said pattern | grep -vE '^(rax|rcx|r11) ') \
            <(ours gp,fp,vector | grep -vE '^(rax|rcx|r11|rip|orig_rax|[cdefgs]s|[fg]s_base|ftag|fi.*|fo.*) ')
    done
}

@test "a changed pc or rax ends the call; without a change nothing does" {
    regs call
    # A part of rax is rax.
    dmt-poke "$PID/$TID" %ax 0x1234 >"$BATS_TEST_TMPDIR/rows"
    said left >"$BATS_TEST_TMPDIR/said"
    grep -qx 'rax ffffffffffff1234' "$BATS_TEST_TMPDIR/said"
    same <(said pattern | grep -vE '^(rax|rcx|r11) ') <(grep -vE '^(rax|rcx|r11|ftag) ' "$BATS_TEST_TMPDIR/said")
    dmt-poke "$PID/$TID" %eax 0x77 %rbx 0x5 >"$BATS_TEST_TMPDIR/rows"
    said left >"$BATS_TEST_TMPDIR/said"
    [ "$(grep -E '^r[ab]x ' "$BATS_TEST_TMPDIR/said" | xargs)" = "rax 77 rbx 5" ]
    dmt-poke "$PID/$TID" %pc "$LEAVE" %rax 0x1 >"$BATS_TEST_TMPDIR/rows"
    said left | grep -qx 'rax 1'
    # In a loop it goes where it is sent.
    regs spin
    dmt-poke "$PID/$TID" %pc "$LEAVE" >"$BATS_TEST_TMPDIR/rows"
    said left | grep -v ftag >"$BATS_TEST_TMPDIR/said"
    same <(said pattern) "$BATS_TEST_TMPDIR/said"
    soon is_as_before "$PID"
}

@test "values that the processor forbids are refused, and nothing is changed" {
    regs call
    ours all | grep -v '^rax ' >"$BATS_TEST_TMPDIR/before"
    local word
    for word in '%cs 0x30' '%ss 0x0' '%fs_base 0xffffffffffff0000' '%mxcsr 0xffff0000'; do
        # shellcheck disable=SC2086
        run -3 --separate-stderr dmt-poke "$PID/$TID" %r15 0x1 %rbx 0x2 $word
        [ "${#stderr_lines[@]}" = 1 ]
        same "$BATS_TEST_TMPDIR/before" <(ours all | grep -v '^rax ')
    done
    soon is_as_before "$PID"
}

# --- a guest -------------------------------------------------------------------------------------

@test "only six calls see EINTR, however often registers are read and written" {
    spawn "$FIXTURES/eintr"
    local i value tids
    mapfile -t tids < <(ls "/proc/$PID/task")
    for ((i = 0; i < $(scale 100 2000); i++)); do
        dmt-peek -r gp "$PID" >"$BATS_TEST_TMPDIR/rows"
        TID=${tids[i % ${#tids[@]}]}
        value=$(awk -F'\t' -v tid="$TID" '$2 == tid && $4 == "r15" { print $5 }' "$BATS_TEST_TMPDIR/rows")
        dmt-poke "$PID/$TID" %r15 "$value" >"$BATS_TEST_TMPDIR/rows"
    done
    tell count
    local line seen=0 six=0
    while line=$(answer) && [ "$line" != end ]; do
        # shellcheck disable=SC2086
        set -- $line
        seen=$((seen + 1))
        case $1 in
        epoll_wait|sigtimedwait|semop|semtimedop|recv_timeout|io_getevents) six=$((six + $2)) ;;
        *) [ "$2" = 0 ] || { echo "$line"; false; } ;;
        esac
        [ "$3" = 0 ] || { echo "$line"; false; }
    done
    [ "$seen" = 23 ]
    [ "$six" -gt 0 ] # the probe sees what there is to see
    soon is_as_before "$PID"
}

counted() {
    od -An -tu8 "$1"
}

# restless MODE: reads its registers while it never stays the same.
restless() {
    local i count=$BATS_TEST_TMPDIR/count.$1 before status
    RESTLESS_COUNT=$count spawn "$FIXTURES/restless" "$1"
    for ((i = 0; i < $(scale 150 3000); i++)); do
        status=0
        dmt-peek -r gp "$PID" >"$BATS_TEST_TMPDIR/rows" 2>"$BATS_TEST_TMPDIR/errors" || status=$?
        [ "$status" -le 1 ] || { cat "$BATS_TEST_TMPDIR/errors"; return 1; }
        ! grep -v 'no such thread\|no such process\|that thread has ended' "$BATS_TEST_TMPDIR/errors" || return 1
    done
    soon is_as_before "$PID"
    kill -0 "$PID"
    before=$(counted "$count")
    soon eval "[ \$(counted $count) -gt $((before + 20)) ]"
}

@test "threads that come and go at full speed" {
    restless threads
}

@test "a process that executes itself all the time" {
    restless exec
}

@test "the same by a thread that is not the first" {
    restless exec-thread
}
