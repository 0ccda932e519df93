package slack

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
	"mysql-recycler/bot/sandbox"
)

var (
	galleryAddr = flag.String("gallery", "", "address at which to keep the gallery open until Ctrl-C")
	galleryOnly = flag.String("exhibits", "", "show only exhibits whose title matches this regular expression")
)

// exhibit is a line of the gallery that package bot keeps.
type exhibit struct {
	Title   string
	Message *bot.Message
	Whisper bool
	Form    *bot.Form
}

// TestGallery posts every kind of message, in both languages, to a sandbox that refuses what Slack
// refuses. With -gallery it keeps the page open for people to look at.
func TestGallery(t *testing.T) {
	t.Parallel()
	s := coldStage(t, nil)
	if *galleryAddr != "" {
		srv, err := sandbox.Start(context.WithoutCancel(t.Context()), sandbox.Config{Addr: *galleryAddr, Seed: 7})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, srv.Close()) })
		s.srv, s.sb = srv, &sandbox.Client{BaseURL: srv.URL()}
	}
	s.start()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "gallery.txt"))
	require.NoError(t, err)
	for _, who := range []string{"ALICE", "BOB", "CAROL"} { // the people of the sandbox
		text = bytes.ReplaceAll(text, []byte(`"U`+who), []byte(`"U0`+who))
	}
	only := regexp.MustCompile(*galleryOnly)
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	var posts []bot.Post
	forms := 0
	for lines.Scan() {
		var x exhibit
		require.NoError(t, json.Unmarshal(lines.Bytes(), &x))
		if !only.MatchString(x.Title) {
			continue
		}
		if x.Form != nil {
			require.Empty(t, problemsOf(*x.Form), x.Title)
			forms++
			continue
		}
		m := *x.Message
		m.Blocks = append([]bot.Block{{Context: []bot.Span{{Text: x.Title, Bold: true}}}}, m.Blocks...)
		body, err := json.Marshal(m)
		require.NoError(t, err)
		channel := dbOps
		parent := ""
		if m.Broadcast && len(posts) > 0 { // a reply, as in its thread
			parent = posts[len(posts)-1].Key
		}
		posts = append(posts, bot.Post{Parent: parent, Key: fmt.Sprintf("G%d/card", len(posts)), Request: fmt.Sprint("G", len(posts)), Channel: channel, Body: body})
	}
	require.NoError(t, lines.Err())
	if *galleryOnly == "" {
		require.Positive(t, forms)
	}
	require.NoError(t, s.out.Put(s.ctx, "", 0, posts))
	s.c.Wake()
	s.until("every message is shown", func() bool {
		due, err := s.out.Due(s.ctx, len(posts)+1)
		return err == nil && len(due) == 0
	})
	if *galleryAddr != "" {
		fmt.Println("the gallery is at", s.srv.URL()+"/#alice/db-ops")
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		<-ctx.Done()
	}
}

// problemsOf names what Slack would refuse of a form.
func problemsOf(f bot.Form) string {
	var bad []string
	for what, s := range map[string]string{"title": f.Title, "submit": f.Submit, "cancel": f.Cancel} {
		if n := len([]rune(s)); n == 0 || n > 24 {
			bad = append(bad, fmt.Sprintf("%s has %d characters: %q", what, n, s))
		}
	}
	return strings.Join(bad, "; ")
}
