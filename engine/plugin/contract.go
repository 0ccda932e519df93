package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Contract is the version spoken here; there is one.
const Contract = 1

// Kind is what a plugin is for.
type Kind string

// Kinds.
const (
	Validator Kind = "validator"
	Executor  Kind = "executor"
	Hook      Kind = "hook"
	Disk      Kind = "disk"
)

// Action is what is asked.
type Action string

// Actions; hello is understood by every kind.
const (
	Hello      Action = "hello"
	Judge      Action = "judge"
	Can        Action = "can"
	Rebuild    Action = "rebuild"
	Clean      Action = "clean"
	BeforeNode Action = "before_node"
	AfterNode  Action = "after_node"
	FreeDisk   Action = "free_disk"
)

// Request is what a plugin gets. It holds no secret.
type Request struct {
	Contract int     `json:"contract"`
	Action   Action  `json:"action"`
	Timeout  float64 `json:"timeout_seconds"` // after which nobody listens any more
	Job      string  `json:"job,omitempty"`
	Step     int     `json:"step,omitempty"`
	Cluster  string  `json:"cluster,omitempty"`
	Host     *Host   `json:"host,omitempty"`
	Running  bool    `json:"running,omitempty"` // judge: the statement runs already
	Table    *Table  `json:"table,omitempty"`   // of executors
}

// Host is the server that is asked about, as we know it.
type Host struct {
	Name     string   `json:"name"`
	Address  string   `json:"address"`
	Port     int      `json:"port"`
	Identity string   `json:"identity,omitempty"` // server_uuid; MariaDB: what stands for it
	Role     string   `json:"role,omitempty"`
	Version  string   `json:"version,omitempty"`
	Flavor   string   `json:"flavor,omitempty"` // mysql, mariadb
	ReadOnly bool     `json:"read_only,omitempty"`
	Sources  []string `json:"sources,omitempty"` // whom it replicates from, host:port
	Primary  string   `json:"primary,omitempty"` // name of the cluster's primary; judge only
}

// Table is the table of an executor.
type Table struct {
	Schema         string `json:"schema"`
	Name           string `json:"name"`
	Mode           string `json:"mode"`            // binlog-off, binlog-on
	ApplierStopped bool   `json:"applier_stopped"` // nothing replicates into the table meanwhile
	Bytes          int64  `json:"bytes,omitempty"` // on disk

	Features []string `json:"features,omitempty"` // can, when a plan is made: fulltext, foreign_key, no_primary_key, …
}

// Answer is what a plugin says.
type Answer struct {
	Contract int    `json:"contract"`
	Action   Action `json:"action"`
	Result   string `json:"result"` // ok, no
	Sentence string `json:"sentence"`
	Evidence string `json:"evidence"`
	Kind     Kind   `json:"kind"`    // hello
	Version  string `json:"version"` // hello: of the plugin

	// free_disk: free bytes of the data directory and of temporary files; what is left out is not known.
	Data   *int64 `json:"data"`
	Temp   *int64 `json:"tmp"`
	Shared bool   `json:"shared"` // both are on one file system
}

// The results there are.
const (
	resultOK = "ok"
	resultNo = "no"
)

// maxAnswer bounds an answer in bytes.
const maxAnswer = 64 << 10

// errGarbage says that there was an answer which is none.
var errGarbage = errors.New("not an answer of this contract")

// parse reads the answer to a request. Whatever is not exactly one is an error that quotes nothing.
func parse(out []byte, req Request) (Answer, error) {
	var a Answer
	d := json.NewDecoder(bytes.NewReader(out))
	if err := d.Decode(&a); err != nil {
		return Answer{}, fmt.Errorf("%w: it is not one JSON object", errGarbage)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Answer{}, fmt.Errorf("%w: something follows the JSON object", errGarbage)
	}
	switch {
	case a.Contract != Contract:
		return Answer{}, fmt.Errorf("%w: it speaks contract %d, we speak %d", errGarbage, a.Contract, Contract)
	case a.Action != req.Action:
		return Answer{}, fmt.Errorf("%w: it answers another action than %s", errGarbage, req.Action)
	case a.Result != resultOK && a.Result != resultNo:
		return Answer{}, fmt.Errorf("%w: its result is neither ok nor no", errGarbage)
	}
	a.Sentence, a.Evidence, a.Version = clean(a.Sentence), clean(a.Evidence), clean(a.Version)
	return a, nil
}

// maxText bounds, in runes, what a plugin can put on a card.
const maxText = 300

// clean makes one printable line of a text, without what looks like a secret.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	text = redact(strings.TrimSpace(text))
	if r := []rune(text); len(r) > maxText {
		text = string(r[:maxText]) + "…"
	}
	return text
}
