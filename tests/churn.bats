# SPDX-License-Identifier: MIT
# Listings while processes come and go as fast as they can, with few pids: every row is of one process, no
# stable process is left out, nothing is said and nothing fails.
load helpers

# churn KIND: the listings of that kind; see churn.py.
churn() {
    alone churn.py "$@"
}

@test "churn: dmt-ps" {
    churn default "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-ps with columns from six files" {
    churn text "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-ps -T" {
    churn threads "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-ps --tree" {
    churn tree "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-ps PID..., each pid another's all the time" {
    churn operands "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-find -f, rows" {
    churn find "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: dmt-find -f finds the stable processes and nothing else" {
    churn pids "$(scale 40 300)" "$(scale 1000 10000)"
}

@test "churn: the test sees the torn rows of a reader that opens each file by its path" {
    churn naive "$(scale 10 300)" "$(scale 500 10000)"
}
