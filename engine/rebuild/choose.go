package rebuild

import (
	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/tablespace"
)

// ChooseOptions are the plan's permissions for methods that hurt.
type ChooseOptions struct {
	AllowCopy       bool // replication of the node may stop for as long as the table takes
	AllowUnsafe     bool // rebuild under traffic on a version with the lost-rows bug
	StopSQLAffected bool // on such a version: stop the applier and let purge finish first
}

// Choose says how a table is rebuilt on a version, or that it is left alone, with the reason for
// the card. What a version can do was tried on 5.7, 8.0, 8.4, 9.7 and MariaDB 10.11.
//
// A partitioned table is rebuilt whole here; see ChoosePartition for the other way.
func Choose(v dbconn.Version, t tablespace.Table, o ChooseOptions) Method {
	if m, ok := leave(v, t); ok {
		return m
	}
	if t.Engine == "MyISAM" || t.Engine == "Aria" {
		if !o.AllowCopy {
			return Method{Kind: Leave, Reason: t.Engine + " is locked for the whole OPTIMIZE, and the plan allows no blocking rebuild"}
		}
		return Method{Kind: Optimize, Reason: t.Engine + ": OPTIMIZE, which locks the table until it is done"}
	}
	m := chooseOnline(v, t)
	if m.Blocks() && !o.AllowCopy {
		return Method{Kind: Leave, Reason: m.Reason + ", and the plan allows no blocking rebuild"}
	}
	if t.Has(tablespace.ImplicitFormat) {
		m.Reason += "; its row format " + t.RowFormat + " was never spelled out and becomes the server's default"
	}
	return gate(v, m, o)
}

// ChoosePartition says how one partition of a table is rebuilt by itself, or Leave where it cannot be.
// Of the two ways the planner takes this one only where it pays.
//
// REBUILD PARTITION needs the room and the time of one partition, but every write to the table, to
// other partitions as well, waits until it is done: on a replica that is the applier. MySQL 8.0+
// promises INPLACE with LOCK=SHARED and refuses LOCK=NONE (1845); 5.7 (1846) and MariaDB (1064) take no
// clause, so that nothing is promised there. Measured with four partitions of 13 MiB on MySQL 9.7 and
// MariaDB 10.11, writes waited the whole 1.0 to 2.3 s of one partition, where the online rebuild of the
// whole table held them 0.4 to 0.5 s at its end (2 s once, behind a busy disk). A table that writes
// wait for anyway, or whose row format a rebuild changes, is rebuilt whole, so that all its partitions
// stay alike. OPTIMIZE PARTITION rebuilds all.
func ChoosePartition(v dbconn.Version, t tablespace.Table, o ChooseOptions) Method {
	if m, ok := leave(v, t); ok {
		return m
	}
	switch whole := chooseOnline(v, t); {
	case t.Engine != "InnoDB" || t.Partitions == 0:
		return Method{Kind: Leave, Reason: "it has no partitions that could be rebuilt one by one"}
	case whole.Lock != LockNone || t.Has(tablespace.ImplicitFormat):
		return Method{Kind: Leave, Reason: "it can only be rebuilt as a whole"}
	}
	m := Method{Kind: Alter, Reason: "writes to the table, and so replication of this node, wait meanwhile"}
	if v.Flavor == dbconn.MySQL && v.AtLeast(8, 0, 0) {
		m.Algorithm, m.Lock = Inplace, LockShared
	}
	return gate(v, m, o)
}

// leave finds tables a rebuild cannot help or must not touch.
func leave(v dbconn.Version, t tablespace.Table) (Method, bool) {
	reason := ""
	switch {
	case tablespace.SystemSchema(t.Schema):
		reason = "system schemas are never touched"
	case t.Engine != "InnoDB" && t.Engine != "MyISAM" && t.Engine != "Aria":
		reason = "engine " + t.Engine + " is not rebuilt"
	case t.Space == tablespace.SpaceSystem:
		reason = "it lives in the system tablespace, which never shrinks"
	case t.Space == tablespace.SpaceGeneral:
		reason = "it lives in a general tablespace, which does not shrink when one of its tables is rebuilt"
	case v.Flavor == dbconn.MySQL && !v.AtLeast(5, 6, 17):
		reason = v.String() + " cannot rebuild a table online"
	case v.Flavor == dbconn.MariaDB && !v.AtLeast(10, 0, 0):
		reason = v.String() + " cannot rebuild a table online"
	}
	return Method{Kind: Leave, Reason: reason}, reason != ""
}

// chooseOnline finds the gentlest algorithm and lock the server accepts.
func chooseOnline(v dbconn.Version, t tablespace.Table) Method {
	maria := v.Flavor == dbconn.MariaDB
	m := Method{Kind: Alter, Algorithm: Inplace, Lock: LockNone, Reason: "online, in place: reads, writes and replication go on"}
	switch {
	case t.Has(tablespace.FullText) && !maria:
		m.Algorithm, m.Lock = Copy, LockShared
		m.Reason = "its FULLTEXT index makes the server copy the table: writes to it, and so replication of this node, wait until it is done"
	case t.Has(tablespace.FullText):
		m.Lock = LockShared
		m.Reason = "its FULLTEXT index needs a lock: writes to it, and so replication of this node, wait until it is done"
	case t.Has(tablespace.Spatial):
		m.Lock = LockShared
		m.Reason = "its SPATIAL index needs a lock: writes to it, and so replication of this node, wait until it is done"
	case t.Has(tablespace.IndexedVirtual) && maria:
		m.Lock = LockShared
		m.Reason = "its index on a virtual column needs a lock on MariaDB: writes to it, and so replication of this node, wait until it is done"
	}
	return m
}

// gate applies the lost-rows bug: online rebuilds, also of one partition, of affected versions run with the applier
// stopped, or not at all, or under traffic when the approver accepted exactly that.
func gate(v dbconn.Version, m Method, o ChooseOptions) Method {
	affected, why := LosesRows(v)
	if !affected || m.Algorithm != Inplace {
		return m
	}
	switch {
	case o.AllowUnsafe:
		m.Reason += "; UNSAFE, accepted by the approver: " + why
	case o.StopSQLAffected:
		m.StopSQL, m.Lock = true, LockShared
		m.Reason = "with the applier stopped and purge finished, because " + why
	default:
		return Method{Kind: Leave, Reason: why}
	}
	return m
}
