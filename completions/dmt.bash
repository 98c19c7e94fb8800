# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# Completion of the dmt commands in bash. It knows no option and no column: each command is asked
# when TAB is pressed, with `CMD --spec` (dmt(7), COMPLETION). A new command is one more name in
# the last line.
#
# Names of processes are chosen by strangers. They are compared and quoted, never expanded: no
# eval, and no `compgen -W`, which expands its words.

# Prints what a word under `complete` stands for, a value a line. DIR and SPEC are _dmt's.
_dmt_values() {
    local names
    case $1 in
    columns) awk -F'\t' '$1 == "column" && !seen[$3]++ { print $3 }' <<<"$spec" ;;
    formats) printf '%s\n' auto tsv table json ;;
    targets) "${dir}dmt-ps" -H -o pid ;;
    # An escaped name is no pattern, and one that begins with a dash would be an option.
    names) names=$("${dir}dmt-ps" -H -o name) && grep -v '^-\|[\]' <<<"$names" | sort -u ;;
    signals) "${dir}dmt-kill" -H -l | cut -f2 ;;
    users) getent passwd | cut -d: -f1 ;;
    groups) getent group | cut -d: -f1 ;;
    ttys) "${dir}dmt-ps" -H -o tty | sort -u ;;
    states) printf '%s\n' R S D T t Z X I ;;
    namespaces) printf '%s\n' cgroup ipc mnt net pid time user uts ;;
    resources) printf '%s\n' cpu mem swap disk net pressure proc ;;
    cores) "${dir}dmt-ps" -H -o pid ;; # and files: _dmt_files
    *) awk -F'\t' -v of="$1" '$1 == "word" && $5 == of { print $3 }' <<<"$spec" ;;
    esac 2>/dev/null
}

# Sets `arg` and `complete` to those of option $1, -x or --long; `-` where it has none.
_dmt_option() {
    local kind letter name help
    while IFS=$'\t' read -r kind letter name arg complete help; do
        [[ $kind == option && ($1 == "$letter" || $1 == "$name") ]] && return
    done <<<"$spec"
    arg=- complete=-
}

# In a word of letters, finds the first that takes an argument, which is the rest of the word:
# sets `at` to where that begins, and `arg` and `complete`. Fails if there is none.
_dmt_letters() {
    for ((at = 2; at <= ${#1}; at++)); do
        _dmt_option "-${1:at-1:1}"
        [[ $arg != - ]] && return
    done
    return 1
}

# Offers the values of completer $1 that go on from the text $3; HEAD stands before it in the same
# word. An argument called LIST or X,... is a list: its last element is completed.
_dmt_offer() {
    local base='' last=$3 chosen value quoted
    if [[ $1 == states ]]; then
        base=$3 last=''
    elif [[ $2 == LIST || $2 == *,... ]]; then
        base=${3%"${3##*,}"} last=${3##*,}
    fi
    if [[ $1 == columns && $last == [+-]* ]]; then
        base+=${last:0:1} last=${last:1}
    fi
    chosen=,$base
    [[ $1 != columns ]] || chosen=${chosen//[+-]/}
    while IFS= read -r value; do
        printf -v quoted %q "$value"
        if [[ ($value == "$last"* || $quoted == "$last"*) && $chosen != *,"$value",* &&
            ($1 != states || $base != *"$value"*) ]]; then
            COMPREPLY+=("$head$base$quoted")
        fi
    done < <(_dmt_values "$1")
    [[ $1 != states && $2 != LIST && $2 != *,... ]] || nospace=1
}

# Files that begin with $1, as it was typed; behind a directory more can follow.
_dmt_files() {
    local file quoted
    while IFS= read -r file; do
        printf -v quoted %q "$file"
        [[ ! -d $file ]] || quoted+=/ nospace=1
        COMPREPLY+=("$quoted")
    done < <(compgen -f -- "${1//\\/}" 2>/dev/null)
}

# The options that begin with $1, with = where an argument follows; dmt-kill's signals too.
_dmt_options() {
    local kind letter name arg complete help word
    while IFS=$'\t' read -r kind letter name arg complete help; do
        [[ $arg == - || $name == - ]] || name+='='
        for word in "$letter" "$name"; do
            [[ $kind != option || $word == - || $word != "$1"* ]] || COMPREPLY+=("$word")
        done
    done <<<"$spec"
    if [[ $command == dmt-kill && $1 != --* ]]; then
        while read -r word; do
            [[ -$word != "$1"* ]] || COMPREPLY+=("-$word")
        done < <(_dmt_values signals)
    fi
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || nospace=1
}

_dmt() {
    local command=${1##*/} dir=${1%"${1##*/}"} spec arg complete at head='' nospace=''
    dir=${dir/#\~\//$HOME/}
    COMPREPLY=()
    spec=$("$dir$command" --spec 2>/dev/null) || return 0

    # bash parts words at = : @ as well (COMP_WORDBREAKS). To us what no blank parts is one word,
    # up to the cursor; `piece` is the part of it that bash will replace.
    local line=${COMP_LINE:0:COMP_POINT} gap piece i words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        gap=${line%%[![:blank:]]*}
        line=${line#"$gap"}
        piece=${COMP_WORDS[i]}
        [[ $i != "$COMP_CWORD" ]] || piece=$line
        if [[ $i == 0 || $gap ]]; then words+=("$piece"); else words[-1]+=$piece; fi
        line=${line#"$piece"}
    done
    local cur=${words[-1]}
    [[ $piece && ! ${piece//["$COMP_WORDBREAKS"]/} ]] && piece=''

    # What the words before it say: `--`, or an option that waits for its argument.
    local word ended='' waits=''
    for word in "${words[@]:1:${#words[@]}-2}"; do
        if [[ $waits ]]; then
            waits=''
        elif [[ $ended || $word != -?* || $word == --*=* ]]; then
            continue
        elif [[ $word == -- ]]; then
            ended=1
        elif [[ $word == --* ]]; then
            _dmt_option "$word"
            [[ $arg == - ]] || waits=$word
        elif _dmt_letters "$word" && ((at == ${#word})); then
            waits=-${word:at-1:1}
        fi
    done

    if [[ $waits ]]; then
        _dmt_option "$waits"
        _dmt_offer "$complete" "$arg" "$cur"
    elif [[ ! $ended && $cur == --*=* ]]; then
        head=${cur%%=*}=
        _dmt_option "${cur%%=*}"
        _dmt_offer "$complete" "$arg" "${cur#*=}"
    elif [[ ! $ended && $cur == -[!-]* ]] && _dmt_letters "$cur" && ((at < ${#cur})); then
        head=${cur:0:at}
        _dmt_offer "$complete" "$arg" "${cur:at}"
    elif [[ ! $ended && $cur == -* ]]; then
        _dmt_options "$cur"
    else
        complete=$(awk -F'\t' '$1 == "operand" { print $5 }' <<<"$spec")
        _dmt_offer "$complete" '' "$cur"
        _dmt_offer operands '' "$cur"
        [[ $complete != cores ]] || _dmt_files "$cur"
        [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || nospace=1
    fi

    local before=${cur:0:${#cur}-${#piece}}
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ! $nospace ]] || compopt -o nospace 2>/dev/null
    return 0
}

complete -F _dmt dmt-ps dmt-find dmt-kill dmt-stat dmt-map dmt-limit dmt-sym dmt-peek dmt-poke
