package sandbox

import (
	"bufio"
	"net"
	"net/http"
	"sync"
)

// sniffWriter hands the WebSocket library a connection whose incoming frame
// headers are watched. The library joins fragments silently, but Slack does not
// accept a fragmented acknowledgement, so the sandbox has to see them.
type sniffWriter struct {
	http.ResponseWriter
	s *sniffer
}

// Hijack implements http.Hijacker.
func (w *sniffWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	return &sniffConn{conn, w.s}, rw, nil
}

type sniffConn struct {
	net.Conn
	s *sniffer
}

func (c *sniffConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.s.feed(p[:n])
	return n, err
}

// sniffer follows the frames of RFC 6455: a header of 2 to 14 bytes, then the
// payload. It keeps one bit for each finished message: was it in pieces?
type sniffer struct {
	mu     sync.Mutex
	head   []byte
	skip   uint64
	inBits bool // a message has begun and its last frame is still to come
	done   []bool
}

func (s *sniffer) feed(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(p) > 0 {
		if s.skip > 0 {
			n := min(s.skip, uint64(len(p)))
			s.skip -= n
			p = p[n:]
			continue
		}
		s.head = append(s.head, p[0])
		p = p[1:]
		if size, whole := frameSize(s.head); whole {
			s.frame(s.head[0])
			s.skip, s.head = size, s.head[:0]
		}
	}
}

func (s *sniffer) frame(first byte) {
	fin, op := first&0x80 != 0, first&0x0f
	switch {
	case op >= 8: // control frames may sit between fragments
	case fin:
		s.done = append(s.done, s.inBits)
		s.inBits = false
	default:
		s.inBits = true
	}
}

// frameSize reads the payload length once the header is complete.
func frameSize(h []byte) (uint64, bool) {
	if len(h) < 2 {
		return 0, false
	}
	ext := map[byte]int{126: 2, 127: 8}[h[1]&0x7f]
	mask := 0
	if h[1]&0x80 != 0 {
		mask = 4
	}
	if len(h) < 2+ext+mask {
		return 0, false
	}
	if ext == 0 {
		return uint64(h[1] & 0x7f), true
	}
	var n uint64
	for _, b := range h[2 : 2+ext] {
		n = n<<8 | uint64(b)
	}
	return n, true
}

// wasFragmented answers for the oldest message not asked about yet.
func (s *sniffer) wasFragmented() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.done) == 0 {
		return false
	}
	f := s.done[0]
	s.done = s.done[1:]
	return f
}
