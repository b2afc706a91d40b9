#!/bin/sh
# Prints the mirror from which this machine takes its own packages, if it has one:
# machine-mirror.sh NAME, where NAME is the last part of its path, debian or debian-security.
find /etc/apt -maxdepth 2 \( -name '*.list' -o -name '*.sources' \) -exec cat {} + |
  sed 's/#.*//' | tr -s ' \t' '\n\n' |
  sed -n "s,^\([a-z+]*://.*/$1\)/*\$,\1,p" | sed -n 1p
