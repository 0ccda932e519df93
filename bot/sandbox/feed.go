package sandbox

import (
	"context"
	"slices"
	"sync"
)

// change is one thing that happened, for the page and for those who wait.
type change struct {
	Rev     int64    `json:"rev"`
	Kind    string   `json:"kind"` // message, view, home, people, toast, sockets, reset
	User    string   `json:"user,omitempty"`
	Text    string   `json:"text,omitempty"`
	Message *Message `json:"message,omitempty"`
	channel *Channel
}

// feed numbers changes and hands them to listeners. A listener that is too slow
// loses changes and is told to load everything again.
type feed struct {
	mu        sync.Mutex
	rev       int64
	moved     chan struct{}
	listeners []*listener
}

type listener struct {
	user string
	out  chan change
	lost bool
}

func newFeed() *feed { return &feed{moved: make(chan struct{})} }

func (f *feed) tell(c change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rev++
	c.Rev = f.rev
	close(f.moved)
	f.moved = make(chan struct{})
	for _, l := range f.listeners {
		if !c.concerns(l.user) {
			continue
		}
		if l.lost {
			c = change{Rev: c.Rev, Kind: "reset"}
		}
		select {
		case l.out <- c:
			l.lost = false
		default:
			l.lost = true
		}
	}
}

// now is the present revision. Messages change under Server.mu, so a caller that
// holds it reads messages and a revision that belong together.
func (f *feed) now() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rev
}

func (c change) concerns(user string) bool {
	if c.Message != nil {
		return c.Message.visibleTo(user, c.channel)
	}
	return c.User == "" || user == "" || c.User == user
}

func (f *feed) listen(user string) *listener {
	l := &listener{user: user, out: make(chan change, 256)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = append(f.listeners, l)
	return l
}

func (f *feed) leave(l *listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners = slices.DeleteFunc(f.listeners, func(o *listener) bool { return o == l })
}

// after waits until the revision is above rev and returns it, or the present one
// when ctx ends first.
func (f *feed) after(ctx context.Context, rev int64) int64 {
	for {
		f.mu.Lock()
		now, moved := f.rev, f.moved
		f.mu.Unlock()
		if now > rev {
			return now
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return now
		}
	}
}

// tellMessage announces a message; the caller holds Server.mu.
func (s *Server) tellMessage(m *Message) {
	cp := *m
	var ch *Channel
	if c := s.st.channels[m.Channel]; c != nil {
		cc := *c
		cc.Members = slices.Clone(c.Members)
		ch = &cc
	}
	s.feed.tell(change{Kind: "message", Message: &cp, channel: ch})
}
