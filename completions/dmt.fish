# SPDX-License-Identifier: MIT
#
# Completion of the dmt commands in fish. It knows no option and no column: fish reads this file
# at the first TAB, and then each command is asked with `CMD --spec` (dmt(7), COMPLETION). A new
# command is one more name in the next line.
set -l commands dmt-ps dmt-find dmt-kill dmt-stat dmt-map dmt-limit dmt-sym dmt-peek dmt-poke

# Prints what word $argv[2] under `complete` stands for, `value<TAB>description` a line.
function __dmt_values
    switch $argv[2]
        case columns
            $argv[1] --spec | awk -F \t '$1 == "column" && !seen[$3]++ { print $3 "\t" $6 }'
        case formats
            printf '%s\n' auto tsv table json
        case targets
            dmt-ps -H -o pid,name
        case cores
            dmt-ps -H -o pid,name
            __fish_complete_path (commandline -ct)
        case names
            # An escaped name is no pattern, and one that begins with a dash would be an option.
            set -l names (dmt-ps -H -o name)
            string match -v -r -- '^-|\\\\' $names | sort -u
        case signals
            dmt-kill -H -l | cut -f 2,4 | string replace -r '\t-$' ''
        case users
            getent passwd | cut -d : -f 1
        case groups
            getent group | cut -d : -f 1
        case ttys
            dmt-ps -H -o tty | sort -u
        case states
            printf '%s\n' R\trunning S\tsleeping D\t'waiting for a device' T\tstopped \
                t\t'stopped by a tracer' Z\tzombie X\tending I\tidle
        case namespaces
            printf '%s\n' cgroup ipc mnt net pid time user uts
        case resources
            printf '%s\n' cpu mem swap disk net pressure proc
        case '*'
            $argv[1] --spec | awk -F \t -v of=$argv[2] '$1 == "word" && $5 == of { print $3 }'
    end 2>/dev/null
end

# The same for the argument at the cursor, called $argv[3]. LIST or X,... is a list: its last
# element is completed, and what stands before it goes along.
function __dmt_offer
    set -l word (commandline -ct | string replace -r '^--[^=]*=' '')
    set -l before ''
    set -l chosen
    if test "$argv[2]" = states
        set before $word
        set chosen (string split '' -- $word)
    else if string match -q -r '^LIST$|,\.\.\.$' -- "$argv[3]"
        set before (string replace -r '[^,]*$' '' -- $word)
        set chosen (string split , -- $before)
    end
    if test "$argv[2]" = columns
        set before $before(string match -r '^[+-]?' -- (string replace -r '.*,' '' -- $word))
        set chosen (string replace -r '^[+-]' '' -- $chosen)
    end
    for line in (__dmt_values $argv[1] $argv[2])
        contains -- (string split -m 1 \t -- $line)[1] $chosen; or printf '%s\n' "$before$line"
    end
end

for command in $commands
    command -q $command; or continue
    complete -c $command -f
    for row in ($command --spec 2>/dev/null)
        set -l field (string split \t -- $row)
        # A value after which nothing more can be said about it.
        set -l offer
        test "$field[5]" = -; or set offer -a "(__dmt_offer $command $field[5] '$field[4]')"
        switch $field[1]
            case option
                set -l option -d (string replace -a '\\x5c' '\\' -- $field[6])
                test $field[2] = -; or set -a option -s (string sub -s 2 -- $field[2])
                test $field[3] = -; or set -a option -l (string sub -s 3 -- $field[3])
                test $field[4] = -; or set -a option -x
                complete -c $command $option $offer
            case operand
                complete -c $command $offer
                complete -c $command -a "(__dmt_offer $command operands '')"
        end
    end
end

# -HUP, which is no option.
if contains dmt-kill $commands; and command -q dmt-kill
    for line in (__dmt_values dmt-kill signals)
        set -l signal (string split -m 1 \t -- $line)
        complete -c dmt-kill -o $signal[1] -d "$signal[2]"
    end
end
