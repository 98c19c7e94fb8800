# The words for people against the commands: --help, --spec, the manual, README. What they say has
# to be true, all of it and nothing else, and every example has to run as printed.
load helpers

setup() {
    ROOT=$BATS_TEST_DIRNAME/..
    read -ra COMMANDS < <(sed -n 's/^CMDS *= *//p' "$ROOT/Makefile")
    OWN_PAGES=("${COMMANDS[@]/%/.1}")
    PAGES=("${OWN_PAGES[@]}" dmt.7 dmt-target.7)
    [ "${#COMMANDS[@]}" -ge 3 ]
}

# same WHAT: the two lists on standard input, parted by a line --, hold the same lines.
same() {
    awk -v what="$1" '
        /^--$/ { second = 1; next }
        second { right[$0]; next }
        { left[$0] }
        END {
            for (i in left) if (!(i in right)) { print what ": only in the first: " i; bad = 1 }
            for (i in right) if (!(i in left)) { print what ": only in the second: " i; bad = 1 }
            exit bad
        }'
}

# --- what a command says, and what its page says ---------------------------------------------

# Options as lines `letter name argument`, with - for nothing.
spec_options() {
    "$1" --spec | awk -F'\t' '$1 == "option" { print $2, $3, $4 }'
}

help_options() {
    "$1" --help | awk '
        /^  (-|    --)/ {
            letter = $1 ~ /^-[^-],?$/ ? substr($1, 1, 2) : "-"
            word = letter == "-" ? $1 : $1 ~ /,$/ ? $2 : "-"
            split(word, part, "=")
            print letter, part[1], (word ~ /=/ ? substr(word, length(part[1]) + 2) : "-")
        }'
}

# section PAGE NAME: that section of a page.
section() {
    awk -v want="$2" '/^\.Sh/ { here = substr($0, 5) == want; next } here' "$ROOT/man/$1"
}

# `.It Fl x , Fl -long Ns = Ns Ar ARG`
page_options() {
    section "$1" OPTIONS | awk '
        /^\.It Fl/ {
            letter = name = arg = "-"
            for (i = 2; i < NF; i++)
                if ($i == "Fl") { if ($(i + 1) ~ /^-/) name = "-" $(i + 1); else letter = "-" $(i + 1) }
                else if ($i == "Ar") arg = $(i + 1)
            print letter, name, arg
        }'
}

page_items() {
    section "$1" "$2" | sed -n 's/^\.It Cm //p'
}

@test "--help has the options of --spec" {
    for c in "${COMMANDS[@]}"; do
        { spec_options "$c"; echo --; help_options "$c"; } | same "$c --spec, --help"
    done
}

@test "each page has the options of its command: the common ones are in dmt(7)" {
    for c in "${COMMANDS[@]}"; do
        # A letter that the command has taken for itself is not the common option's any more.
        own=$(page_options "$c.1")
        common=$(page_options dmt.7 | while read -r letter name arg; do
            if spec_options "$c" | grep -qx -e "- $name $arg"; then letter=-; fi
            spec_options "$c" | grep -x -e "$letter $name $arg" || true
        done)
        { spec_options "$c"; echo --; echo "$own"; echo "$common"; } | grep . | same "$c --spec, pages"
        run comm -12 <(echo "$own" | cut -d' ' -f2 | sort) <(echo "$common" | cut -d' ' -f2 | sort)
        [ "$output" = "" ]
    done
    for c in "${COMMANDS[@]}"; do spec_options "$c"; done | sort -u >"$BATS_TEST_TMPDIR/all"
    page_options dmt.7 | while read -r option; do grep -qx -e "$option" "$BATS_TEST_TMPDIR/all"; done
}

@test "each page has the columns of its command, or says whose they are" {
    for c in "${COMMANDS[@]}"; do
        page=$c.1
        [ -n "$(page_items "$page" COLUMNS)" ] || page=$(section "$page" COLUMNS | awk '/^\.Xr/ { print $2 "." $3; exit }')
        { "$c" --list-columns -H | cut -f1; "$c" --spec | awk -F'\t' '$1 == "column" { print $3 }'
          echo --; page_items "$page" COLUMNS; } | same "$c --list-columns, $page"
    done
}

@test "dmt(7) has the words for completions that --spec uses" {
    { for c in "${COMMANDS[@]}"; do "$c" --spec | awk -F'\t' '$5 != "-" && NR > 1 { print $5 }'; done
      echo --; page_items dmt.7 COMPLETION; } | same "--spec, dmt(7)"
}

# --- the pages as pages ------------------------------------------------------------------------

@test "every command has a page with the usual sections" {
    for p in "${OWN_PAGES[@]}"; do
        for s in NAME SYNOPSIS DESCRIPTION OPTIONS COLUMNS "EXIT STATUS" EXAMPLES "SEE ALSO" CAVEATS; do
            [ -n "$(section "$p" "$s")" ] || { echo "$p: no $s"; return 1; }
        done
        [ -n "$(man_blocks "$p")" ]
    done
}

@test "there is no page, and no word, of a command that does not exist" {
    for f in "$ROOT"/man/*; do
        [[ " ${PAGES[*]} " == *" ${f##*/} "* ]]
    done
    { printf '%s\n' "${COMMANDS[@]}" dmt-target; echo --
      cat "$ROOT"/man/* "$ROOT/README" | sed 's/\\-/-/g' | grep -oE '\bdmt-[a-z]+' | sort -u; } | same "commands, docs"
}

@test "mandoc has no complaint" {
    need mandoc
    for p in "${PAGES[@]}"; do
        # Whether other pages are installed is the next tests' question.
        run --separate-stderr mandoc -T lint -W style "$ROOT/man/$p"
        left=$(grep -v 'STYLE: referenced manual not found' <<<"$output" || true)
        [ -z "$left" ] || { echo "$left"; return 1; }
    done
}

@test "groff has no complaint" {
    need groff
    for p in "${PAGES[@]}"; do
        run --separate-stderr groff -mdoc -ww -T utf8 "$ROOT/man/$p"
        [ "$status" = 0 ]
        [ -z "$stderr" ] || { echo "$stderr"; return 1; }
    done
}

references() {
    for p in "${PAGES[@]}"; do awk '/^\.(It )?Xr/ { sub(/^\.It /, "."); print $2 "." $3 }' "$ROOT/man/$p"; done | sort -u
}

@test "references to our own pages lead somewhere" {
    references | grep '^dmt' | while read -r page; do
        [ -e "$ROOT/man/$page" ] || { echo "no $page"; exit 1; }
    done
}

@test "references to pages of the system lead somewhere" {
    dir=/usr/share/man
    for sample in man1/ps.1 man2/ptrace.2 man5/proc.5; do
        compgen -G "$dir/$sample*" >/dev/null || skip "the manual page ${sample##*/} is missing"
    done
    references | grep -v '^dmt' | while read -r page; do
        compgen -G "$dir/man${page##*.}/$page*" >/dev/null || { echo "no $page"; exit 1; }
    done
}

# --- examples -----------------------------------------------------------------------------------

# Commands that an example may use and a machine may lack: each has a test of its own below.
TOOLS='fzf jq mlr sqlite3 datamash gnuplot clush parallel'
# What is always there.
BASE='awk head ps sort uniq xargs'

# Blocks of lines, each block ended by a line %%. Lines that end in | or \, or between two quotes, go on in the next.
joined() {
    awk '
        /^%%$/ { print; next }
        { line = line $0 }
        sub(/\\$/, "", line) { next }
        line ~ /\|$/ || gsub(/\047/, "&", line) % 2 { line = line " "; next }
        { print line; line = "" }'
}

# The literal displays of EXAMPLES, without roff's escapes.
man_blocks() {
    section "$1" EXAMPLES | awk '/^\.Bd -literal/ { here = 1; next } /^\.Ed/ { here = 0; print "%%" } here' |
        sed "s/\\\\-/-/g; s/\\\\(aq/'/g; s/\\\\e/\\\\/g" | joined
}

# What stands behind a prompt, each for itself.
readme_blocks() {
    awk '
        /^    \$ / { here = 1; quotes = 0; sub(/^    \$ /, "") }
        here {
            sub(/^ +/, ""); print
            quotes += gsub(/\047/, "&")
            here = /\\$/ || quotes % 2
            if (!here) print "%%"
        }' "$ROOT/README" | joined
}

blocks() {
    for p in "${PAGES[@]}"; do man_blocks "$p"; done
    readme_blocks
    for c in "${COMMANDS[@]}"; do "$c" --help | sed -n 's/^Example: //p'; echo %%; done
}

# The words in the place of a command, of the lines on standard input.
used_commands() {
    sed "s/'[^']*'//g; s/ # .*//; s/[|;]/\n/g; s/\\\$(/\n/g" | awk 'NF { print $1 }' | tr '\n' ' '
}

# The tools of TOOLS that some lines use.
tools_of() {
    local tool used
    used=$(printf '%s\n' "$@" | used_commands)
    for tool in $TOOLS; do
        if [[ " $used" == *" $tool "* ]]; then echo "$tool"; fi
    done
}

sandbox() {
    local dir user=()
    [ "$(id -u)" = 0 ] || user=(--user --map-root-user)
    dir=$(mktemp -d "$BATS_TEST_TMPDIR/XXXXXX")
    timeout 300 unshare "${user[@]}" --pid --fork --kill-child --mount-proc \
        "$BATS_TEST_DIRNAME/docs-sandbox" "$dir" "$@" 3>&-
}

need_sandbox() {
    need unshare timeout
    run sandbox true
    [ "$status" = 0 ] || skip "no PID namespace can be had: $output"
}

# Each block becomes a file, in the directory of the tool that it uses.
setup_file() {
    setup
    local block=() line dir n=0
    while IFS= read -r line; do
        if [ "$line" != %% ]; then
            block+=("$line")
            continue
        fi
        dir=$BATS_FILE_TMPDIR/examples-$(tools_of "${block[@]}")
        mkdir -p "$dir"
        n=$((n + 1))
        printf '%s\n' "${block[@]}" >"$dir/$n"
        block=()
    done < <(blocks)
}

# run_examples [TOOL]: runs the blocks that use TOOL, or else those that use none.
run_examples() {
    local file block bad=0
    need_sandbox
    for file in "$BATS_FILE_TMPDIR/examples-$1"/*; do
        mapfile -t block <"$file"
        run sandbox "${block[@]}"
        [ "$status" = 0 ] || { echo "$output"; bad=1; }
    done
    [ "$bad" = 0 ]
}

@test "the examples use commands that the tests know" {
    for c in $(blocks | grep -v '^%%$' | used_commands); do
        [[ " ${COMMANDS[*]} $TOOLS $BASE " == *" $c "* ]] || { echo "$c"; return 1; }
    done
}

@test "the examples of --help, of the manual and of README run" {
    # shellcheck disable=SC2086
    need $BASE
    run_examples ''
}

@test "the examples with fzf run" { need fzf; run_examples fzf; }
@test "the examples with jq run" { need jq; run_examples jq; }
@test "the examples with Miller run" { need mlr; run_examples mlr; }
@test "the examples with SQLite run" { need sqlite3; run_examples sqlite3; }
@test "the examples with datamash run" { need datamash; run_examples datamash; }
@test "the examples with gnuplot run" { need gnuplot; run_examples gnuplot; }
# Their hosts are this one: docs-sandbox has an ssh that goes nowhere.
@test "the examples with clush run" { need clush; run_examples clush; }
@test "the examples with parallel run" { need parallel; run_examples parallel; }

@test "README shows the headers that the commands print" {
    need_sandbox
    n=0
    while IFS=$'\t' read -r line header; do
        run sandbox "$line | sed 's/\t/ /g' >header; read -r first <header; [ \"\$first\" = '$header' ]"
        [ "$status" = 0 ] || { echo "$line: not $header"; return 1; }
        n=$((n + 1))
    done < <(awk '
        line != "" && /^    / && ($1 == "pid" || $1 == "handle") { $1 = $1; print line "\t" $0 }
        { line = /^    \$ / ? substr($0, 7) : "" }' "$ROOT/README")
    [ "$n" -ge 5 ]
}
