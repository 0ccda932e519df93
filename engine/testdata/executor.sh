#!/bin/sh
# An executor of the tests: $1 says how it behaves, $2 is a client's options file with its login.
read -r request
field() { x=${request#*\"$1\":}; x=${x%%[,\}]*}; x=${x#\"}; echo "${x%\"}"; }
action=$(field action)
case $request in *'"table":{'*) table=${request#*\"table\":\{\"schema\":\"shop\",\"name\":\"}; table=${table%%\"*} ;; esac
# sql runs statements, and prints what the last one answers.
sql() {
	LOGIN=$2 ADDRESS=$(field address) PORT=$(field port) perl -MDBI -e '
		my $db = DBI->connect("DBI:mysql:shop;host=$ENV{ADDRESS};port=$ENV{PORT};mysql_read_default_file=$ENV{LOGIN}", undef, undef, {RaiseError => 1});
		for (split /;/, shift) { my $q = $db->prepare($_); $q->execute; next unless $q->{NUM_OF_FIELDS}; print join("\t", map { $_ // "" } @$_), "\n" for @{$q->fetchall_arrayref} }' "$1"
}
say() { printf '{"contract":1,"action":"%s","result":"%s","sentence":"%s","kind":"executor","version":"%s"}\n' "$action" "$1" "$2" 1; exit; }
case $1:$action in
*:hello | *:can) say ok ;;
*:clean) say ok ;; # and does nothing
lies:*) say ok ;;
alters:*) sql "SET sql_log_bin = 0; ALTER TABLE $table ADD COLUMN more INT" "$2" && say ok ;;
loses:*) sql "SET sql_log_bin = 0; DELETE FROM $table LIMIT 3; ALTER TABLE $table FORCE" "$2" && say ok ;;
litters:*) sql "SET sql_log_bin = 0; CREATE TABLE _${table}_new (a INT)" "$2" && say ok ;;
logs:*) sql "ALTER TABLE $table FORCE" "$2" && sleep 1000 ;;
denies:*) sql "SET sql_log_bin = 0; ALTER TABLE $table FORCE" "$2" && exit 7 ;;
escapes:*)
	LOGIN=$2 ADDRESS=$(field address) PORT=$(field port) setsid perl -MDBI -e '
		DBI->connect("DBI:mysql:;host=$ENV{ADDRESS};port=$ENV{PORT};mysql_read_default_file=$ENV{LOGIN}")->do("SELECT SLEEP(1000)")' >/dev/null 2>&1 </dev/null &
	until sql "SHOW PROCESSLIST" "$2" | grep -q "SELECT SLEEP"; do sleep 0.05; done
	say no "it has had enough" ;;
esac
