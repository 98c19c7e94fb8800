# SPDX-License-Identifier: MIT
# Handles of processes whose pid is another's now: nothing is done to the other, in any of the forms.
load helpers

# reuse MODE [FORM [N]]: see reuse.py.
reuse() {
    if [ "${2:-inode}" = inode ]; then
        dmt-ps -H -o handle self | grep -q : || skip "a pidfd has no inode number of its own before Linux 6.9"
    fi
    alone reuse.py "$@"
}

@test "reuse: PID:INODE of a process that is gone hits nobody, a good one hits once" {
    reuse still inode "$(scale 100 1000)"
}

@test "reuse: PID@START of a process that is gone hits nobody, a good one hits once" {
    reuse still start "$(scale 100 1000)"
}

@test "reuse: PID:INODE, the process is replaced while dmt-kill starts" {
    reuse race inode "$(scale 100 1000)"
}

@test "reuse: PID@START, the process is replaced while dmt-kill starts" {
    reuse race start "$(scale 100 1000)"
}

@test "reuse: PID:INODE, the process is replaced after each system call of dmt-kill" {
    reuse step inode
}

@test "reuse: PID@START, the process is replaced after each system call of dmt-kill" {
    reuse step start
}

@test "reuse: name and handle of a row are of one process, replaced after each system call" {
    reuse rows
}

@test "reuse: the test sees a bare PID hit the wrong process" {
    reuse step pid
}
