package storage

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// AuditAction is what a person, the policy or the clock did.
type AuditAction string

// Actions in the chain. Closing a request is named after its new state.
const (
	AuditRequest  AuditAction = "request"
	AuditApprove  AuditAction = "approve"
	AuditDeny     AuditAction = "deny"
	AuditWant     AuditAction = "want"
	AuditSchedule AuditAction = "schedule"
	AuditRestore  AuditAction = "restore"
	AuditStanding AuditAction = "standing"
	AuditHold     AuditAction = "hold"   // a region or a node takes no work, or takes it again
	AuditDirect   AuditAction = "direct" // somebody at the machine looks or plans without a server and without a request
)

// AuditRecord is one link of the chain. Its JSON as it was written is what the hash covers.
//
// long: a record says everything itself, because the rows it speaks of may be what is doubted.
type AuditRecord struct {
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"` // the database's clock
	Action    AuditAction     `json:"action"`
	Request   string          `json:"request,omitempty"`
	Job       string          `json:"job,omitempty"`
	Kind      string          `json:"kind,omitempty"`
	Cluster   string          `json:"cluster,omitempty"`
	Target    string          `json:"target,omitempty"`
	Command   string          `json:"command,omitempty"`
	By        approvals.Actor `json:"by"` // empty: the clock
	Requester string          `json:"requester,omitempty"`
	Channel   string          `json:"channel,omitempty"`
	Digest    string          `json:"digest,omitempty"`
	Decision  string          `json:"decision,omitempty"` // what was decided, or wanted of a job
	Reason    string          `json:"reason,omitempty"`
	Approvers []string        `json:"approvers,omitempty"` // the approver set at that time
	Rule      approvals.Rule  `json:"rule,omitempty"`      // by which the request becomes approved, where it is not the ordinary one
	Grounds   json.RawMessage `json:"grounds,omitempty"`   // what that rule rests on
	Door      approvals.Door  `json:"door,omitzero"`       // where it came in; empty: the clock, or a command on the machine
	Program   string          `json:"program"`             // version of the bot that wrote it
}

// auditedRequest records that somebody asked.
func auditedRequest(r approvals.Request) AuditRecord {
	a := AuditRecord{Action: AuditRequest, Request: r.ID, Kind: string(r.Kind), Cluster: r.Cluster, Target: r.Target,
		Command: r.Command, By: r.Requester, Requester: r.Requester.ID, Channel: r.Channel, Digest: r.Digest}
	return a.under(r)
}

// under adds the rule of a request where it is not the ordinary one.
func (a AuditRecord) under(r approvals.Request) AuditRecord {
	if r.Rule == "" || r.Rule == approvals.RuleReview {
		return a
	}
	a.Rule = r.Rule
	if raw, err := json.Marshal(r.Grounds); err == nil { // it was read from JSON
		a.Grounds = raw
	}
	return a
}

// auditedReview records a decision.
func auditedReview(r approvals.Request, v approvals.Review) AuditRecord {
	a := AuditRecord{Action: AuditAction(v.Decision), Request: r.ID, Kind: string(r.Kind), Cluster: r.Cluster, Target: r.Target,
		By: v.Reviewer, Requester: r.Requester.ID, Channel: v.Channel, Digest: v.Digest, Decision: string(v.Decision), Reason: v.Comment, Approvers: v.Approvers}
	if a.Channel == "" {
		a.Channel = r.Channel
	}
	return a.under(r)
}

// auditedClose records that a request ended without a decision.
func auditedClose(r approvals.Request, by approvals.Actor, reason string) AuditRecord {
	a := AuditRecord{Action: AuditAction(r.State), Request: r.ID, Kind: string(r.Kind), Cluster: r.Cluster, Target: r.Target,
		By: by, Requester: r.Requester.ID, Channel: r.Channel, Digest: r.Digest, Decision: string(r.State), Reason: reason}
	return a.under(r)
}

// auditedWant records what somebody wants of a job.
func auditedWant(j engine.Job, w engine.Wanted, by approvals.Actor) AuditRecord {
	return AuditRecord{Action: AuditWant, Request: j.RequestID, Job: j.ID, Kind: string(j.Kind), Cluster: j.Cluster, Target: j.Host,
		By: by, Digest: j.Digest, Decision: string(w)}
}

// auditedStop records that somebody ended the wait for an old primary.
func auditedStop(c engine.Campaign, by approvals.Actor) AuditRecord {
	return AuditRecord{Action: AuditWant, Request: c.RequestID, Kind: string(approvals.KindRecycle), Cluster: c.Cluster, Target: c.Host,
		By: by, Decision: "stop campaign"}
}

// Direct is what somebody at the machine does by themselves.
type Direct struct {
	Kind    string // discover, plan
	Cluster string
	Target  string
	Command string
	By      approvals.Actor
}

// Direct records what somebody is about to do by themselves.
func (s *Audit) Direct(ctx context.Context, d Direct) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx Tx) error {
		now, err := s.db.now(ctx, tx)
		if err != nil {
			return err
		}
		return s.db.audit(ctx, tx, now, AuditRecord{Action: AuditDirect, Kind: d.Kind, Cluster: d.Cluster, Target: d.Target, Command: d.Command, By: d.By})
	})
	if err != nil {
		return fmt.Errorf("record what is done without a server: %w", err)
	}
	return nil
}

// audit appends a link in the caller's transaction: what is done and that it was done are stored
// together or not at all.
func (db *DB) audit(ctx context.Context, tx Tx, now int64, a AuditRecord) error {
	seq, err := next(ctx, tx, "audit")
	if err != nil {
		return err
	}
	prev := ""
	if seq > 1 {
		if err := tx.QueryRow(ctx, "SELECT hash FROM audit WHERE seq = $1", seq-1).Scan(&prev); err != nil {
			return fmt.Errorf("read the end of the audit chain: %w", err)
		}
	}
	a.Seq, a.At, a.Program, a.Door = seq, fromMS(now), db.by, approvals.DoorOf(ctx)
	if a.Channel == "" {
		a.Channel = a.Door.Channel
	}
	body, err := toJSON(a)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "INSERT INTO audit (seq, body, prev, hash) VALUES ($1, $2, $3, $4)", seq, body, prev, chained(prev, body))
	if err != nil {
		return fmt.Errorf("append to the audit chain: %w", err)
	}
	return nil
}

// chained is the hash of a link: of the hash before it and its body.
func chained(prev, body string) string {
	sum := sha256.Sum256([]byte(prev + "\n" + body))
	return hex.EncodeToString(sum[:])
}

// AuditLink is a record with its place in the chain, as it is stored.
type AuditLink struct {
	Body json.RawMessage `json:"record"` // exactly the bytes the hash covers
	Prev string          `json:"prev"`
	Hash string          `json:"hash"`
}

// AuditHead is the end of the chain. Kept elsewhere, it makes also a chain that was cut short, or
// written anew as a whole, visible.
type AuditHead struct {
	Links int64  `json:"links"`
	Hash  string `json:"hash"`
}

// Audit reads and checks the chain.
type Audit struct{ db *DB }

// NewAudit returns the audit chain of a database.
func NewAudit(db *DB) *Audit { return &Audit{db: db} }

// Export gives every link to fn, oldest first, from one state of the database.
func (s *Audit) Export(ctx context.Context, fn func(AuditLink) error) error {
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		return eachLink(ctx, tx, func(_ int64, l AuditLink) error { return fn(l) })
	})
	if err != nil {
		return fmt.Errorf("export the audit chain: %w", err)
	}
	return nil
}

func eachLink(ctx context.Context, tx Tx, fn func(seq int64, l AuditLink) error) error {
	return each(ctx, tx, func(row Row) error {
		var seq int64
		var l AuditLink
		var body string
		if err := row.Scan(&seq, &body, &l.Prev, &l.Hash); err != nil {
			return err
		}
		l.Body = json.RawMessage(body)
		return fn(seq, l)
	}, "SELECT seq, body, prev, hash FROM audit ORDER BY seq")
}

// Verify reads the whole chain, compares it with the requests and reviews it speaks of, lets SQLite
// check the file, and answers the chain's end. What does not fit is a *engine.Problem that names each place; a database that cannot be
// read is another error.
func (s *Audit) Verify(ctx context.Context) (AuditHead, error) {
	v := verifier{said: map[string]AuditRecord{}}
	err := s.db.Read(ctx, func(ctx context.Context, tx Tx) error {
		if err := eachLink(ctx, tx, v.link); err != nil {
			return err
		}
		var counted int64
		if err := tx.QueryRow(ctx, "SELECT value FROM counters WHERE name = 'audit'").Scan(&counted); err != nil {
			return err
		}
		if counted != v.head.Links {
			v.wrong("the chain ends at %d, but %d links were written", v.head.Links, counted)
		}
		if err := v.rows(ctx, tx); err != nil || s.db.d.base().path == "" {
			return err
		}
		return v.file(ctx, tx)
	})
	if err != nil {
		return v.head, fmt.Errorf("verify the audit chain: %w", err)
	}
	if len(v.found) == 0 {
		return v.head, nil
	}
	return v.head, &engine.Problem{Code: "audit_broken", Text: fmt.Sprintf("The audit chain does not fit in %d place(s).", len(v.found)),
		Reasons: v.found, Next: "Compare with an export or a backup from before; nothing was changed."}
}

// verifier walks the chain.
type verifier struct {
	head  AuditHead
	first time.Time
	said  map[string]AuditRecord // by what is spoken of: "R-7QK2", "R-7QK2/UBOB"
	found []string
}

func (v *verifier) wrong(format string, args ...any) {
	if len(v.found) < 100 {
		v.found = append(v.found, fmt.Sprintf(format, args...))
	}
}

// link checks one link against the one before it.
func (v *verifier) link(seq int64, l AuditLink) error {
	if seq != v.head.Links+1 {
		v.wrong("link %d: expected number %d here; links are missing or added", seq, v.head.Links+1)
	}
	if l.Prev != v.head.Hash {
		v.wrong("link %d: does not continue link %d", seq, v.head.Links)
	}
	if l.Hash != chained(l.Prev, string(l.Body)) {
		v.wrong("link %d: its text is not what was hashed: %.200s", seq, l.Body)
	}
	v.head = AuditHead{Links: seq, Hash: l.Hash}
	var a AuditRecord
	if err := json.Unmarshal(l.Body, &a); err != nil {
		v.wrong("link %d: cannot be read: %v", seq, err)
		return nil
	}
	if a.Seq != seq {
		v.wrong("link %d: says it is number %d", seq, a.Seq)
	}
	if v.first.IsZero() {
		v.first = a.At
	}
	switch a.Action {
	case AuditRequest:
		v.said[a.Request] = a
	case AuditApprove, AuditDeny:
		v.said[a.Request+"/"+a.By.ID] = a
	case AuditStanding:
		var on approvals.Grounds
		if a.Decision == "granted" && json.Unmarshal(a.Grounds, &on) == nil && len(on.Grants) == 1 {
			v.said[on.Grants[0].ID] = a
		}
	}
	return nil
}

// file lets SQLite compare its rows with its indexes: a query may read either, so a byte changed in
// one of them is not always seen by what is compared here.
func (v *verifier) file(ctx context.Context, tx Tx) error {
	return each(ctx, tx, func(row Row) error {
		var says string
		err := row.Scan(&says)
		if err == nil && says != "ok" {
			v.wrong("database file: %s", says)
		}
		return err
	}, "PRAGMA integrity_check")
}

// rows compares requests and reviews with what the chain says of them. Those older than the chain
// were made by a program that did not write it.
func (v *verifier) rows(ctx context.Context, tx Tx) error {
	err := each(ctx, tx, func(row Row) error {
		var id, requester, digest string
		var created int64
		if err := row.Scan(&id, &requester, &digest, &created); err != nil {
			return err
		}
		a, ok := v.said[id]
		switch {
		case !ok && !v.first.IsZero() && created >= v.first.UnixMilli():
			v.wrong("request %s: the chain does not know it", id)
		case ok && (a.Requester != requester || a.Digest != digest):
			v.wrong("request %s: asked by %s for %.12s in the chain, by %s for %.12s in its row", id, a.Requester, a.Digest, requester, digest)
		}
		delete(v.said, id)
		return nil
	}, "SELECT id, requester_id, digest, created FROM requests ORDER BY id")
	if err != nil {
		return err
	}
	err = each(ctx, tx, func(row Row) error {
		var id, reviewer, decision, digest string
		var created int64
		if err := row.Scan(&id, &reviewer, &decision, &digest, &created); err != nil {
			return err
		}
		a, ok := v.said[id+"/"+reviewer]
		switch {
		case !ok && !v.first.IsZero() && created >= v.first.UnixMilli():
			v.wrong("review of %s by %s: the chain does not know it", id, reviewer)
		case ok && (a.Decision != decision || a.Digest != digest):
			v.wrong("review of %s by %s: %s of %.12s in the chain, %s of %.12s in its row", id, reviewer, a.Decision, a.Digest, decision, digest)
		}
		delete(v.said, id+"/"+reviewer)
		return nil
	}, "SELECT v.request_id, v.reviewer_id, v.decision, v.digest, r.created FROM reviews v JOIN requests r ON r.id = v.request_id ORDER BY 1, 2")
	if err != nil {
		return err
	}
	err = v.grants(ctx, tx)
	for what := range v.said {
		v.wrong("%s: the chain speaks of it, and it is not there", what)
	}
	return err
}

// grants compares standing approvals with what the chain says of them; there was always a chain when
// one was given.
func (v *verifier) grants(ctx context.Context, tx Tx) error {
	return each(ctx, tx, func(row Row) error {
		var id, reviewer, digest, envelope string
		if err := row.Scan(&id, &reviewer, &digest, &envelope); err != nil {
			return err
		}
		a, ok := v.said[id]
		var e approvals.Envelope
		switch {
		case !ok:
			v.wrong("standing approval %s: the chain does not know it", id)
		case a.By.ID != reviewer || a.Digest != digest:
			v.wrong("standing approval %s: by %s for %.12s in the chain, by %s for %.12s in its row", id, a.By.ID, a.Digest, reviewer, digest)
		case fromJSON(envelope, &e) != nil || e.Digest() != digest:
			v.wrong("standing approval %s: its envelope is not what was approved", id)
		}
		delete(v.said, id)
		return nil
	}, "SELECT id, reviewer_id, digest, envelope FROM grants ORDER BY id")
}
