# SPDX-License-Identifier: MIT
# Names and arguments that an attacker chose: what we print of them, and what readers of our tables get.
load helpers

hostile() {
    "${ALONE[@]}" python3 "$BATS_TEST_DIRNAME/hostile.py" "$@" 3>&-
}

# alone: hostile runs in a PID namespace where one can be made: what else runs here costs no time.
alone() {
    local namespace=(setpriv --pdeathsig KILL unshare --pid --fork --mount-proc --kill-child)
    if "${namespace[@]}" true 2>/dev/null; then ALONE=("${namespace[@]}"); fi
}

# The figure of a test, seen when it fails and in the long form.
figure() {
    echo "# $1"
    [ -z "${DMT_SOAK:-}" ] || echo "# $1" >&3
}

@test "hostile names and arguments come back exactly from TSV, JSON and tables" {
    need python3
    sum=$(hostile names "$(scale 3000 100000)")
    figure "$sum"
}

@test "dmt-kill shows hostile names exactly" {
    need python3
    hostile signals "$(scale 400 4000)"
}

@test "dmt-find finds processes by hostile names and arguments, and no others" {
    need python3
    alone
    sum=$(hostile find "$(scale 200 5000)")
    figure "$sum"
}

@test "nothing of a hostile name reaches a terminal raw, however narrow" {
    need python3
    sum=$(hostile terminal "$(scale 400 10000)")
    figure "$sum"
}

@test "a hostile operand is one clean line on standard error, status 2" {
    need python3
    sum=$(hostile messages "$(scale 400 10000)")
    figure "$sum"
}

@test "dmt-kill quotes escape sequences and newlines of an operand" {
    run -2 --separate-stderr dmt-kill $'a\e[31m\nb'
    [ -z "$output" ]
    [ "${#stderr_lines[@]}" = 1 ]
    [[ $stderr == *"'a\\x1b[31m\\nb'"* ]]
    [[ $stderr != *[[:cntrl:]]* ]]
}

# --- the readers of a table ---

# table TOOL: a table of hostile rows, $T/table.tsv and $T/table.json, made once; TOOL shall read it.
table() {
    need python3 "$1"
    T=$BATS_FILE_TMPDIR
    [ -e "$T/expected" ] || hostile table "$T" "$(scale 1000 10000)"
}

# same FORM: standard input, what a reader handed on, has the rows and fields of the table still.
same() {
    hostile same "$1" "$T"
}

@test "Miller keeps rows and fields apart (TSV)" {
    table mlr
    mlr --tsv cat "$T/table.tsv" | same miller
    mlr --tsvlite cat "$T/table.tsv" | same tsv
}

@test "Miller keeps rows and fields apart (TSV to JSON)" {
    table mlr
    mlr -S --itsv --ojson cat "$T/table.tsv" | same objects
}

@test "sqlite3 keeps rows and fields apart" {
    table sqlite3
    sqlite3 :memory: '.mode tabs' '.headers on' ".import '$T/table.tsv' t" 'select * from t' | same tsv
}

@test "Python's csv keeps rows and fields apart" {
    table python3
    same csv <"$T/table.tsv"
}

@test "datamash keeps rows and fields apart" {
    table datamash
    datamash -t $'\t' check <"$T/table.tsv"
    datamash -t $'\t' transpose <"$T/table.tsv" | datamash -t $'\t' transpose | same tsv
}

@test "awk keeps rows and fields apart" {
    table awk
    awk -F '\t' -v OFS='\t' '{ $1 = $1; print }' "$T/table.tsv" | same tsv
}

@test "jq keeps rows and fields apart (lines split at tabs)" {
    table jq
    jq -Rc 'split("\t")' "$T/table.tsv" | same arrays
}

@test "jq reads the JSON rows" {
    table jq
    jq -c . "$T/table.json" | same json
}

@test "bash's read keeps rows and fields apart" {
    table bash
    while IFS=$'\t' read -r pid name args argv; do
        printf '%s\0' "$pid" "$name" "$args" "$argv"
        echo
    done <"$T/table.tsv" | same nul
}
