package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"go.uber.org/zap"

	"mysql-recycler/engine"
)

// problemType is the media type of every error.
const problemType = "application/problem+json"

// Problem is the body of every error: RFC 9457 with the code, sentence and hint of the chat.
type Problem struct {
	Type    string   `json:"type" doc:"Always about:blank; the code tells problems apart"`
	Title   string   `json:"title" doc:"The HTTP status in words"`
	Status  int      `json:"status" doc:"HTTP status code"`
	Code    string   `json:"code" doc:"Stable word for scripts" example:"own_request"`
	Detail  string   `json:"detail" doc:"What is wrong, as a person reads it"`
	Hint    string   `json:"hint,omitempty" doc:"What to do about it"`
	Reasons []string `json:"reasons,omitempty" nullable:"false" doc:"Further sentences: a guard's findings, a body's mistakes"`
	ErrorID string   `json:"error_id,omitempty" doc:"Where to find the rest in the log"`
}

// Error implements error.
func (p *Problem) Error() string { return p.Code + ": " + p.Detail }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType is the media type of errors.
func (p *Problem) ContentType(string) string { return problemType }

// refuse makes a problem of this package's own.
func refuse(status int, code, detail, hint string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code, Detail: detail, Hint: hint}
}

// statuses are the codes of the product that are not a conflict with the state of things.
var statuses = map[string]int{
	"no_request": http.StatusNotFound, "no_job": http.StatusNotFound, "no_table": http.StatusNotFound, "no_discovery": http.StatusNotFound,
	"no_schedule": http.StatusNotFound, "no_schedules": http.StatusNotFound, "no_node": http.StatusNotFound, "no_region": http.StatusNotFound,
	"own_request": http.StatusForbidden, "barred": http.StatusForbidden, "not_approver": http.StatusForbidden,
	"not_member": http.StatusForbidden, "unknown_person": http.StatusForbidden, "not_requester": http.StatusForbidden,
	"not_yours_to_stop": http.StatusForbidden, "wrong_channel": http.StatusForbidden, "not_permitted": http.StatusForbidden,
	"group_unreadable": http.StatusServiceUnavailable,
	"reason_missing":   http.StatusUnprocessableEntity, "unknown_host": http.StatusUnprocessableEntity,
	"ambiguous_host": http.StatusUnprocessableEntity,
	"host_needed":    http.StatusUnprocessableEntity, "not_a_request": http.StatusUnprocessableEntity,
	"nothing_to_do": http.StatusUnprocessableEntity, "misread": http.StatusUnprocessableEntity,
	"config_refused": http.StatusUnprocessableEntity, "not_a_plan": http.StatusUnprocessableEntity,
	"not_a_schedule": http.StatusUnprocessableEntity, "bad_cron": http.StatusUnprocessableEntity, "bad_zone": http.StatusUnprocessableEntity,
	"bad_window": http.StatusUnprocessableEntity, "bad_jitter": http.StatusUnprocessableEntity, "bad_lead": http.StatusUnprocessableEntity,
	"too_often": http.StatusUnprocessableEntity,
}

// forPeople is an error that a person can act on.
type forPeople interface {
	Sentence() string
	Hint() string
}

// problem turns an error into the answer: the chat's sentence and hint where there are some. What
// is not meant for people is logged, and the caller gets its id.
func (s *Server) problem(err error) *Problem {
	var own *Problem
	if errors.As(err, &own) {
		return own
	}
	var p *engine.Problem
	if errors.As(err, &p) {
		status, known := statuses[p.Code]
		if !known {
			status = http.StatusConflict
		}
		out := refuse(status, p.Code, p.Text, p.Next)
		out.Reasons = p.Reasons
		return out
	}
	var f forPeople
	if errors.As(err, &f) {
		return refuse(http.StatusUnprocessableEntity, "misread", f.Sentence(), f.Hint())
	}
	if errors.Is(err, engine.ErrNotFound) {
		return refuse(http.StatusNotFound, "not_found", "There is nothing of this name.", "")
	}
	id := fmt.Sprintf("E-%06X", time.Now().UnixNano()&0xffffff)
	s.o.Log.Error("a call could not be answered", zap.String("error_id", id), zap.Error(err))
	out := refuse(http.StatusInternalServerError, "internal", "Something went wrong here.", "An administrator finds "+id+" in the log.")
	out.ErrorID = id
	return out
}

// write sends a problem outside of huma.
func (p *Problem) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", problemType)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the caller is gone when this fails
}

// ours turns huma's own errors (a body that is no JSON, a field out of bounds) into our problems,
// so that a caller meets one shape.
func ours(_ huma.Context, _ string, v any) (any, error) {
	m, ok := v.(*huma.ErrorModel)
	if !ok {
		return v, nil
	}
	code := "bad_request"
	switch m.Status {
	case http.StatusRequestEntityTooLarge:
		code = "too_big"
	case http.StatusUnprocessableEntity:
		code = "invalid"
	case http.StatusUnsupportedMediaType:
		code = "media_type"
	case http.StatusNotAcceptable:
		code = "not_acceptable"
	}
	p := refuse(m.Status, code, m.Detail, "")
	for _, e := range m.Errors {
		where := e.Location
		if where != "" {
			where += ": "
		}
		p.Reasons = append(p.Reasons, where+e.Message) // the value is left out: it may be anything
	}
	return p, nil
}
