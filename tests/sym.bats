#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# dmt-sym against readelf, nm, eu-addr2line, addr2line (sym.py), the dynamic linker, and programs that say themselves
# where their symbols are.
load helpers

check() {
    need python3 readelf nm
    local said
    said=$(PYTHONPATH='' python3 "$BATS_TEST_DIRNAME/sym.py" "$@" 2>&1 3>&-) || { echo "$said"; return 1; }
    [ -z "${DMT_SOAK:-}" ] || [ -z "$said" ] || echo "$said" >&3
}

# The library that has the code of the python3 of PATH, if it is in one.
libpython() {
    ldd "$(python3 -c 'import sys; print(sys.executable)')" | awk '$1 ~ /^libpython/ { print $3 }'
}

# build NAME FLAG...: the program of the fixture, built so.
build() {
    need cc
    local to=$BATS_TEST_TMPDIR/$1
    shift
    cc -O1 -g -D_GNU_SOURCE "$@" -o "$to" "$BATS_TEST_DIRNAME/fixtures/symbols.c"
}

# addresses_hold TARGET NAME...: both ways, what the program said of each NAME.
addresses_hold() {
    local target=$1 name addr
    shift
    for name; do
        addr=${READY##*" $name="} addr=${addr%% *}
        [ "$(dmt-sym -H -o addr,type --raw-names "$target" "$name" | head -1 | cut -f1)" = "$addr" ] ||
            { echo "$name: $READY"; dmt-sym "$target" "$name"; return 1; }
        # libc calls the same function __getpid too.
        [ "$(dmt-sym -H -o raw_name,value "$target" "$addr" | sed 's/^__getpid/getpid/')" = "$name"$'\t'"$addr" ] ||
            { echo "$addr: $READY"; dmt-sym -o all "$target" "$addr"; return 1; }
    done
}

# A file of ours that has symbols of its own and debug information.
setup() {
    ME=$FIXTURES/symbols
    C=$(ldd "$ME" | awk '$1 == "libc.so.6" { print $3 }')
}

# without_sections FROM TO: as sstrip leaves it: e_shoff, e_shnum and e_shstrndx are 0.
without_sections() {
    cp "$1" "$2"
    dd if=/dev/zero of="$2" bs=1 seek=40 count=8 conv=notrunc status=none
    dd if=/dev/zero of="$2" bs=1 seek=60 count=4 conv=notrunc status=none
}

build_id() {
    readelf -n "$1" | sed -n 's/.*Build ID: *//p'
}

# The table that is used for a file: its own, or that of its debug file.
table_of() {
    local id
    id=$(build_id "$1")
    if readelf -SW "$1" | grep -q ' \.symtab ' || [ ! -e "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug" ]; then
        echo "$1"
    else
        echo "/usr/lib/debug/.build-id/${id:0:2}/${id:2}.debug"
    fi
}

# --- files -------------------------------------------------------------------------------------

@test "all symbols of a file are those of readelf: our own, libc, python, node, an object file" {
    check list "$ME"
    check list "$C" "$(table_of "$C")"
    need cc
    cc -c -O1 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/s.o" "$BATS_TEST_DIRNAME/fixtures/symbols.c"
    check list "$BATS_TEST_TMPDIR/s.o"
    for other in node /usr/bin/python3 perl; do
        other=$(readlink -f "$(command -v $other)") || continue
        check list "$other" "$(table_of "$other")"
    done
}

@test "random addresses have the symbols of readelf and eu-addr2line: our own, libc, python, node" {
    need eu-addr2line
    n=$(scale 300 10000)
    check random "$n" "$ME"
    for other in "$C" node /usr/bin/python3 "$(libpython)" gdb; do
        other=$(readlink -f "$(command -v "$other")") || continue
        check random "$n" "$other" "$(table_of "$other")"
    done
}

@test "random addresses of files that are stripped, static, PIE and not, without section headers" {
    need eu-addr2line
    n=$(scale 300 10000)
    cd "$BATS_TEST_TMPDIR"
    build pie -pie -rdynamic
    build fixed -no-pie
    build static -static -DSTATIC
    for kind in pie fixed static; do check random "$n" $kind; done
    strip pie
    check random "$n" pie
    check list pie
    # Nothing leads to a debug file.
    for other in "$C" "$(libpython)" $(scale '' node); do
        other=$(readlink -f "$(command -v "$other")") || continue
        strip -R .note.gnu.build-id -R .gnu_debuglink -o stripped "$other"
        check random "$n" stripped
        check list stripped
    done
    for hash in gnu sysv both; do
        build whole -rdynamic -Wl,--hash-style=$hash
        strip -o stripped whole
        without_sections stripped headless
        check random "$n" headless stripped
        # Which data begins as zeros, and which is read-only, the sections say.
        [ "$(dmt-sym -H -o name,addr,size,bind headless)" = "$(dmt-sym -H -o name,addr,size,bind stripped)" ]
        [ "$(dmt-sym -H -o type headless main)" = function ]
    done
    strip -R .note.gnu.build-id -R .gnu_debuglink -o stripped "$C"
    without_sections stripped headless
    check random "$n" headless stripped
}

@test "lines are those of addr2line, with DWARF 4 and 5, compressed, of clang, of libc and python" {
    need addr2line
    n=$(scale 300 10000)
    for flag in -gdwarf-4 -gdwarf-5 '-gdwarf-5 -gz=zlib'; do
        # shellcheck disable=SC2086
        build lines $flag
        check lines "$n" "$BATS_TEST_TMPDIR/lines"
    done
    for other in "$C" "$(libpython)"; do
        if readelf -SW "$(table_of "$other")" | grep -q ' \.debug_line '; then check lines "$n" "$other" "$(table_of "$other")"; fi
    done
    need clang
    # Its ifuncs are the same, its .debug_aranges is missing.
    clang -O1 -gdwarf-5 -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/lines" "$BATS_TEST_DIRNAME/fixtures/symbols.c"
    check lines "$n" "$BATS_TEST_TMPDIR/lines"
}

@test "lines of an object file, in all its sections" {
    need addr2line cc
    for flag in -gdwarf-4 -gdwarf-5 '-gdwarf-5 -gz=zlib'; do
        # shellcheck disable=SC2086
        build o.o -c -ffunction-sections $flag
        check object "$BATS_TEST_TMPDIR/o.o"
    done
}

@test "names are demangled as nm -C does it; --raw-names leaves them" {
    check demangled "$ME"
    [ "$(dmt-sym -H -o name,raw_name "$ME" 'figure::Circle::area(int)')" = $'figure::Circle::area(int)\t_ZN6figure6Circle4areaEi' ]
    [ "$(dmt-sym -H -o name --raw-names "$ME" 'figure::Circle::area(int)')" = _ZN6figure6Circle4areaEi ]
    [ "$(dmt-sym -H -o name "$ME" figure::Circle::area | sort | paste -sd' ')" = \
        'figure::Circle::area(int) figure::Circle::area(int, int)' ]
    [ "$(dmt-sym -H -o name "$ME" _ZN6figure6Circle4areaEii)" = 'figure::Circle::area(int, int)' ]
    [ "$(dmt-sym -H -o name "$ME" core::fmt::write)" = core::fmt::write ]
    [ "$(dmt-sym -H -o name "$ME" mycrate::foo)" = mycrate::foo ]
    run -1 dmt-sym -H "$ME" figure::Circle::are
    other=$(readlink -f "$(command -v node)") || return 0
    check demangled "$other"
}

@test "each mangled name of a large C++ program is found by its demangled form" {
    other=$(readlink -f "$(command -v node)") || skip 'node is missing'
    nm -p "$other" | awk '$2 ~ /^[tTwW]$/ && $3 ~ /^_Z/ { print $3 }' | sort -u | shuf -n "$(scale 60 2000)" --random-source="$other" |
        while read -r raw; do
            name=$(dmt-sym -H -o name "$other" "$raw" | head -1)
            dmt-sym -H -o raw_name "$other" "$name" | grep -qxF -e "$raw" || { echo "$raw: $name"; exit 1; }
        done
}

@test "types and binds: function, data, bss, rodata, tls, ifunc, undefined; a value that is no address is none" {
    # type NAME WORD BIND
    type() {
        [ "$(dmt-sym -H -o type,bind "$ME" "$1" | head -1)" = "$2"$'\t'"$3" ] || { dmt-sym "$ME" "$1"; return 1; }
    }
    type main function global
    type a_static function local
    type a_weak function weak
    type a_data data global
    type a_bss bss global
    type a_rodata rodata global
    type a_tls tls global
    type an_ifunc ifunc global
    type fflush undefined global
    type a_label function global
    [ "$(dmt-sym -H -o addr,size "$ME" a_tls)" = $'-\t4' ]
    [[ $(dmt-sym -H -o addr,value "$ME" fflush) = $'-\t-' ]]
    # What has no size and no type is found below its addresses, up to the next one that has.
    a=$(dmt-sym -H -o addr "$ME" a_label)
    [ "$(dmt-sym -H -o name,offset,size "$ME" "$(printf '%#x' $((a + 9)))")" = $'a_label\t0x9\t-' ]
}

@test "lines are read only when they are asked for, and the debug file only where a table is missing" {
    need strace
    build with
    objcopy --only-keep-debug "$BATS_TEST_TMPDIR/with" "$BATS_TEST_TMPDIR/with.debug"
    objcopy --strip-debug --add-gnu-debuglink="$BATS_TEST_TMPDIR/with.debug" "$BATS_TEST_TMPDIR/with"
    # Whether it opens a debug file: yes or no.
    opens_debug() {
        strace -f -qq -e signal=none -e trace=open,openat,openat2 -o "$BATS_TEST_TMPDIR/calls" "$@" >/dev/null
        if grep -q -F -e with.debug -e /usr/lib/debug "$BATS_TEST_TMPDIR/calls"; then echo yes; else echo no; fi
    }
    [ "$(opens_debug dmt-sym "$BATS_TEST_TMPDIR/with" main)" = no ]
    [ "$(opens_debug dmt-sym "$BATS_TEST_TMPDIR/with")" = no ]
    [ "$(opens_debug dmt-sym -s "$BATS_TEST_TMPDIR/with" main)" = yes ]
    [ "$(dmt-sym -H -o file "$BATS_TEST_TMPDIR/with" main | sed 's,.*/,,')" = symbols.c ]
    strip "$BATS_TEST_TMPDIR/with"
    objcopy --add-gnu-debuglink="$BATS_TEST_TMPDIR/with.debug" "$BATS_TEST_TMPDIR/with"
    [ "$(opens_debug dmt-sym "$BATS_TEST_TMPDIR/with" main)" = yes ]
}

@test "separate debug files: by build-id, by link with its checksum; another program's is not taken" {
    need_root
    need eu-addr2line
    build whole -Wl,--build-id
    cd "$BATS_TEST_TMPDIR"
    id=$(build_id whole)
    objcopy --only-keep-debug whole whole.debug
    strip -o stripped whole
    run -1 dmt-sym stripped a_static
    # Below our own /usr/lib/debug, in a mount namespace of its own.
    debug() {
        # shellcheck disable=SC2016
        unshare -m sh -c 'set -e; mount -t tmpfs none /usr/lib/debug; mkdir -p "/usr/lib/debug/.build-id/$0"
            cp "$1" "/usr/lib/debug/.build-id/$0/$2.debug"; shift 2; exec "$@"' "${id:0:2}" "$1" "${id:2}" "${@:2}"
    }
    [ "$(debug whole.debug dmt-sym -H -o value stripped a_static)" = "$(dmt-sym -H -o value whole a_static)" ]
    [ "$(debug whole.debug dmt-sym -H -s -o file,line stripped a_static)" = "$(dmt-sym -H -s -o file,line whole a_static)" ]
    export -f check need
    debug whole.debug python3 "$BATS_TEST_DIRNAME/sym.py" random 200 stripped whole
    build other -Wl,--build-id -DSTATIC
    run -1 debug other dmt-sym stripped a_static
    # The link; without build-ids its checksum decides.
    for where in . .debug; do
        mkdir -p $where
        objcopy --remove-section=.note.gnu.build-id whole $where/linked.debug
        (cd $where && objcopy --remove-section=.note.gnu.build-id --add-gnu-debuglink=linked.debug "$BATS_TEST_TMPDIR/stripped" "$BATS_TEST_TMPDIR/linked")
        [ "$(dmt-sym -H -o value linked a_static)" = "$(dmt-sym -H -o value whole a_static)" ]
        (cd / && [ "$(dmt-sym -H -o value "$BATS_TEST_TMPDIR/linked" a_static)" = "$(dmt-sym -H -o value "$BATS_TEST_TMPDIR/whole" a_static)" ])
        printf x >>$where/linked.debug
        run -1 dmt-sym linked a_static
        rm $where/linked.debug
    done
    # A FIFO in its place is not waited for.
    mkfifo linked.debug
    run -1 timeout 20 dmt-sym linked a_static
}

@test ".gnu_debugdata: the symbols of the small table and those of .dynsym" {
    need xz
    cd "$BATS_TEST_TMPDIR"
    build whole -rdynamic
    # As rpm's find-debuginfo makes it (gdb, "MiniDebugInfo").
    nm -D whole --format=posix --defined-only | awk '{ print $1 }' | sort >dynsyms
    nm whole --format=posix --defined-only | awk '$2 ~ /[TtDd]/ { print $1 }' | sort >funcs
    comm -13 dynsyms funcs >keep
    objcopy --only-keep-debug whole debug
    objcopy -S --remove-section .gdb_index --remove-section .comment --keep-symbols=keep debug mini
    xz mini
    objcopy --add-section .gnu_debugdata=mini.xz whole mine
    strip mine -o stripped --keep-section=.gnu_debugdata
    readelf -SW stripped | grep -q gnu_debugdata
    [ "$(readelf -SW stripped | grep -c ' \.symtab ')" = 0 ]
    for name in a_static main chosen; do
        [ "$(dmt-sym -H -o value,size,bind stripped $name)" = "$(dmt-sym -H -o value,size,bind whole $name)" ]
        at=$(dmt-sym -H -o addr whole $name)
        [ "$(dmt-sym -H -o raw_name stripped "$at")" = $name ]
    done
    need eu-addr2line
    xz -d mini.xz
    check random "$(scale 300 10000)" stripped stripped mini
    # What pretends to be one, and one that unpacks to far too much.
    head -c 100000 /dev/urandom >noise
    objcopy --update-section .gnu_debugdata=noise stripped bad
    [ "$(dmt-sym -H -o name bad main)" = main ]
    head -c "$(scale 1500000000 5000000000)" /dev/zero | xz -0 >bomb.xz # its address space is 2 GiB
    objcopy --update-section .gnu_debugdata=bomb.xz stripped bad
    run --separate-stderr timeout 60 dmt-sym -H -o name bad main
    [[ $status = 0 && $output = main || $status = 1 && $stderr == *'took longer than'* ]]
}

@test "SYMBOL+OFF, SYMBOL-OFF and FILE:LINE are addresses" {
    need objdump
    a=$(dmt-sym -H -o addr "$ME" main)
    [ "$(dmt-sym -H -o addr,name,offset "$ME" main+4)" = "$(printf '%#x' $((a + 4)))"$'\tmain\t0x4' ]
    [ "$(dmt-sym -H -o addr,offset "$ME" "'main'+0x10")" = "$(printf '%#x' $((a + 16)))"$'\t0x10' ]
    [ "$(dmt-sym -H -o addr "$ME" main+4-4 2>/dev/null || echo none)" = none ]
    # Each address of a line has a row of that line in the table; the first of these is among them.
    line=$(grep -n 'return a_weak(x) + y' "$BATS_TEST_DIRNAME/fixtures/symbols.c" | cut -d: -f1)
    dmt-sym -H -o addr "$ME" "symbols.c:$line" | sort >"$BATS_TEST_TMPDIR/ours"
    objdump --dwarf=decodedline "$ME" | awk -v line="$line" '$1 == "symbols.c" && $2 == line { print $3 }' | sort -u >"$BATS_TEST_TMPDIR/rows"
    [ "$(head -1 "$BATS_TEST_TMPDIR/ours")" = "$(head -1 "$BATS_TEST_TMPDIR/rows")" ]
    [ -z "$(comm -23 "$BATS_TEST_TMPDIR/ours" "$BATS_TEST_TMPDIR/rows")" ]
    dmt-sym -H -o raw_name "$ME" "symbols.c:$line" | grep -qx _ZN6figure6Circle4areaEii
    # A line without code: the next one.
    [ "$(dmt-sym -H -o addr "$ME" "fixtures/symbols.c:$((line - 1))" | head -1)" != "" ]
    run -1 --separate-stderr dmt-sym "$ME" nosuch.c:1
    [ "$stderr" = "dmt-sym: $ME: no symbol nosuch.c:1" ]
    run -1 dmt-sym "$ME" "ymbols.c:$line"
}

# --- processes ---------------------------------------------------------------------------------

@test "a live process: PIE, not PIE, static, static PIE; both ways, without a ptrace call" {
    need strace
    build pie -pie
    build fixed -no-pie
    build static -static -DSTATIC
    build static-pie -static-pie -DSTATIC
    for kind in pie fixed static static-pie; do
        spawn "$BATS_TEST_TMPDIR/$kind"
        READY=" $READY"
        addresses_hold "$PID" main a_static a_weak a_data a_bss a_rodata a_label _ZN6figure6Circle4areaEi
        case $kind in *static*) ;; *) addresses_hold "$PID" getpid ;; esac
        [ "$(dmt-sym -H -o pid,object "$PID" main)" = "$PID"$'\t'"$BATS_TEST_TMPDIR/$kind" ]
        check process "$(scale 300 10000)" "$PID" "$BATS_TEST_TMPDIR/$kind"
        strace -f -qq -e signal=none -e trace=ptrace,process_vm_readv,process_vm_writev -o "$BATS_TEST_TMPDIR/calls" \
            dmt-sym "$PID" main >/dev/null
        [ ! -s "$BATS_TEST_TMPDIR/calls" ]
        [ "$(awk '{ print $3 }' "/proc/$PID/stat")" = S ]
    done
}

@test "random addresses of processes: python, node, libc in them, one without section headers" {
    need eu-addr2line
    n=$(scale 300 10000)
    spawn python3 -c 'print("ready", flush=True); input()'
    other=$(libpython)
    [ -z "$other" ] || check process "$n" "$PID" "$other" "$(table_of "$other")"
    check process "$n" "$PID" "$C" "$(table_of "$C")"
    cd "$BATS_TEST_TMPDIR"
    build whole -rdynamic
    strip whole
    without_sections whole headless
    spawn "$BATS_TEST_TMPDIR/headless"
    READY=" $READY"
    addresses_hold "$PID" main a_data getpid
    check process "$n" "$PID" "$BATS_TEST_TMPDIR/headless" whole
    need node
    spawn node -e 'console.log("ready"); process.stdin.resume()'
    check process "$n" "$PID" "$(readlink -f "$(command -v node)")"
}

@test "a stripped process has its exported symbols and those of its libraries" {
    build stripped -rdynamic
    strip "$BATS_TEST_TMPDIR/stripped"
    spawn "$BATS_TEST_TMPDIR/stripped"
    READY=" $READY"
    addresses_hold "$PID" main a_data getpid
    run -1 --separate-stderr dmt-sym "$PID" a_static
    [ "$stderr" = "dmt-sym: $PID: no symbol a_static" ]
}

@test "a program that was deleted, and one that was replaced, by the file that runs" {
    build one
    spawn "$BATS_TEST_TMPDIR/one"
    READY=" $READY"
    mkdir "$BATS_TEST_TMPDIR/kept"
    cp "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/kept/one"
    rm "$BATS_TEST_TMPDIR/one"
    addresses_hold "$PID" main a_static a_data
    check process "$(scale 300 10000)" "$PID" "$BATS_TEST_TMPDIR/kept/one"
    [ "$(dmt-sym -H -o object "$PID" main)" = "$BATS_TEST_TMPDIR/one (deleted)" ]
    build one -O3 -DSTATIC -Dmain=main2 -Da_static=another -nostartfiles || cp /bin/true "$BATS_TEST_TMPDIR/one"
    addresses_hold "$PID" main a_static a_data
}

@test "in a chroot in another mount namespace: its files, not ours of the same name" {
    need_root
    build inside -rdynamic -Wl,--build-id
    cd "$BATS_TEST_TMPDIR"
    mkdir -p root decoy
    id=$(build_id inside)
    # shellcheck disable=SC2016
    spawn unshare -m sh -c 'set -e; mount -t tmpfs none "$0/root"; cd "$0/root"
        mkdir -p lib lib64 "usr/lib/debug/.build-id/$1"
        for f in $(ldd ../inside | grep -o "/[^ ]*"); do mkdir -p ".${f%/*}"; cp "$f" ".$f"; done
        objcopy --only-keep-debug ../inside "usr/lib/debug/.build-id/$1/$2.debug"
        strip -o inside ../inside
        exec chroot . /inside' "$PWD" "${id:0:2}" "${id:2}"
    READY=" $READY"
    [ ! -e root/inside ]
    addresses_hold "$PID" main a_static a_data getpid
    [ "$(dmt-sym -H -o object "$PID" a_static)" = "$(awk '$2 == "r-xp" { print $6; exit }' "/proc/$PID/maps")" ]
    [ "$(dmt-sym -H -s -o line "$PID" a_static)" = "$(dmt-sym -H -s -o line inside a_static)" ]
    check process "$(scale 300 10000)" "$PID" "$PWD/inside"
    check process "$(scale 300 10000)" "$PID" "$C" "$(table_of "$C")"
}

@test "in a chroot the debug file that .gnu_debuglink names is looked for below its root" {
    need_root
    build inside -static -DSTATIC
    cd "$BATS_TEST_TMPDIR"
    # Without build-id the checksum decides; ours of the same name is another program's.
    objcopy --only-keep-debug -R .note.gnu.build-id inside linked.debug
    strip -R .note.gnu.build-id inside
    objcopy --add-gnu-debuglink=linked.debug inside
    for where in bin bin/.debug usr/lib/debug/bin; do
        for namespace in 'unshare -m' env; do
            rm -rf root
            mkdir root
            # shellcheck disable=SC2016,SC2086
            spawn $namespace sh -c 'set -e; cd "$0/root"
                case $2 in unshare*) mount -t tmpfs none .; cd "$0/root" ;; esac
                mkdir -p bin "$1"; cp ../inside bin; cp ../linked.debug "$1"; exec chroot . /bin/inside' "$PWD" "$where" "$namespace"
            READY=" $READY"
            addresses_hold "$PID" main a_static a_data
            [ "$(dmt-sym -H -s -o file "$PID" main | sed 's,.*/,,')" = symbols.c ]
        done
    done
}

@test "as another user: nothing of a process that is not ours" {
    need_root
    spawn "$ME"
    run -3 --separate-stderr setpriv --reuid=65534 --regid=65534 --clear-groups dmt-sym -H "$PID" main
    [[ ${#stderr_lines[@]} = 1 && -z $output ]]
}

@test "without root: one's own process" {
    need_root # to become somebody else
    cp "$ME" "$BATS_TEST_TMPDIR/mine"
    chmod -R a+rX "$BATS_TEST_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_RUN_TMPDIR"
    nobody=(setpriv --reuid=65534 --regid=65534 --clear-groups)
    spawn "${nobody[@]}" "$BATS_TEST_TMPDIR/mine"
    READY=" $READY"
    addr=${READY##* a_static=} addr=${addr%% *}
    [ "$("${nobody[@]}" dmt-sym -H -o addr "$PID" a_static)" = "$addr" ]
    [ "$("${nobody[@]}" dmt-sym -H -o raw_name "$PID" "$addr")" = a_static ]
}

@test "the vdso: read from memory, what readelf finds in its bytes" {
    need readelf python3
    spawn "$ME"
    read -r from to < <(sed -n 's/^\([0-9a-f]*\)-\([0-9a-f]*\) .*\[vdso\]$/0x\1 0x\2/p' "/proc/$PID/maps") || skip 'no vdso'
    dd if="/proc/$PID/mem" of="$BATS_TEST_TMPDIR/vdso" iflag=skip_bytes,count_bytes skip=$((from)) count=$((to - from)) status=none
    name=$(readelf -sW "$BATS_TEST_TMPDIR/vdso" | awk '$4 == "FUNC" && $5 == "GLOBAL" { sub(/@.*/, "", $8); print $8; exit }')
    value=$(readelf -sW "$BATS_TEST_TMPDIR/vdso" | awk -v n="$name" '{ sub(/@.*/, "", $8) } $8 == n { print "0x" $2; exit }')
    addr=$(printf '%#x' $((from + value)))
    [ "$(dmt-sym -H -o addr,object "$PID" "$name")" = "$addr"$'\t[vdso]' ]
    [ "$(dmt-sym -H -o value,object "$PID" "$addr")" = "$addr"$'\t[vdso]' ]
}

@test "the order of the dynamic linker: what is preloaded comes first; NAME@MODULE chooses" {
    need cc
    cd "$BATS_TEST_TMPDIR"
    for lib in a b; do
        echo 'int an_interposed(void) { return 1; }' | cc -shared -fPIC -x c -o lib$lib.so -
    done
    spawn env LD_PRELOAD="$PWD/liba.so $PWD/libb.so" "$ME"
    READY=" $READY"
    addr=${READY##* an_interposed=} addr=${addr%% *}
    [ "$(dmt-sym -H -o addr,object "$PID" an_interposed | head -1)" = "$addr"$'\t'"$PWD/liba.so" ]
    [ "$(dmt-sym -H "$PID" an_interposed | wc -l)" = 2 ]
    [ "$(dmt-sym -H -o object "$PID" an_interposed@libb.so)" = "$PWD/libb.so" ]
    [ "$(dmt-sym -H -o object "$PID" "an_interposed@$PWD/libb.so")" = "$PWD/libb.so" ]
    run -1 --separate-stderr dmt-sym "$PID" an_interposed@libc.so.6
    # All rows in that order: the program, the preloaded ones, then the others.
    [ "$(dmt-sym -H -o object "$PID" | uniq | head -3 | paste -sd' ')" = "$ME $PWD/liba.so $PWD/libb.so" ]
}

@test "all symbols of a process are those of its files" {
    spawn "$ME"
    [ "$(dmt-sym -H -o object "$PID" | sort -u)" = "$(awk '$6 ~ /^\// || $6 == "[vdso]" { print $6 }' "/proc/$PID/maps" | sort -u)" ]
    [ "$(dmt-sym -H -o raw_name,size,type,bind,object "$PID" | grep -c -F "$ME")" = "$(dmt-sym -H "$ME" | wc -l)" ]
}

@test "an address in no module, one in the middle of data that is none, one in zeros" {
    spawn "$ME"
    run -1 --separate-stderr dmt-sym -H "$PID" 0x10 0xffffffffffffffff
    [ "$output" = "$PID"$'\t0x10\t-\t-\t-\t-\t-\n'"$PID"$'\t0xffffffffffffffff\t-\t-\t-\t-\t-' ]
    READY=" $READY"
    bss=${READY##* a_bss=} bss=${bss%% *}
    [ "$(dmt-sym -H -o name,offset "$PID" "$(printf '%#x' $((bss + 63)))")" = $'a_bss\t0x3f' ]
    stack=$(sed -n 's/^\([0-9a-f]*\)-.*\[stack\]$/0x\1/p' "/proc/$PID/maps")
    run -1 dmt-sym -H -o name,object "$PID" "$stack"
    [ "$output" = $'-\t-' ]
}

@test "ten thousand addresses at once are answered in their order" {
    spawn "$ME"
    mapfile -t addrs < <(dmt-sym -H -o addr,type,size "$PID" | awk '$2 == "function" && $3 != "-" { print $1 }' | shuf -n 10000 --random-source="$C")
    [ "${#addrs[@]}" -gt 1000 ]
    dmt-sym -H -o addr,value "$PID" "${addrs[@]}" >"$BATS_TEST_TMPDIR/rows"
    cut -f1 "$BATS_TEST_TMPDIR/rows" | cmp - <(printf '%s\n' "${addrs[@]}")
    [ "$(awk '$1 == $2' "$BATS_TEST_TMPDIR/rows" | wc -l)" = "${#addrs[@]}" ]
}

@test "targets: several by -p, from standard input, threads, a core" {
    spawn "$ME"
    one=$PID
    spawn "$ME"
    [ "$(dmt-sym -H -o pid -p "$one,$PID" main | paste -sd' ')" = "$one $PID" ]
    [ "$(printf 'pid\n%s\n%s\n' "$one" "$PID" | dmt-sym -H -o pid - main | paste -sd' ')" = "$one $PID" ]
    [ "$(dmt-sym -H -o pid "$one/$one" main)" = "$one" ]
    [ "$(dmt-sym -H -o pid self main)" -gt 1 ]
}

@test "a core has the symbols of its process" {
    need gcore
    build whole
    spawn "$BATS_TEST_TMPDIR/whole"
    READY=" $READY"
    gcore -o "$BATS_TEST_TMPDIR/core" "$PID" >/dev/null 2>&1 3>&-
    core=$BATS_TEST_TMPDIR/core.$PID
    addresses_hold "$core" main a_static a_data a_bss getpid
    [ "$(dmt-sym -H -o pid,object "$core" main)" = "$PID"$'\t'"$BATS_TEST_TMPDIR/whole" ]
}

# --- hostile files -------------------------------------------------------------------------------

# damaged SEED FILE OUT COMMAND...: a part of 200,000 runs (mutate.c).
damaged() {
    local said
    # A report of a sanitizer is an error; a crash of libelf in the child is none.
    said=$(ASAN_OPTIONS=detect_leaks=0:handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0:allocator_may_return_null=1 \
        "$FIXTURES/mutate" "$(scale 250 25000)" "$@" 3>&-) || { echo "$said"; return 1; }
    [ -z "${DMT_SOAK:-}" ] || echo "# $BATS_TEST_DESCRIPTION: $said" >&3
}

# The questions about a damaged file OUT that was ME: addresses, names, all, and by commands that take no such file.
damaged_all_ways() {
    damaged "$@" dmt-sym -s "$3" "$(dmt-sym -H -o addr "$2" main)" "$(dmt-sym -H -o addr "$2" a_data)" 0x10 0xffffffffffffffff -- \
        dmt-sym -s "$3" -- dmt-sym "$3" figure::Circle::area -- dmt-sym "$3" main+4 -- dmt-sym "$3" symbols.c:35 -- dmt-map -o all "$3"
}

@test "damaged: DWARF 5, both hash tables" {
    cd "$BATS_TEST_TMPDIR"
    build elf -gdwarf-5 -Wl,--hash-style=both,--build-id
    damaged_all_ways 1 elf bad%
}

@test "damaged: DWARF 4 of two compressions" {
    need objcopy
    cd "$BATS_TEST_TMPDIR"
    build elf -gdwarf-4
    objcopy --compress-debug-sections=zlib-gabi elf gabi
    objcopy --compress-debug-sections=zlib-gnu elf gnu
    damaged_all_ways 2 gabi bad%
    damaged_all_ways 3 gnu bad%
}

@test "damaged: an object file" {
    cd "$BATS_TEST_TMPDIR"
    build elf.o -c -ffunction-sections
    damaged_all_ways 4 elf.o bad%
}

@test "damaged: stripped, and without section headers" {
    cd "$BATS_TEST_TMPDIR"
    build whole -rdynamic -Wl,--hash-style=both
    strip whole
    damaged 5 whole bad% dmt-sym bad% -- dmt-sym bad% main+4 0x10 0x1200 -- dmt-map bad% -- dmt-peek bad% main
    # Its parts are those of the whole; the headers are left out afterwards.
    DMT_HEADLESS=1 damaged 6 whole bad% dmt-sym bad% -- dmt-sym bad% main+4 0x10 0x1200
}

@test "damaged: .gnu_debugdata" {
    need xz
    cd "$BATS_TEST_TMPDIR"
    build whole -rdynamic
    objcopy -S whole mini
    objcopy --only-keep-debug whole debug
    objcopy -S --keep-symbol=a_static --keep-symbol=choose debug mini
    xz mini
    strip whole
    objcopy --add-section .gnu_debugdata=mini.xz whole
    at=$(dmt-sym -H -o addr whole a_static)
    damaged 7 whole bad% dmt-sym bad% -- dmt-sym bad% "$at" 0x10 -- dmt-sym bad% a_static
}

@test "damaged: a file with a debug link, its debug file, its build-id" {
    cd "$BATS_TEST_TMPDIR"
    for i in 0 1; do
        mkdir dir$i
        build whole -Wl,--build-id
        objcopy --only-keep-debug whole dir$i/linked.debug
        strip whole
        (cd dir$i && objcopy --add-gnu-debuglink=linked.debug ../whole linked)
    done
    [ "$(dmt-sym -H -o name dir1/linked a_static)" = a_static ]
    cp dir0/linked linked
    cp dir0/linked.debug linked.debug
    damaged 8 linked dir%/bad dmt-sym -s dir%/bad -- dmt-sym -s dir%/bad a_static -- dmt-sym dir%/bad main+1
    damaged 9 linked.debug dir%/linked.debug dmt-sym -s dir%/linked -- dmt-sym -s dir%/linked a_static -- dmt-sym -s dir%/linked main+1
}

@test "damaged: a library that a process has mapped" {
    cd "$BATS_TEST_TMPDIR"
    echo 'int an_interposed(void) { return 1; } int data[9] = {1};' | cc -g -shared -fPIC -Wl,--build-id -x c -o lib.so -
    cp lib.so bad.so
    spawn env LD_PRELOAD="$PWD/bad.so" "$ME"
    at=$(dmt-sym -H -o addr "$PID" an_interposed)
    damaged 10 lib.so bad.so dmt-sym -s "$PID" "$at" -- dmt-sym "$PID" an_interposed -- dmt-map -o all "$PID" -- \
        dmt-peek "$PID" data@bad.so
}

@test "a file that is truncated while the parser has it mapped is one error" {
    other=$(readlink -f "$(command -v node)") || other=$C
    cp "$other" "$BATS_TEST_TMPDIR/elf"
    mkfifo "$BATS_TEST_TMPDIR/rows"
    dmt-sym -H "$BATS_TEST_TMPDIR/elf" >"$BATS_TEST_TMPDIR/rows" 2>"$BATS_TEST_TMPDIR/said" 3>&- &
    pid=$!
    exec {rows}<"$BATS_TEST_TMPDIR/rows"
    read -r _ <&"$rows" # it is in the middle of its rows, and waits for us
    : >"$BATS_TEST_TMPDIR/elf"
    cat <&"$rows" >/dev/null
    exec {rows}<&-
    status=0
    wait "$pid" || status=$?
    [ "$status" = 1 ] && grep -Eqx "dmt-sym: $BATS_TEST_TMPDIR/elf: the ELF parser crashed \(signal 7\)" "$BATS_TEST_TMPDIR/said" ||
        { [ -n "$DMT_SAN" ] && [ "$status" = 1 ]; }
}

@test "FIFOs, devices, directories, empty files, scripts" {
    cd "$BATS_TEST_TMPDIR"
    mkfifo fifo
    : >empty
    echo '#!/bin/sh' >script
    for file in ./fifo /dev/null /dev/zero . empty script; do
        run -3 --separate-stderr timeout 20 dmt-sym -H $file main
        [ "${#stderr_lines[@]}" = 1 ]
        [ -z "$output" ]
    done
}

@test "a process that has a device and odd files mapped" {
    need_root
    head -c 8192 /dev/zero >"$BATS_TEST_TMPDIR/zeros"
    { printf '\177ELF'; head -c 8188 /dev/urandom; } >"$BATS_TEST_TMPDIR/noise"
    spawn "$ME" /dev/zero "$BATS_TEST_TMPDIR/zeros"
    READY=" $READY"
    addresses_hold "$PID" main a_static getpid
    run -0 --separate-stderr timeout 20 dmt-sym -H "$PID"
    [ -z "$stderr" ]
    spawn "$ME" "$BATS_TEST_TMPDIR/noise"
    READY=" $READY"
    # What is no ELF file behind its first bytes is said once, and takes nothing from the others.
    addresses_hold "$PID" main a_static getpid
    run --separate-stderr timeout 20 dmt-sym -H -o object "$PID"
    [[ $status = [13] && $stderr == "dmt-sym: $PID: "*noise* && ${#stderr_lines[@]} = 1 ]]
    [ "$(grep -c -F "$ME" <<<"$output")" -gt 50 ]
}

@test "names with escape sequences, of a megabyte, in any case" {
    cd "$BATS_TEST_TMPDIR"
    long=$(head -c 1000000 /dev/zero | tr '\0' n)
    printf 'a_data %s\n' "$long" >renames
    objcopy --redefine-syms=renames --redefine-sym a_bss=$'evil\e[31m\a\tb' --redefine-sym a_weak=MAIN "$ME" evil
    [ "$(dmt-sym -H -o name evil MAIN)" = MAIN ]
    [ "$(dmt-sym -H -o name evil main)" = main ]
    [ "$(dmt-sym -H -o name evil $'evil\e[31m\a\tb')" = 'evil\x1b[31m\x07\tb' ]
    at=$(dmt-sym -H -o addr "$ME" a_data)
    [ "$(dmt-sym -H -o name evil "$at")" = "$long" ]
    [ "$(dmt-sym evil | LC_ALL=C grep -c "[$(printf '\001-\010\013-\037\177')]")" = 0 ]
    run -1 --separate-stderr dmt-sym evil $'no\e[31msuch'
    [ "$stderr" = 'dmt-sym: evil: no symbol no\x1b[31msuch' ]
}

# --- usage -----------------------------------------------------------------------------------------

@test "what cannot be understood is said before anything is touched" {
    while read -ra words; do
        run -2 --separate-stderr dmt-sym "${words[@]}"
        [[ -z $output && ${#stderr_lines[@]} = 1 && $stderr == dmt-sym:* ]] || { echo "${words[*]}: $output $stderr"; return 1; }
    done <<'END'

nonsense
self 4711
self 0x
self 0xg
self 0x11112222333344445
self main 12
--raw-names
-p
END
    run -2 --separate-stderr dmt-sym self ''
    [[ $stderr == dmt-sym:* ]]
    run -3 --separate-stderr bash -c 'exec dmt-sym self main >/dev/full'
}

@test "a process that is gone is status 1; a handle of another is refused" {
    spawn "$ME"
    handle=$(dmt-ps -H -o handle "$PID")
    [ "$(dmt-sym -H -o name "$handle" main)" = main ]
    run -1 --separate-stderr dmt-sym "$PID@1" main
    kill -KILL "$PID"
    wait "$PID" || :
    run -1 --separate-stderr dmt-sym "$handle" main
    [ "${#stderr_lines[@]}" = 1 ]
}
