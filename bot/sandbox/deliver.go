package sandbox

import (
	"context"
	"encoding/json"
	"time"
)

// maxAck is the size at which Slack drops an acknowledgement without a word.
const maxAck = 20_480

// Ack is what became of the first delivery of an envelope.
type Ack struct {
	EnvelopeID string `json:"envelope_id"`
	Acked      bool   `json:"acked"`
	MS         int64  `json:"ack_ms"`
	Payload    any    `json:"ack_payload,omitempty"`
	// Problem is "dispatch_failed" when the app had no socket, and
	// "operation_timeout" when it did not acknowledge in time.
	Problem string `json:"problem,omitempty"`
}

// deliver sends an envelope to one socket and waits for its acknowledgement.
// Redeliveries go on in the background.
func (s *Server) deliver(ctx context.Context, d *Delivery) Ack {
	d.acked = make(chan struct{})
	s.mu.Lock()
	s.st.ledger.deliveries = append(s.st.ledger.deliveries, d)
	d.EnvelopeID = s.st.ids.uuid()
	s.mu.Unlock()
	sent := s.attempt(d, d.EnvelopeID, 0, "")
	rules := s.hub.settings()
	if d.Type == "events_api" || rules.Interactive {
		s.spawn(func() { s.redeliver(d) })
	}
	if !sent {
		return Ack{EnvelopeID: d.EnvelopeID, Problem: "dispatch_failed"}
	}
	if s.clock.sleep(ctx, time.Duration(rules.AckMS)*time.Millisecond, d.acked) {
		s.cfg.Log("sandbox: %s %s not acknowledged", d.Type, d.Kind)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := Ack{EnvelopeID: d.EnvelopeID, Acked: d.Acked, MS: d.AckMS, Payload: d.AckPayload}
	if !a.Acked {
		a.Problem = "operation_timeout"
	}
	return a
}

// attempt sends an envelope once; false when the app is not connected.
func (s *Server) attempt(d *Delivery, id string, retry int, reason string) bool {
	sock := s.hub.pick()
	s.mu.Lock()
	a := Attempt{EnvelopeID: id, At: s.clock.now(), RetryAttempt: retry, RetryReason: reason}
	if sock != nil {
		a.Socket = sock.id
	}
	d.Attempts = append(d.Attempts, a)
	env := obj{"envelope_id": id, "type": d.Type, "payload": d.Payload, "accepts_response_payload": d.wantsPayload}
	if d.Type == "events_api" || retry > 0 {
		env["retry_attempt"], env["retry_reason"] = retry, reason
	}
	raw, err := json.Marshal(env) // under the lock: the payload shares maps with the state
	s.mu.Unlock()
	s.feed.tell(change{Kind: "delivery", User: "-"})
	if sock == nil || err != nil {
		return false
	}
	if err := sock.send(s.life, json.RawMessage(raw)); err != nil {
		sock.drop()
		return false
	}
	return true
}

// redeliver sends the envelope again up to three times while it is not acked.
func (s *Server) redeliver(d *Delivery) {
	wait := time.Duration(s.hub.settings().AckMS) * time.Millisecond
	for n := 1; n <= 3; n++ {
		rules := s.hub.settings()
		if n <= len(rules.RetryMS) {
			wait += time.Duration(rules.RetryMS[n-1]) * time.Millisecond
		}
		if !s.clock.sleep(s.life, wait, d.acked) || rules.Redeliver == "off" {
			return
		}
		wait = time.Duration(rules.AckMS) * time.Millisecond
		id, count, reason := d.EnvelopeID, n, "timeout"
		switch rules.Redeliver {
		case "new":
			s.mu.Lock()
			id = s.st.ids.uuid()
			s.mu.Unlock()
		case "attempt0": // seen in bolt-js issue 2487: a retry that says it is none
			count, reason = 0, ""
		}
		s.attempt(d, id, count, reason)
	}
}

// takeAck reads one text frame of the app.
func (s *Server) takeAck(sock *socket, data []byte, fragmented bool) {
	var in struct {
		EnvelopeID string          `json:"envelope_id"`
		Payload    json.RawMessage `json:"payload"`
	}
	bad := json.Unmarshal(data, &in) != nil
	rules := s.hub.settings()
	s.mu.Lock()
	defer s.mu.Unlock()
	d, at := s.st.ledger.byEnvelope(in.EnvelopeID)
	why := ""
	switch {
	case bad, in.EnvelopeID == "":
		why = "not an acknowledgement"
	case d == nil:
		why = "unknown envelope"
	case len(data) >= maxAck:
		why = "too large"
	case fragmented:
		why = "fragmented"
	case at.Socket != sock.id && rules.RefuseForeign:
		why = "another socket"
	case d.Acked:
		why = "already acknowledged"
	case s.clock.now().Sub(at.At) > time.Duration(rules.AckMS)*time.Millisecond:
		why = "late"
	}
	if at != nil {
		at.AckedBy, at.Refused = sock.id, why
	}
	if why != "" {
		s.st.ledger.strayAcks = append(s.st.ledger.strayAcks, obj{
			"at": s.clock.now(), "socket": sock.id, "why": why, "envelope_id": in.EnvelopeID, "bytes": len(data)})
		return
	}
	d.Acked = true
	d.AckMS = s.clock.now().Sub(at.At).Milliseconds()
	if len(in.Payload) > 0 && d.wantsPayload {
		_ = json.Unmarshal(in.Payload, &d.AckPayload) // it was valid inside the frame
	}
	close(d.acked)
	s.feed.tell(change{Kind: "delivery", User: "-"})
}
