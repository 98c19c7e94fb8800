#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# Bad input: found before anything is touched. Status 2, nothing on standard output, one line
# on standard error that begins with the command's name, no signal sent.
load helpers

# One case a line: a command and its words, as bash reads them.
cases() {
    cat <<'CASES'
dmt-ps --nonsense
dmt-ps -Z
dmt-ps -TZ
dmt-ps --columns
dmt-ps -o
dmt-ps -o ''
dmt-ps -o ,
dmt-ps -o pid,
dmt-ps -o pid,,name
dmt-ps -o nonsense
dmt-ps -o PID
dmt-ps -o pid,nam
dmt-ps -o +
dmt-ps -o +nonsense
dmt-ps -o -pid
dmt-ps -o 'pid name'
dmt-ps -o $'pid\tname'
dmt-ps -o $'\e[31m'
dmt-ps --sort
dmt-ps --sort=
dmt-ps --sort=nonsense
dmt-ps --sort=mem,
dmt-ps --sort=+
dmt-ps --sort=--mem
dmt-ps --sort=pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid,pid
dmt-ps --format
dmt-ps --format=xml
dmt-ps --format=TSV
dmt-ps --format=
dmt-ps --no-header=yes
dmt-ps --json=1
dmt-ps --f
dmt-ps --tree -T
dmt-ps --tree 1/1
dmt-ps x
dmt-ps ''
dmt-ps ' 1'
dmt-ps '1 '
dmt-ps 1x
dmt-ps x1
dmt-ps 0x1
dmt-ps +1
dmt-ps -- -1
dmt-ps 1.0
dmt-ps 2147483648
dmt-ps 99999999999999999999999999
dmt-ps 1:
dmt-ps 1:0
dmt-ps 1:x
dmt-ps 1:-1
dmt-ps 1:2:3
dmt-ps 1:18446744073709551616
dmt-ps 1@
dmt-ps 1@x
dmt-ps 1@2@3
dmt-ps 1:2@3
dmt-ps 1/
dmt-ps 1/x
dmt-ps 1/0
dmt-ps 1/2,
dmt-ps 1/,2
dmt-ps 1/5-4
dmt-ps 1/1-
dmt-ps 1/-1
dmt-ps 1/1/1
dmt-ps /1
dmt-ps selfish
dmt-ps self:1
dmt-ps $'1\n2'
dmt-ps $'\xff'
dmt-ps $'\e]0;x\a'
dmt-ps 1 2 three
dmt-ps -p
dmt-ps -p ''
dmt-ps -p 1,
dmt-ps -p ,1
dmt-ps -p 1,x
dmt-ps -p 1,,2
dmt-ps /etc/passwd
dmt-find
dmt-find -f
dmt-find -x
dmt-find a b
dmt-find '('
dmt-find '['
dmt-find '*a('
dmt-find 'a{2,1}'
dmt-find -n -o a
dmt-find -u
dmt-find -u ''
dmt-find -u no-such-user-here
dmt-find -u root,
dmt-find -u root,no-such-user-here
dmt-find -u 4294967295
dmt-find -u -1
dmt-find -U no-such-user-here
dmt-find -G no-such-group-here
dmt-find -g x
dmt-find -g -1
dmt-find -g 1,
dmt-find -s x
dmt-find -P x
dmt-find -P 1,x
dmt-find -r Q
dmt-find -r ''
dmt-find -r r
dmt-find --ns=x a
dmt-find --ns=1 --nslist=nonsense a
dmt-find --nslist=mnt a
dmt-find --descendants=x
dmt-find --descendants=
dmt-find -0 -d , a
dmt-find -t ''
dmt-find -t ,
dmt-find --cgroup=
dmt-find -r ,
dmt-find --descendants=1/1
dmt-find --ns=1/1 a
dmt-kill -l NOSUCH
dmt-kill -l 9 NOSUCH
dmt-kill -l -o nonsense
dmt-find -c=1 a
dmt-find --columns=nonsense a
dmt-find --nonsense a
dmt-find -Z a
dmt-kill
dmt-kill -TERM
dmt-kill --
dmt-kill x
dmt-kill bash
dmt-kill -NOSUCH VICTIM
dmt-kill -s NOSUCH VICTIM
dmt-kill -s
dmt-kill -s '' VICTIM
dmt-kill -s 65 VICTIM
dmt-kill -s -1 VICTIM
dmt-kill -s 9x VICTIM
dmt-kill -s SIG VICTIM
dmt-kill -s RTMIN-1 VICTIM
dmt-kill -s RTMIN+99 VICTIM
dmt-kill -s RTMAX+1 VICTIM
dmt-kill -65 VICTIM
dmt-kill -99999999999 VICTIM
dmt-kill -9x VICTIM
dmt-kill -9 -15 VICTIM
dmt-kill -TERM -s KILL VICTIM
dmt-kill -q
dmt-kill -q x VICTIM
dmt-kill -q 2147483648 VICTIM
dmt-kill -q 1.5 VICTIM
dmt-kill -q '' VICTIM
dmt-kill --then VICTIM
dmt-kill --then=KILL VICTIM
dmt-kill --then=100 VICTIM
dmt-kill --then=:KILL VICTIM
dmt-kill --then=100: VICTIM
dmt-kill --then=x:KILL VICTIM
dmt-kill --then=-1:KILL VICTIM
dmt-kill --then=1s:KILL VICTIM
dmt-kill --then=100:NOSUCH VICTIM
dmt-kill --then=99999999999:KILL VICTIM
dmt-kill 0
dmt-kill 1
dmt-kill VICTIM 1
dmt-kill VICTIM 0
dmt-kill -- -1
dmt-kill -TERM -- -5
dmt-kill -9 -1
dmt-kill -- -99999999999
dmt-kill VICTIM x
dmt-kill x VICTIM
dmt-kill VICTIM ''
dmt-kill VICTIM/
dmt-kill VICTIM/x
dmt-kill VICTIM:
dmt-kill VICTIM:0
dmt-kill VICTIM@
dmt-kill -g VICTIM/VICTIM
dmt-kill --force -g -- -5
dmt-kill -p VICTIM,x
dmt-kill -p x
dmt-kill --nonsense VICTIM
dmt-kill -Z VICTIM
dmt-kill -o nonsense VICTIM
dmt-kill --sort=nonsense VICTIM
dmt-kill --format=nonsense VICTIM
dmt-kill $'a\e[31m\nb'
dmt-kill $'VICTIM\n'
CASES
}

# bad LINE: runs one case, and says what is wrong with the answer.
bad() {
    local status=0 lines
    eval "strace -f -qq -e trace=kill,tkill,tgkill,pidfd_send_signal,rt_sigqueueinfo,rt_tgsigqueueinfo,ptrace -e signal=none \
        -o '$BATS_TEST_TMPDIR/calls' ${1//VICTIM/$PID}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
    lines=$(wc -l <"$BATS_TEST_TMPDIR/err")
    [ "$status" = 2 ] || echo "status $status: $1"
    [ ! -s "$BATS_TEST_TMPDIR/out" ] || echo "standard output: $1"
    [ "$lines" = 1 ] || echo "$lines lines of errors: $1"
    grep -q "^${1%% *}: " "$BATS_TEST_TMPDIR/err" || echo "no name: $1: $(cat "$BATS_TEST_TMPDIR/err")"
    ! LC_ALL=C grep -q '[[:cntrl:]]' "$BATS_TEST_TMPDIR/err" || echo "control bytes: $1"
    [ ! -s "$BATS_TEST_TMPDIR/calls" ] || echo "calls: $1: $(cat "$BATS_TEST_TMPDIR/calls")"
}

@test "bad input: status 2, one line, nothing touched" {
    need strace
    spawn "$FIXTURES/counter"
    local line n=0 wrong=
    while IFS= read -r line; do
        n=$((n + 1))
        wrong+=$(bad "$line")
    done < <(cases)
    echo "$n cases"
    echo "$wrong"
    [ -z "$wrong" ]
    [ "$n" -ge 100 ]
    tell sum
    [ "$(answer)" = sum ] # it counted no signal
}

@test "nothing but the options' end is no bad input" {
    dmt-ps -- >"$BATS_TEST_TMPDIR/out"
    [ -s "$BATS_TEST_TMPDIR/out" ]
}

@test "an error names what was meant" {
    run -2 --separate-stderr dmt-ps --colums=pid
    [[ $stderr == *"did you mean '--columns'"* ]]
    run -2 --separate-stderr dmt-ps -o pidd
    [[ $stderr == *"did you mean 'pid'"* ]]
    run -2 --separate-stderr dmt-kill -s TERN 5
    [[ $stderr == *"did you mean 'TERM'"* ]]
    run -2 --separate-stderr dmt-kill bash
    [[ $stderr == *"try dmt-find"* ]]
}

@test "--help, --version and --spec win over what else is wrong after them" {
    for c in dmt-ps dmt-find dmt-kill; do
        run -0 --separate-stderr "$c" --help --nonsense
        [[ ${lines[0]} == "Usage: $c "* && -z $stderr ]]
        run -0 --separate-stderr "$c" --version --nonsense
        [[ $output =~ ^$c\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
        run -0 --separate-stderr "$c" --spec x y z
        [ "${lines[0]}" = $'kind\tletter\tname\targ\tcomplete\thelp' ]
    done
}

@test "a number that is too large is said to be" {
    run -2 --separate-stderr dmt-ps 99999999999999
    [ "$stderr" = "dmt-ps: '99999999999999': not a PID: larger than 2147483647 (try 'dmt-ps --help')" ]
}
