// Package guard decides whether a server may be touched. It is a list of independent reasons to
// refuse; permission is what is left when none of them applies.
//
// # Flow
//
//	Subject (one instance, the cluster around it, what was approved)
//	   ├─▶ identity      the server is the one that was approved
//	   ├─▶ read_only     it accepts no writes
//	   ├─▶ replication   it has a source it really reads from
//	   ├─▶ sourceless    it has no source but replicas: a primary
//	   ├─▶ role          its role fits the walk and the plan
//	   ├─▶ group         it is in no replication group, Galera or shared storage
//	   ├─▶ writes        it wrote nothing of its own since the walk
//	   ├─▶ errant        a replicated statement would not leave an errant GTID
//	   └─▶ external      another system knows it as no primary
//	          all asked at once ─▶ Verdict: allowed only if every one was heard and none refused
//
// A Cache remembers refusals (never permission) of what Permit and Watch found, for early answers;
// the guard itself does not read it.
//
// Permit probes the server on the session that will run the statement and asks everybody. While
// statements run a Lookout does the same on connections of its own: the settings alone at every tick,
// everything at three fifths of that rate.
//
// # Failure behaviour
//
// Fail closed: an error, a timeout, a panic or missing evidence is a refusal with its reason. One look
// before a statement takes 5 s at most, and 5 s for those who are asked elsewhere. A
// verdict about a snapshot (Subject.Fresh false) can refuse and never allows. The validators judge
// the Subject alone and do no I/O, except the external one; so a snapshot, a fresh read and a test
// go through the same code.
//
// # What it does not do
//
// It stops no statement (its caller kills what Watch refuses), changes no setting, and outvotes
// nobody: there is no majority and no weight.
package guard
