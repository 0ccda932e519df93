package sandbox

import (
	"encoding/json"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// fault makes the next calls of a method go wrong.
type fault struct {
	Method       string `json:"method"` // a Web API method, "upload", "response_url", or "*"
	Times        int    `json:"times"`  // 0 means once, below 0 for ever
	HTTP         int    `json:"http"`
	RetryAfter   int    `json:"retry_after"` // seconds, with http 429
	Error        string `json:"error"`
	DelayMS      int    `json:"delay_ms"`
	DropRequest  bool   `json:"drop_request"`  // the connection breaks, nothing was processed
	DropResponse bool   `json:"drop_response"` // processed, but the answer is lost
}

func (f *fault) name() string {
	var parts []string
	if f.HTTP != 0 {
		parts = append(parts, "http "+strconv.Itoa(f.HTTP))
	}
	if f.Error != "" {
		parts = append(parts, "error "+f.Error)
	}
	if f.DelayMS != 0 {
		parts = append(parts, "delay")
	}
	if f.DropRequest {
		parts = append(parts, "drop_request")
	}
	if f.DropResponse {
		parts = append(parts, "drop_response")
	}
	return strings.Join(parts, ", ")
}

// takeFault uses up one shot of the oldest fault that fits the method.
func (s *Server) takeFault(method string) *fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.st.faults, func(f *fault) bool { return f.Method == method || f.Method == "*" })
	if i < 0 {
		return nil
	}
	f := *s.st.faults[i]
	if s.st.faults[i].Times > 0 {
		s.st.faults[i].Times--
	}
	if s.st.faults[i].Times == 0 {
		s.st.faults = slices.Delete(s.st.faults, i, i+1)
	}
	return &f
}

// answer writes the fault's own answer, if it has one instead of the real one.
func (f *fault) answer(w http.ResponseWriter) bool {
	switch {
	case f.DropRequest:
		dropConn(w)
		return true
	case f.HTTP == http.StatusTooManyRequests:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		f.Error = "ratelimited"
		writeJSON(w, f.HTTP, obj{"ok": false, "error": f.Error})
		return true
	case f.HTTP >= 300:
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(f.HTTP)
		_, _ = w.Write([]byte("<html><head><title>Slack</title></head><body>Server Error</body></html>"))
		return true
	case f.Error != "":
		f.HTTP = http.StatusOK
		writeJSON(w, f.HTTP, obj{"ok": false, "error": f.Error})
		return true
	}
	return false
}

// dropConn breaks the connection with a reset, without an answer.
func dropConn(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(raw)
}
