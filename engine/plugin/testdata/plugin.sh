#!/bin/sh
# A plugin of the tests: $1 says how it behaves. The request is one line on standard input.
read -r request
action=${request#*\"action\":\"}
action=${action%%\"*}
say() { printf '{"contract":1,"action":"%s",%s}\n' "$action" "$1"; }
case $1 in
ok) say "\"result\":\"ok\",\"kind\":\"${2:-validator}\",\"version\":\"1.2\",\"sentence\":\"well\"" ;;
no) say '"result":"no","sentence":"it is in maintenance.","evidence":"ticket 4711"' ;;
echo) printf '%s\n' "$request" >&2; env >&2; say '"result":"ok"' ;;
crash) say '"result":"ok"'; kill -SEGV $$ ;;
exit) say '"result":"ok"'; exit 3 ;;
hang) sleep 1000 & echo $! >"$2"; wait ;;
behind) sleep 1000 >/dev/null 2>&1 & echo $! >"$2"; say '"result":"ok"' ;;
holding) sleep 1000 & echo $! >"$2"; say '"result":"ok"' ;;
flood) while :; do echo '{"contract":1,"action":"judge","result":"ok"}'; done ;;
noise) i=0; while [ $i -lt 3000 ]; do echo "line $i password=hunter2 of $SECRET and more of the same to fill the log" >&2; i=$((i + 1)); done; say '"result":"ok"' ;;
text) echo fine ;;
empty) ;;
twice) say '"result":"ok"'; say '"result":"no"' ;;
maybe) say '"result":"maybe"' ;;
allowed) say '"allowed":true' ;;
other) printf '{"contract":1,"action":"hello","result":"ok"}\n' ;;
old) printf '{"contract":0,"action":"%s","result":"ok"}\n' "$action" ;;
new) printf '{"contract":2,"action":"%s","result":"ok"}\n' "$action" ;;
unwell) say '"result":"no","kind":"validator","version":"1","sentence":"orchestrator does not answer"' ;;
count) echo x >>"$2"; say '"result":"ok"' ;;
leash) echo $$ >"$2"; cat >/dev/null; echo gone >>"$2"; say '"result":"no","sentence":"stopped"' ;;
esac
