#!/bin/sh
# git bisect run bisect.sh: is it this commit that leaks? See docs/ci.md.
make my_test || exit 125 # it cannot be built, so nothing is said of it
lastref check --host "${HOST:-vm}" --push my_test -- ./my_test
case $? in
0) exit 0 ;;
1) exit 1 ;;
*) exit 125 ;; # the tool, the host or the workload failed: says nothing of the commit
esac
