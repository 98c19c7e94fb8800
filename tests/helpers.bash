# What every test file loads. The commands under test come first in PATH; DMT_BUILD is
# their directory. With DMT_SOAK=1 the long form of a test runs.
# shellcheck shell=bash
bats_require_minimum_version 1.5.0

: "${DMT_BUILD:?run the tests with: make check}"
PATH=$DMT_BUILD:$PATH
FIXTURES=$DMT_BUILD/fixtures
export LC_ALL=C.UTF-8

# A leak checker cannot work under another tracer; tests that use strace say so with it.
strace() {
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 command strace "$@"
}

# need TOOL...: skips the test, and says why, where a tool is missing.
need() {
    local tool
    for tool; do
        command -v "$tool" >/dev/null || skip "$tool is missing"
    done
}

need_root() {
    [ "$(id -u)" = 0 ] || skip "root is needed"
}

# scale SHORT LONG: how much of a long test to run.
scale() {
    if [ -n "${DMT_SOAK:-}" ]; then echo "$2"; else echo "$1"; fi
}

# Numbers of kernel threads; a container shows none.
KTHREADS=()
if [ "$(cat /proc/2/comm 2>/dev/null)" = kthreadd ]; then KTHREADS=(2 3); fi

SPAWNED=()

# spawn PROGRAM ARG...: starts a fixture in the background and waits for its line
# `ready...`. PID is its number, READY the rest of the line. Its standard input is a pipe
# that closes with the test, its output the file $OUT.
spawn() {
    OUT=$BATS_TEST_TMPDIR/out.${#SPAWNED[@]}
    mkfifo "$OUT.ready" "$OUT.in"
    # File descriptor 3 is bats's own: a child that keeps it open hangs the run.
    "$@" <"$OUT.in" >"$OUT.ready" 3>&- &
    PID=$!
    SPAWNED+=("$PID")
    exec {SPAWN_IN}>"$OUT.in"
    local line
    exec {SPAWN_OUT}<"$OUT.ready"
    if ! read -r -t 60 line <&"$SPAWN_OUT"; then
        echo "no ready line from $*" >&2
        return 1
    fi
    case $line in
    ready*) READY=${line#ready} READY=${READY# } ;;
    *) echo "not a ready line: $line" >&2; return 1 ;;
    esac
}

# answer: the next line that the last spawned fixture prints.
answer() {
    local line
    read -r -t 60 line <&"$SPAWN_OUT" && printf '%s\n' "$line"
}

# tell WORD...: a line to the standard input of the last spawned fixture.
tell() {
    printf '%s\n' "$*" >&"$SPAWN_IN"
}

# soon COMMAND...: true before long.
soon() {
    local end=$((SECONDS + 60))
    until "$@"; do [ "$SECONDS" -lt "$end" ] || return 1; done
}

# is_state STATE PID
is_state() {
    grep -q "^State:.$1" "/proc/$2/status"
}

teardown() {
    local pid
    for pid in "${SPAWNED[@]}"; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if declare -F after >/dev/null; then after; fi
}

# field NAME: that column of the table on standard input, without the header.
field() {
    awk -F'\t' -v want="$1" '
        NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) at = i; if (!at) { print "no column " want; exit 1 } next }
        { print $at }'
}

# take_gcore PID FILE: a core that gdb writes.
take_gcore() {
    need gcore gdb
    gcore -o "$2" "$1" >/dev/null 2>&1 3>&- </dev/null
    mv "$2.$1" "$2"
}

# take_kernel_core PID FILE: the core that the kernel writes of a process that works in this directory; its end.
take_kernel_core() {
    local pattern
    pattern=$(cat /proc/sys/kernel/core_pattern)
    case $pattern in
    *[\|/]*) skip "core_pattern is $pattern: no core here" ;;
    esac
    rm -f "$2"
    kill -ABRT "$1"
    wait "$1" 2>/dev/null || true
    local file
    file=$(find . -maxdepth 1 -name "${pattern%%%*}*" -type f -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
    [ -n "$file" ] || { echo "no core here: $(ls)" >&2; return 1; }
    [ "$file" -ef "$2" ] || mv "$file" "$2"
}

# alone SCRIPT ARG...: a Python script of this directory as the first process of a PID namespace; its figures are shown.
alone() {
    need_root
    need python3 unshare setpriv
    unshare --pid --fork --mount-proc true || skip "no PID namespace can be made here"
    local sum
    # All of it dies with us: unshare by setpriv, the namespace by unshare.
    sum=$(setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --kill-child \
        python3 "$BATS_TEST_DIRNAME/$1" "${@:2}" 3>&-) || { echo "$sum"; return 1; }
    echo "# $sum"
    [ -z "${DMT_SOAK:-}" ] || echo "# $*: $sum" >&3
}
