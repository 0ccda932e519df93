package sandbox

import "time"

// ledger is the memory of what passed: calls, deliveries, lint findings.
type ledger struct {
	calls      []*Call
	deliveries []*Delivery
	lints      []Lint
	strayAcks  []obj
}

// Call is one request to the Web API, recorded before it was judged.
type Call struct {
	N      int       `json:"n"`
	At     time.Time `json:"at"`
	Method string    `json:"method"`
	Token  string    `json:"token_kind"` // bot, app, none or unknown; never the token itself
	Args   obj       `json:"args"`
	OK     bool      `json:"ok"`
	Error  string    `json:"error,omitempty"`
	HTTP   int       `json:"http"`
	Fault  string    `json:"fault,omitempty"`
}

// Delivery is one envelope, all its attempts and what became of it.
type Delivery struct {
	EnvelopeID string    `json:"envelope_id"`
	Type       string    `json:"type"`
	Kind       string    `json:"kind"` // payload.type, the event's type or the command
	User       string    `json:"user,omitempty"`
	Attempts   []Attempt `json:"attempts"`
	Acked      bool      `json:"acked"`
	AckMS      int64     `json:"ack_ms"`
	AckPayload any       `json:"ack_payload,omitempty"`
	Payload    obj       `json:"payload"`

	wantsPayload bool
	acked        chan struct{}
}

// Attempt is one sending of an envelope to one socket.
type Attempt struct {
	EnvelopeID   string    `json:"envelope_id"`
	Socket       int       `json:"socket"`
	At           time.Time `json:"at"`
	RetryAttempt int       `json:"retry_attempt"`
	RetryReason  string    `json:"retry_reason,omitempty"`
	AckedBy      int       `json:"acked_by_socket,omitempty"`
	Refused      string    `json:"ack_refused,omitempty"`
}

// byEnvelope finds the delivery and the attempt an envelope id belongs to.
func (l *ledger) byEnvelope(id string) (*Delivery, *Attempt) {
	for i := len(l.deliveries) - 1; i >= 0; i-- {
		d := l.deliveries[i]
		for j := len(d.Attempts) - 1; j >= 0; j-- {
			if d.Attempts[j].EnvelopeID == id {
				return d, &d.Attempts[j]
			}
		}
	}
	return nil, nil
}
