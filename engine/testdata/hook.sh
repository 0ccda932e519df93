#!/bin/sh
# A node hook of the tests: it writes down what it was asked in $1, and says no to what $1.no holds.
read -r request
action=${request#*\"action\":\"}
action=${action%%\"*}
host=${request#*\"name\":\"}
host=${host%%\"*}
echo "$action $host" >>"$1"
result=ok
if [ "$(cat "$1.no" 2>/dev/null)" = "$action" ]; then result=no; fi
printf '{"contract":1,"action":"%s","result":"%s","sentence":"the balancer is away","kind":"hook","version":"1"}\n' "$action" "$result"
