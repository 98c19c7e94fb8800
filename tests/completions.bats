# What TAB offers, in each shell as it asks, without a terminal. The same questions for all three.
load helpers

setup() {
    FILES=$(cd "$BATS_TEST_DIRNAME/../completions" && pwd)
    read -ra COMMANDS < <(sed -n 's/^CMDS *= *//p' "$BATS_TEST_DIRNAME/../Makefile")
    cd "$BATS_TEST_TMPDIR" || return
    export FILES
}

# --- the shells -----------------------------------------------------------------------------

# bash hands a completion function the words that COMP_WORDBREAKS parts.
ask_bash() {
    # shellcheck disable=SC2016
    bash --noprofile --norc -c '
        source "$FILES/dmt.bash"
        COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() rest=$1
        while rest=${rest#"${rest%%[! ]*}"} && [[ $rest ]]; do
            if [[ $rest == [=:@]* ]]; then word=${rest%%[!=:@]*}; else word=${rest%%[=:@ ]*}; fi
            COMP_WORDS+=("$word") rest=${rest#"$word"}
        done
        [[ $1 != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _dmt "${COMP_WORDS[0]}"
        ((${#COMPREPLY[@]} == 0)) || printf "%s\n" "${COMPREPLY[@]}"' bash "$1"
}

# zsh on a terminal of its own; what compadd would add is written down. It is typed to when the
# line editor says that it reads, and the key after TAB says that TAB is done.
ask_zsh() {
    # The leak checker of the sanitisers hangs now and then in what an interactive zsh has started.
    # shellcheck disable=SC2016
    ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 \
        ASK=$1 DUMP=$BATS_FILE_TMPDIR/dump SEEN=$BATS_TEST_TMPDIR/seen timeout 60 zsh -f -c '
        zmodload zsh/zpty || exit
        : >$SEEN
        zpty shell TERM=dumb zsh -f -i
        zpty -w shell "PS1=; unsetopt beep autolist automenu; fpath=($FILES \$fpath); autoload -U compinit; compinit -u -d $DUMP
            compadd() {
                if ((\${@[(I)-[OAD]]})); then builtin compadd \"\$@\"; return; fi
                local -a hits
                builtin compadd -A hits \"\$@\"
                ((\$#hits)) && print -rl -- \$IPREFIX\$^hits >>$SEEN
                builtin compadd \"\$@\"
            }
            tell() { print answ\"\"ered }; zle -N tell; bindkey ^B tell; bindkey ^I complete-word
            zle-line-init() { print read\"\"ing }; zle -N zle-line-init"
        zpty -r shell answer "*reading*" || exit
        zpty -n -w shell "$ASK"$'\''\t\x02'\''
        zpty -r shell answer "*answered*" || exit
        zpty -d shell' </dev/null || return
    sort -u "$BATS_TEST_TMPDIR/seen"
}

ask_fish() {
    # shellcheck disable=SC2016
    HOME=$BATS_TEST_TMPDIR fish --no-config -c 'source $FILES/dmt.fish; complete -C $argv[1]' "$1" | cut -f1
}

# ask SHELL LINE: what is offered, a value a line: what stands before it in the same word is cut off.
ask() {
    "ask_$1" "$2" 3>&- | sed 's/=$//; s/^.*[=,]//'
}

# offers SHELL LINE WORD...: the line is completed to exactly these words.
offers() {
    run ask "$1" "$2"
    [ "$(sort -u <<<"$output")" = "$(printf '%s\n' "${@:3}" | sort -u)" ] || {
        printf '%s: offers\n%s\nnot\n%s\n' "$2" "$output" "${*:3}"
        return 1
    }
}

# includes SHELL LINE WORD...: these words are among what is offered.
includes() {
    local word
    run ask "$1" "$2"
    for word in "${@:3}"; do
        grep -qxF -e "$word" <<<"$output" || { echo "$2: no $word in"; echo "$output"; return 1; }
    done
}

# --- the questions ----------------------------------------------------------------------------

options() {
    local c all
    for c in "${COMMANDS[@]}"; do
        mapfile -t all < <("$c" --spec | awk -F'\t' '$1 == "option" { print $2; print $3 }' | grep -vx -e -)
        includes "$1" "$c -" "${all[@]}"
        mapfile -t all < <(printf '%s\n' "${all[@]}" | grep -- ^--)
        offers "$1" "$c --" "${all[@]}"
    done
    offers "$1" 'dmt-ps --no' --no-header
    offers "$1" 'dmt-ps -H 1 self --tr' --tree
}

columns() {
    local all
    mapfile -t all < <(dmt-ps --list-columns -H | cut -f1)
    offers "$1" 'dmt-ps -o ' "${all[@]}"
    offers "$1" 'dmt-find --columns=' "${all[@]}"
    # Of both its tables: which one is meant may stand further on.
    mapfile -t all < <(dmt-kill --spec | awk -F'\t' '$1 == "column" && !seen[$3]++ { print $3 }')
    offers "$1" 'dmt-kill -e -o ' "${all[@]}"
    offers "$1" 'dmt-ps --columns=handl' handle
    offers "$1" 'dmt-ps --columns handl' handle
    offers "$1" 'dmt-ps --columns=pid,mem,handl' handle
    offers "$1" 'dmt-ps -o args,ar' argv
    offers "$1" 'dmt-ps -Ho pid,handl' handle
}

signs() {
    offers "$1" 'dmt-ps -o +handl' +handle
    offers "$1" 'dmt-ps --columns=+handl' +handle
    offers "$1" 'dmt-ps -o +pid,handl' handle
    offers "$1" 'dmt-ps --sort=-handl' -handle
    offers "$1" 'dmt-ps --sort=-mem,+handl' +handle
    # To fish a word that begins with a dash is an option, whatever stands before it.
    [ "$1" = fish ] || offers "$1" 'dmt-ps --sort -mem,+handl' +handle
}

signals() {
    local all
    mapfile -t all < <(dmt-kill -H -l | cut -f2)
    offers "$1" 'dmt-kill -s ' "${all[@]}"
    offers "$1" 'dmt-kill -s HU' HUP
    offers "$1" 'dmt-kill --signal=HU' HUP
    includes "$1" 'dmt-kill -' "${all[@]/#/-}"
    includes "$1" 'dmt-kill -H' -HUP
    offers "$1" 'dmt-kill -TER' -TERM
}

targets() {
    spawn sh -c 'echo ready; read -r _'
    includes "$1" 'dmt-kill ' "$PID"
    includes "$1" "dmt-ps 1 ${PID%?}" "$PID"
    includes "$1" "dmt-ps -p ${PID%?}" "$PID"
    includes "$1" "dmt-ps --pid=1,${PID%?}" "$PID"
    includes "$1" "dmt-find --descendants=${PID%?}" "$PID"
}

# What the command alone knows: register sets, formats, registers, limits.
own_words() {
    local all
    offers "$1" 'dmt-peek -r ' gp fp vector debug all
    offers "$1" 'dmt-peek --registers=gp,ve' vector
    offers "$1" 'dmt-peek --as=st' string
    offers "$1" 'dmt-poke -f ' signed unsigned hex float char string pointer bytes
    offers "$1" 'dmt-peek --holes=s' skip
    # The names that the command takes: those that it shows, and those of parts.
    offers "$1" 'dmt-peek 1 %eflag' %eflags
    offers "$1" 'dmt-poke 1 %eflag' %eflags
    mapfile -t all < <(dmt-peek --spec | awk -F'\t' '$1 == "word" && $3 ~ /^%xmm1/ { print $3 }')
    offers "$1" 'dmt-peek 1 %xmm1' "${all[@]}"
    mapfile -t all < <(dmt-limit -H -o name self)
    includes "$1" 'dmt-limit 1 ' "${all[@]}"
    offers "$1" 'dmt-limit 1 nofi' nofile
}

# Where a core can stand, a file can, and a PID.
files() {
    mkdir cores
    touch 'core.1' 'core of it' cores/deeper
    spawn sh -c 'echo ready; read -r _'
    local c
    for c in dmt-map dmt-peek dmt-sym; do
        includes "$1" "$c " "$PID" core.1
        offers "$1" "$c core." core.1
        # zsh is told the directory apart from the name.
        if [ "$1" = zsh ]; then includes zsh "$c cores/dee" deeper; else includes "$1" "$c cores/dee" cores/deeper; fi
    done
    offers "$1" 'dmt-poke core.'
    # bash and zsh answer with what they will insert, fish with what it will quote.
    case $1 in
    fish) includes "$1" 'dmt-map core' 'core of it' ;;
    *) includes "$1" 'dmt-map core' 'core\ of\ it' ;;
    esac
}

# The name of a process is text of a stranger.
names() {
    local hostile="\$(touch pwned)"
    printf '#!/bin/sh\necho ready\nread -r _\n' >"$hostile"
    cp "$hostile" peaceful
    chmod +x "$hostile" peaceful
    spawn "$PWD/peaceful"
    spawn "$PWD/$hostile"
    [ "$(dmt-ps -H -o name "$PID")" = "$hostile" ]
    offers "$1" 'dmt-find peace' peaceful
    # bash and zsh answer with what they will insert, fish with what it will quote.
    case $1 in
    fish) includes "$1" 'dmt-find ' "$hostile" ;;
    *) includes "$1" 'dmt-find ' '\$\(touch\ pwned\)' ;;
    esac
    includes "$1" 'dmt-kill ' "$PID"
    [ ! -e pwned ]
}

words() {
    local all
    offers "$1" 'dmt-ps --format ' auto tsv table json
    offers "$1" 'dmt-ps --format=ts' tsv
    mapfile -t all < <(getent passwd | cut -d: -f1)
    offers "$1" 'dmt-find -u ' "${all[@]}"
    offers "$1" 'dmt-find -u nobody,roo' root
    mapfile -t all < <(getent group | cut -d: -f1)
    offers "$1" 'dmt-find --group=' "${all[@]}"
    includes "$1" 'dmt-find -t ' -
    offers "$1" 'dmt-find -r ' R S D T t Z X I
    includes "$1" 'dmt-find -r SD' SDR SDZ
    offers "$1" 'dmt-find --nslist=mnt,u' user uts
    offers "$1" 'dmt-kill --then '
}

@test "bash: all options of every command" { options bash; }
@test "bash: columns, in lists too" { columns bash; }
@test "bash: columns behind + and -" { signs bash; }
@test "bash: signals" { signals bash; }
@test "bash: targets" { targets bash; }
@test "bash: words of one command: register sets, registers, formats, limits" { own_words bash; }
@test "bash: core files" { files bash; }
@test "bash: names, hostile ones too" { names bash; }
@test "bash: formats, users, groups, terminals, states, namespaces" { words bash; }

@test "zsh: all options of every command" { need zsh; options zsh; }
@test "zsh: columns, in lists too" { need zsh; columns zsh; }
@test "zsh: columns behind + and -" { need zsh; signs zsh; }
@test "zsh: signals" { need zsh; signals zsh; }
@test "zsh: targets" { need zsh; targets zsh; }
@test "zsh: words of one command: register sets, registers, formats, limits" { need zsh; own_words zsh; }
@test "zsh: core files" { need zsh; files zsh; }
@test "zsh: names, hostile ones too" { need zsh; names zsh; }
@test "zsh: formats, users, groups, terminals, states, namespaces" { need zsh; words zsh; }

@test "fish: all options of every command" { need fish; options fish; }
@test "fish: columns, in lists too" { need fish; columns fish; }
@test "fish: columns behind + and -" { need fish; signs fish; }
@test "fish: signals" { need fish; signals fish; }
@test "fish: targets" { need fish; targets fish; }
@test "fish: words of one command: register sets, registers, formats, limits" { need fish; own_words fish; }
@test "fish: core files" { need fish; files fish; }
@test "fish: names, hostile ones too" { need fish; names fish; }
@test "fish: formats, users, groups, terminals, states, namespaces" { need fish; words fish; }

# --- the files -----------------------------------------------------------------------------------

@test "each file names all commands and no others" {
    [ "$(grep '^complete ' "$FILES/dmt.bash")" = "complete -F _dmt ${COMMANDS[*]}" ]
    [ "$(head -n 1 "$FILES/_dmt")" = "#compdef ${COMMANDS[*]}" ]
    [ "$(grep '^set -l commands ' "$FILES/dmt.fish")" = "set -l commands ${COMMANDS[*]}" ]
}

@test "bash-completion loads the file for each command" {
    library=/usr/share/bash-completion/bash_completion
    [ -e "$library" ] || skip "bash-completion is missing"
    mkdir -p user/completions
    cp "$FILES/dmt.bash" user/completions
    for c in "${COMMANDS[@]}"; do
        ln -s dmt.bash "user/completions/$c.bash"
        # shellcheck disable=SC2016
        BASH_COMPLETION_USER_DIR=$PWD/user bash --noprofile --norc -c '
            source "$1"
            _completion_loader "$2"
            complete -p "$2"' bash "$library" "$c"
    done
}

@test "commands are asked where they stand" {
    mkdir elsewhere
    for c in "${COMMANDS[@]}"; do ln -s "$DMT_BUILD/$c" elsewhere; done
    PATH=${PATH//"$DMT_BUILD:"/}
    offers bash './elsewhere/dmt-kill -s HU' HUP
    offers bash 'elsewhere/dmt-ps --columns=handl' handle
    need zsh
    offers zsh './elsewhere/dmt-kill -s HU' HUP
    offers zsh 'elsewhere/dmt-ps --columns=handl' handle
}

@test "a command that is missing offers nothing and says nothing" {
    PATH=${PATH//"$DMT_BUILD:"/}
    for shell in bash zsh fish; do
        command -v "$shell" >/dev/null || continue
        run --separate-stderr ask "$shell" 'dmt-ps --sor'
        [ "$output" = "" ]
        [ "$stderr" = "" ]
    done
}
