package topology_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"mysql-recycler/engine/dbconn"
)

// simulated is a network of servers in this process that speak the client protocol: a greeting, a
// login that accepts anybody, and text results for the statements a version has. A statement it
// does not have is error 1064, as on a real server. It exists for sizes no machine can boot and for
// versions and members that cannot be installed here; what real servers do is tested on real servers.
type simulated struct {
	latency time.Duration // of one round trip
	nodes   map[string]*simNode
	trips   atomic.Int64
	visits  atomic.Int64
	serving sync.WaitGroup
}

// simNode is one server: the answers to its statements.
type simNode struct {
	addr    dbconn.Addr
	version string
	uuid    string
	answers map[string]simResult
	single  bool // takes one statement at a time
}

// simResult is a text result set.
type simResult struct {
	columns []string
	rows    [][]string
}

// dial is Access.Dial: one round trip for the connection, and a server at the other end of a pipe.
func (s *simulated) dial(ctx context.Context, _, address string) (net.Conn, error) {
	node := s.nodes[address]
	if err := sleep(ctx, s.latency); err != nil {
		return nil, err
	}
	s.trips.Add(1)
	if node == nil {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: fmt.Errorf("no such server %s", address)}
	}
	s.visits.Add(1)
	client, server := net.Pipe()
	s.serving.Go(func() { s.serve(server, node) })
	return client, nil
}

// sleep waits for d or ctx.
func sleep(ctx context.Context, d time.Duration) error {
	if d == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// serve speaks with one client until it leaves. Each answer is late by one round trip.
func (s *simulated) serve(conn net.Conn, node *simNode) {
	defer func() { _ = conn.Close() }()
	s.trip()
	if send(conn, 0, func(w *simWriter) { w.packet(greeting(node.version)) }) != nil {
		return
	}
	if _, err := readPacket(conn); err != nil {
		return
	}
	s.trip()
	if send(conn, 2, func(w *simWriter) { w.packet([]byte{0, 0, 0, 2, 0, 0, 0}) }) != nil { // OK
		return
	}
	for {
		packet, err := readPacket(conn)
		if err != nil || packet[0] == 1 { // COM_QUIT
			return
		}
		s.trip()
		if send(conn, 1, func(w *simWriter) { w.query(node, packet[1:]) }) != nil {
			return
		}
	}
}

// trip waits one round trip and counts it.
func (s *simulated) trip() {
	s.trips.Add(1)
	time.Sleep(s.latency)
}

// simWriter builds packets. Its buffer is lent for one answer, so that a thousand servers that wait
// cost little.
type simWriter struct {
	seq byte
	buf []byte
}

var simBuffers = sync.Pool{New: func() any { return &simWriter{buf: make([]byte, 0, 8192)} }}

// send builds an answer and writes it.
func send(conn net.Conn, seq byte, build func(*simWriter)) error {
	w := simBuffers.Get().(*simWriter)
	defer simBuffers.Put(w)
	w.seq, w.buf = seq, w.buf[:0]
	build(w)
	_, err := conn.Write(w.buf)
	return err
}

// packet appends a packet to the buffer.
func (w *simWriter) packet(payload []byte) {
	w.buf = append(w.buf, byte(len(payload)), byte(len(payload)>>8), byte(len(payload)>>16), w.seq)
	w.buf = append(w.buf, payload...)
	w.seq++
}

// query answers one or several statements; like a server it stops at the first error.
func (w *simWriter) query(node *simNode, text string) {
	statements := strings.Split(text, "; ")
	if node.single {
		statements = []string{text}
	}
	for n, sql := range statements {
		result, ok := node.answers[sql]
		if !ok {
			message := "You have an error in your SQL syntax near '" + sql + "'"
			w.packet(append([]byte{0xff, 0x28, 0x04, '#', '4', '2', '0', '0', '0'}, message...)) // 1064
			return
		}
		status := byte(2)
		if n < len(statements)-1 {
			status |= 8 // more results
		}
		w.packet([]byte{byte(len(result.columns))})
		for _, c := range result.columns {
			w.packet(columnDefinition(c))
		}
		w.packet([]byte{0xfe, 0, 0, status, 0})
		for _, row := range result.rows {
			var payload []byte
			for _, v := range row {
				if v == "NULL" {
					payload = append(payload, 0xfb)
					continue
				}
				payload = appendText(payload, v)
			}
			w.packet(payload)
		}
		w.packet([]byte{0xfe, 0, 0, status, 0})
	}
}

// columnDefinition is a VARCHAR column.
func columnDefinition(name string) []byte {
	var p []byte
	for _, s := range []string{"def", "", "", "", name, name} {
		p = appendText(p, s)
	}
	return append(p, 0x0c, 45, 0, 0, 1, 0, 0, 0xfd, 0, 0, 0, 0, 0)
}

// appendText appends a length-encoded string.
func appendText(p []byte, s string) []byte {
	if len(s) < 251 {
		p = append(p, byte(len(s)))
	} else {
		p = append(p, 0xfc, byte(len(s)), byte(len(s)>>8))
	}
	return append(p, s...)
}

// greeting is the first packet of a server.
func greeting(version string) []byte {
	const capabilities = 1 | 1<<2 | 1<<9 | 1<<13 | 1<<15 | 1<<16 | 1<<17 | 1<<19 // the usual ones, with several statements, without SSL
	p := append([]byte{10}, version...)
	p = append(p, 0, 1, 0, 0, 0)
	p = append(p, "abcdefgh\x00"...)
	p = binary.LittleEndian.AppendUint16(p, capabilities&0xffff)
	p = append(p, 45, 2, 0)
	p = binary.LittleEndian.AppendUint16(p, capabilities>>16)
	p = append(p, 21)
	p = append(p, make([]byte, 10)...)
	p = append(p, "ijklmnopqrst\x00"...)
	return append(p, "mysql_native_password\x00"...)
}

// readPacket reads one packet as text.
func readPacket(r io.Reader) (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", err
	}
	buf := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
	_, err := io.ReadFull(r, buf)
	return string(buf), err
}

// simTree builds a tree of n servers in which each has up to fan replicas, all of one version.
func simTree(n, fan int, version string, latency time.Duration) *simulated {
	s := &simulated{latency: latency, nodes: map[string]*simNode{}}
	children := map[int][]int{}
	for k := 1; k < n; k++ {
		children[(k-1)/fan] = append(children[(k-1)/fan], k)
	}
	for k := range n {
		source := -1
		if k > 0 {
			source = (k - 1) / fan
		}
		node := simServer(version, k, source, children[k])
		s.nodes[node.addr.String()] = node
	}
	return s
}

// tiers is the number of tiers of simTree.
func tiers(n, fan int) int {
	t := 0
	for k := n - 1; k > 0; k = (k - 1) / fan {
		t++
	}
	return t + 1
}

// simAddr and simUUID name server k.
func simAddr(k int) dbconn.Addr {
	return dbconn.Addr{Host: fmt.Sprintf("10.%d.%d.%d", k>>16&255, k>>8&255, k&255), Port: 3306}
}

func simUUID(k int) string { return fmt.Sprintf("%08x-0000-11ee-8000-000000000000", k+1) }

// simAccess reaches a simulated network.
func (s *simulated) access() *dbconn.Access {
	return &dbconn.Access{Cluster: "sim", User: "u", Password: func() (string, error) { return "", nil }, Allow: []string{"10.*"}, Dial: s.dial}
}

// close waits for the servers' ends of all connections.
func (s *simulated) close(tb testing.TB) {
	tb.Helper()
	s.serving.Wait()
}
