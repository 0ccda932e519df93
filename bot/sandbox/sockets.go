package sandbox

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// maxSockets is how many sockets one app may hold open.
const maxSockets = 10

// socketRules are the settings of /_ctl/sockets.
type socketRules struct {
	Strategy      string `json:"strategy"`       // random, round_robin, newest, oldest
	PingMS        int    `json:"ping_ms"`        // between pings to the app; below 0 sends none
	AckMS         int    `json:"ack_ms"`         // the app's time to acknowledge
	Redeliver     string `json:"redeliver"`      // new, same or attempt0: the id and count of a redelivery; off
	RetryMS       []int  `json:"retry_ms"`       // waits before the three redeliveries
	Interactive   bool   `json:"interactive"`    // redeliver slash commands and clicks too
	RefuseForeign bool   `json:"refuse_foreign"` // an ack on another socket than the delivery's does not count
	Enterprise    string `json:"enterprise"`     // is_enterprise_install of slash payloads: string, bool, absent
}

func defaultRules() socketRules {
	return socketRules{Strategy: "random", PingMS: 5000, AckMS: 3000, Redeliver: "new",
		RetryMS: []int{1000, 60_000, 300_000}, Enterprise: "string"}
}

// hub holds the app's live sockets and picks one for each envelope.
type hub struct {
	mu      sync.Mutex
	rules   socketRules
	sockets []*socket
	rng     *rand.Rand
	turn    int
	count   int
	off     bool // Socket Mode is switched off in the app's settings
}

// socket is one connection of the app.
type socket struct {
	id     int
	conn   *websocket.Conn
	sniff  *sniffer
	opened time.Time
	frozen chan struct{} // closed when the socket plays dead
	cut    chan struct{} // closed when the server ends it
	once   sync.Once
	leaves bool // told to go: gets no new envelopes
}

func newHub(seed int64) *hub {
	return &hub{rules: defaultRules(), rng: rand.New(rand.NewPCG(uint64(seed), 0x50c))}
}

func (h *hub) settings() socketRules {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.rules
}

func (h *hub) linkEnabled() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.off
}

// pick chooses the socket for an envelope, or nil when the app is not connected.
func (h *hub) pick() *socket {
	h.mu.Lock()
	defer h.mu.Unlock()
	var live []*socket
	for _, s := range h.sockets {
		if !s.leaves {
			live = append(live, s)
		}
	}
	if len(live) == 0 {
		return nil
	}
	switch h.rules.Strategy {
	case "newest":
		return live[len(live)-1]
	case "oldest":
		return live[0]
	case "round_robin":
		h.turn++
		return live[h.turn%len(live)]
	}
	return live[h.rng.IntN(len(live))]
}

// join adds a socket and says how many there are now; 0 means one too many.
func (h *hub) join(s *socket) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.sockets) >= maxSockets {
		return 0
	}
	h.count++
	s.id = h.count
	h.sockets = append(h.sockets, s)
	return len(h.sockets)
}

func (h *hub) leave(s *socket) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sockets = slices.DeleteFunc(h.sockets, func(o *socket) bool { return o == s })
	return len(h.sockets)
}

func (h *hub) closeAll() {
	h.mu.Lock()
	all := slices.Clone(h.sockets)
	h.mu.Unlock()
	for _, s := range all {
		s.drop()
	}
}

// drop breaks the TCP connection without a close frame.
func (s *socket) drop() {
	s.once.Do(func() { close(s.cut) })
	_ = s.conn.CloseNow()
}

func (s *socket) dead() bool {
	select {
	case <-s.frozen:
		return true
	default:
		return false
	}
}

// send writes one text frame; to a socket that plays dead it goes nowhere.
func (s *socket) send(ctx context.Context, v any) error {
	if s.dead() {
		return nil
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, raw)
}

// serveLink is the Socket Mode endpoint.
func (s *Server) serveLink(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	until, ok := s.st.granted[r.URL.Query().Get("ticket")]
	delete(s.st.granted, r.URL.Query().Get("ticket"))
	ok = ok && s.clock.now().Before(until)
	appID := s.st.ws.AppID
	s.mu.Unlock()
	if !ok {
		http.Error(w, "ticket is unknown, used or too old", http.StatusForbidden)
		return
	}
	sn := &sniffer{}
	conn, err := websocket.Accept(&sniffWriter{w, sn}, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return // Accept has answered
	}
	conn.SetReadLimit(1 << 20)
	sock := &socket{conn: conn, sniff: sn, opened: s.clock.now(), frozen: make(chan struct{}), cut: make(chan struct{})}
	defer sock.drop()
	n := s.hub.join(sock)
	if n == 0 {
		_ = sock.send(r.Context(), obj{"type": "disconnect", "reason": "too_many_websockets", "debug_info": debugInfo()})
		_ = conn.Close(websocket.StatusPolicyViolation, "too many websockets")
		return
	}
	s.feed.tell(change{Kind: "sockets"})
	defer func() {
		s.hub.leave(sock)
		s.feed.tell(change{Kind: "sockets"})
	}()
	life := 18060
	if r.URL.Query().Get("debug_reconnects") == "true" {
		life = 360
	}
	info := debugInfo()
	info["approximate_connection_time"] = life
	hello := obj{"type": "hello", "num_connections": n, "debug_info": info, "connection_info": obj{"app_id": appID}}
	if sock.send(r.Context(), hello) != nil {
		return
	}
	s.cfg.Log("sandbox: socket %d open, %d in all", sock.id, n)
	s.attend(r.Context(), sock, time.Duration(life)*time.Second)
	s.cfg.Log("sandbox: socket %d gone", sock.id)
}

func debugInfo() obj { return obj{"host": "applink-sandbox", "build_number": 10} }

// attend reads acks, sends pings and ends the socket when its life is over.
func (s *Server) attend(ctx context.Context, sock *socket, life time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer sock.drop()
	wg.Go(func() { s.pings(ctx, sock) })
	wg.Go(func() {
		if s.clock.sleep(ctx, life, sock.cut) {
			s.dismiss(ctx, sock, "refresh_requested")
		}
	})
	defer cancel()
	for {
		kind, data, err := sock.conn.Read(ctx)
		if err != nil {
			return
		}
		if sock.dead() {
			select {
			case <-sock.cut:
			case <-ctx.Done():
			}
			return
		}
		if kind == websocket.MessageText {
			s.takeAck(sock, data, sock.sniff.wasFragmented())
		}
	}
}

func (s *Server) pings(ctx context.Context, sock *socket) {
	for {
		every := s.hub.settings().PingMS
		wait := time.Duration(every) * time.Millisecond
		if every <= 0 {
			wait = 200 * time.Millisecond // pings are off: look again soon
		}
		// Pings follow real time: moving the workspace clock must not flood the app.
		select {
		case <-time.After(wait):
		case <-sock.cut:
			return
		case <-ctx.Done():
			return
		}
		if every <= 0 || sock.dead() {
			continue
		}
		pctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := sock.conn.Ping(pctx)
		cancel()
		if err != nil {
			return
		}
	}
}

// dismiss sends a disconnect frame and, unless it is a warning, ends the socket
// a moment later for those that do not leave by themselves.
func (s *Server) dismiss(ctx context.Context, sock *socket, reason string) {
	_ = sock.send(ctx, obj{"type": "disconnect", "reason": reason, "debug_info": debugInfo()})
	if reason == "warning" {
		return
	}
	s.hub.mu.Lock()
	sock.leaves = true
	s.hub.mu.Unlock()
	select {
	case <-time.After(2 * time.Second):
		sock.drop()
	case <-sock.cut:
	case <-ctx.Done():
	}
}
