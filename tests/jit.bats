#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Names of code that was compiled in the running process, from its perf-PID.map: against a fixture that knows where its
# functions are, and node.
load helpers

setup() {
    [ "$(uname -m)" = x86_64 ] || skip "the code that the fixture makes is of x86_64"
    cd "$BATS_TEST_TMPDIR" || return
    MAP=''
    NAMES=('in\tner \x1b[31m\xe2\x80\xae-' 'LazyCompile:*middle file.js:1:2' outer)
}

after() {
    if [ -n "$MAP" ]; then rm -f "$MAP"; fi
}

# jit WORD...: the fixture. `known` is what it knows of each function, innermost first: START SIZE RETURN.
jit() {
    spawn "$FIXTURES/jit" "$@"
    MAP=/tmp/perf-$PID.map
    know
}

know() {
    local line
    while line=$(answer) && [ "$line" != end ]; do echo "$line"; done >known
    [ "$(wc -l <known)" = 3 ]
}

# expected PREFIX: the rows function, pc, offset of the three.
expected() {
    local i=0 start size return
    while read -r start size return; do
        printf '%s\t%s\t0x%x\n' "${NAMES[i]}" "$return" $((return - start))
        i=$((i + 1))
    done <known
}

# shown TARGET: the same rows, from dmt-bt.
shown() {
    timeout 60 dmt-bt -1 -H -o function,pc,offset "$1" | grep -F -f <(cut -d' ' -f3 known)
}

# is_named, is_unnamed: the three functions have their names, or none.
is_named() {
    diff <(expected) <(shown "$PID")
}

is_unnamed() {
    diff <(expected | awk -F'\t' '{ print "-\t" $2 "\t-" }') <(shown "$PID")
}

@test "functions of a compiler have its names, their offsets, and no file" {
    jit
    is_named
    dmt-bt -1 -H -o frame,function,object,how "$PID" >rows
    [ "$(grep -c $'\t-\tfp$' rows)" = 2 ]
    grep -P '\tpark\t.*\tcfi$' rows
    grep -P '\tmain\t.*\tfp$' rows
    [[ $(dmt-bt -1 --folded "$PID") == *";outer;LazyCompile:*middle file.js:1:2;in\\tner"*";park;"* ]]
    # What is no function of the compiler's, or not there any more, has no name.
    dmt-bt -1 -H -o function "$PID" >whole
    echo "1 ffffffffffffff0 everything" >>"$MAP"
    dmt-bt -1 -H -o function "$PID" >rows
    [ "$(grep -cx everything rows)" = 3 ]
    diff <(grep -v everything rows) <(grep -vxF -f <(printf '%s\n' "${NAMES[@]}") whole)
}

@test "code in a file without name, mapped twice" {
    jit memfd
    is_named
}

@test "without a list nothing is named, and that is no error" {
    jit silent
    is_unnamed
    run -0 --separate-stderr dmt-bt "$PID"
    [ -z "$stderr" ]
}

@test "dmt-sym: by address, by name, and all" {
    jit
    local i=0 start size return
    while read -r start size return; do
        printf '%s\t%s\tfunction\t-\t%s\t-\n' "$start" "$size" "${NAMES[i]}"
        i=$((i + 1))
    done <known >want
    # shellcheck disable=SC2046
    dmt-sym -H -o addr,size,type,bind,name,object "$PID" $(cut -d' ' -f1 known) | diff want -
    dmt-sym -H -o addr,size,type,bind,name,object "$PID" $'in\tner \e[31m\u202e-' "${NAMES[@]:1}" | diff want -
    dmt-sym -H -o addr,size,type,bind,name,object "$PID" | grep -F -f <(cut -d' ' -f1 known) | sort | diff <(sort want) -
    read -r start size return < <(tail -n 1 known)
    [ "$(dmt-sym -H -o name,offset,addr "$PID" outer+0x11)" = $'outer\t0x11\t'"$(printf '0x%x' $((start + 17)))" ]
    run -1 dmt-sym -H "$PID" "$(printf '0x%x' $((start + size)))" # the first byte behind it
    [ "$(cut -f6 <<<"$output")" = - ]
    [ "$(dmt-peek -H -f x1 -o value "$PID" outer | head -n 1)" = 0x55 ]
    # A symbol of a file comes first; a function that another has replaced is no more.
    echo "$start $size main" >>"$MAP"
    [ "$(dmt-sym -H -o object "$PID" main)" = "$(readlink -f "$FIXTURES/jit")" ]
    run -1 dmt-sym "$PID" outer
    [ "$(dmt-sym -H -o name "$PID" "$start")" = main ]
}

@test "lines that are none, too long, too far, replaced, or not yet whole" {
    jit hostile
    is_named
    [ "$(dmt-sym -H -o name "$PID" "$(cut -d' ' -f1 known | tail -n 1)")" = outer ]
    : >"$MAP"
    is_unnamed
    head -c 100000 /dev/urandom >"$MAP"
    run -0 dmt-bt "$PID"
    tr -d '\n' </dev/zero | head -c 1000000 >"$MAP"
    is_unnamed
}

@test "a list that grows while it is read" {
    jit grow
    for ((i = 0; i < $(scale 20 500); i++)); do is_named; done
}

@test "a list of another owner is not believed, and that is said; one of root, or of the process, is" {
    need_root
    need setpriv
    # The build may be where nobody else gets to; its descriptor is handed over.
    exec {program}<"$FIXTURES/jit"
    RUN=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    spawn "${RUN[@]}" "/proc/self/fd/$program"
    MAP=/tmp/perf-$PID.map
    know
    [ "$(stat -c %u "$MAP")" = 65534 ]
    is_named
    chown 0:0 "$MAP"
    is_named
    chown 12345 "$MAP"
    is_unnamed
    run -1 --separate-stderr dmt-bt -H -o function "$PID"
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"/tmp/perf-$PID.map: it belongs to user 12345"* && $output == *park* ]]
    run -1 --separate-stderr dmt-sym "$PID" outer
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"user 12345"* ]]
    run -0 --separate-stderr dmt-sym "$PID" park
    [ -z "$stderr" ]
}

@test "a link, a FIFO or a directory in its place" {
    jit
    mv "$MAP" elsewhere
    ln -s "$PWD/elsewhere" "$MAP"
    is_unnamed
    run -1 --separate-stderr dmt-bt "$PID"
    [[ ${#stderr_lines[@]} = 1 && $stderr == *"perf-$PID.map: not a regular file" ]]
    rm "$MAP"
    mkfifo "$MAP"
    is_unnamed
    rm "$MAP"
    mkdir "$MAP"
    is_unnamed
    rmdir "$MAP"
    cp elsewhere "$MAP"
    is_named
}

@test "what is older than the process is of another one" {
    jit
    touch -d '1 hour ago' "$MAP"
    is_unnamed
    run -0 --separate-stderr dmt-bt "$PID"
    [ -z "$stderr" ]
    touch "$MAP"
    is_named
}

@test "in a chroot, a mount and a pid namespace: by the number and in the directory that the process sees" {
    need_root
    need unshare chroot
    mkdir -p root
    unshare -m -p -f true || skip "no namespaces can be made here"
    # shellcheck disable=SC2016
    spawn unshare -m -p -f --kill-child sh -c 'set -e; mount -t tmpfs none "$0/root"; cd "$0/root"; mkdir tmp
        for f in $(ldd "$1" | grep -o "/[^ ]*"); do mkdir -p ".${f%/*}"; cp "$f" ".$f"; done
        cp "$1" inside; exec chroot . /inside' "$PWD" "$FIXTURES/jit"
    [ "$READY" = 1 ]
    know
    PID=$(cat "/proc/$PID/task/$PID/children")
    PID=${PID% }
    # What is there by our own number and root is another's.
    MAP=/tmp/perf-$PID.map
    echo "1 ffffffffffffff0 wrong" >"$MAP"
    [ ! -e root/tmp/perf-1.map ]
    is_named
    # A list there is not looked for by a number of ours.
    rm "/proc/$PID/root/tmp/perf-1.map"
    cp "$MAP" "/proc/$PID/root/tmp/perf-$PID.map"
    is_unnamed
}

@test "a core has none" {
    need gcore gdb
    jit
    take_gcore "$PID" core
    run -0 --separate-stderr dmt-bt -1 -H -o function,pc core
    [ "$(grep -F -f <(cut -d' ' -f3 known) <<<"$output" | cut -f1 | sort -u)" = - ]
}

@test "node: functions are those that its own list has there, the last line that covers an address" {
    need node python3
    node --perf-basic-prof --interpreted-frames-native-stack -e 0 3>&- &
    MAP=/tmp/perf-$!.map
    wait $! || skip "this node writes no list"
    rm "$MAP"
    cat >deep.js <<'JS'
function deepest(n) { if (n > 0) return deepest(n - 1) + 1; console.log("ready");
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); return 0; }
deepest(100);
JS
    spawn node --perf-basic-prof --interpreted-frames-native-stack deep.js
    MAP=/tmp/perf-$PID.map
    soon is_state S "$PID"
    dmt-bt -1 -H -o function,pc,offset,how,object "$PID" >rows
    cut -f1,5 rows | sort | uniq -c
    [ "$(grep -c $'^[A-Za-z]*:.\\?deepest .*deep\\.js.*\t-$' rows)" = 101 ] # JS:~deepest; LazyCompile: before node 20
    python3 - "$MAP" rows 3>&- <<'PY'
import sys
lines = [l.split(" ", 2) for l in open(sys.argv[1], errors="surrogateescape").read().split("\n")[:-1]]
table = [(int(a, 16), int(b, 16), name) for a, b, name in lines]
n = 0
for row in open(sys.argv[2]):
    function, pc, offset, how, obj = row.rstrip("\n").split("\t")
    if obj != "-":
        continue
    at = int(pc, 16) - 1
    covers = [(start, name) for start, size, name in table if start <= at < start + size]
    want = (covers[-1][1], hex(at + 1 - covers[-1][0])) if covers else ("-", "-")
    assert (function, offset) == want, (row, want)
    n += function != "-"
assert n > 100, n
print(n)
PY
}
