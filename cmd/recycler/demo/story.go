package demo

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"mysql-recycler/bot/sandbox"
)

// Play plays the whole story, prints the transcript of the channel and what was checked, and
// answers an error when any check failed.
func Play(ctx context.Context, o Options) (err error) {
	w, err := open(ctx, o)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	s := &story{world: w}
	played := s.play(ctx)
	if played != nil {
		w.say("\nThe end of the bot's log:\n%s", w.bot.tail())
	}
	return errors.Join(s.transcript(ctx), s.verdict(), played)
}

// Run starts the world and keeps it until ctx ends, for a person to play.
func Run(ctx context.Context, o Options) (err error) {
	w, err := open(ctx, o)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return err
	}
	w.say(`
The chat is at  %s

Servers: %s (primary), %s, %s, and %s below %s.
You are alice; switch to bob at the top of the page to approve. Try:
  /recycle discover %s
  /recycle run %s --schema shop
  /recycle run %s
The bot's log is %s. Ctrl-C ends everything.`,
		w.chat.URL(), names[0], names[1], names[2], names[3], names[2], names[2], names[2], names[0], w.bot.log)
	select {
	case <-ctx.Done():
		return nil
	case <-w.bot.ended:
		return fmt.Errorf("the bot ended: %w\n%s", w.bot.err, w.bot.tail())
	}
}

// story is the world with what was learned while playing.
type story struct {
	*world
	checks []check
	before []record
}

// play walks the five scenes. A scene that cannot go on ends the story.
func (s *story) play(ctx context.Context) error {
	var err error
	if s.before, err = s.readAll(ctx); err != nil {
		return err
	}
	for _, scene := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"discover", s.discover}, {"recycle", s.recycle}, {"refuse the primary", s.refusePrimary},
	} {
		sctx, cancel := context.WithTimeout(ctx, 100*time.Second)
		err := scene.run(sctx)
		cancel()
		if err != nil {
			return fmt.Errorf("scene %q: %w", scene.name, err)
		}
	}
	return nil
}

// discover: alice asks, cannot approve herself, bob approves, the thread gets tree and tables.
func (s *story) discover(ctx context.Context) error {
	card, err := s.ask(ctx, "discover db-prod-3")
	if err != nil {
		return err
	}
	if err := s.selfApproval(ctx, card); err != nil {
		return err
	}
	if err := s.untouched(); err != nil {
		return err
	}
	if err := s.approve(ctx, card); err != nil {
		return err
	}
	tree, err := s.reply(ctx, card, "db-prod-4")
	if err != nil {
		return err
	}
	for _, n := range names {
		s.check("the tree names "+n, strings.Contains(tree.Plain(), n), "")
	}
	files, err := s.pictures(ctx)
	if err != nil {
		return err
	}
	s.check("the topology is drawn, with its words", len(files) == 1 && strings.Contains(files[0].AltText, "db-prod-1"), fmt.Sprint(len(files), " files"))
	tables, err := s.reply(ctx, card, "orders")
	if err != nil {
		return err
	}
	s.check("the prediction names shop.orders", strings.Contains(tables.Plain(), "shop.orders"), "")
	return nil
}

// recycle: the frozen plan, bob approves, the bot dies in the middle and goes on after its restart.
func (s *story) recycle(ctx context.Context) error {
	card, err := s.ask(ctx, "run db-prod-3 --schema shop")
	if err != nil {
		return err
	}
	if err := s.approve(ctx, card); err != nil {
		return err
	}
	if err := s.crash(ctx, 2); err != nil {
		return err
	}
	done, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return m.TS == card.TS && strings.Contains(strings.ToLower(m.Plain()), "given back") && len(m.Buttons()) == 0 && finished(m)
	})
	if err != nil {
		return fmt.Errorf("wait for the end of the job: %w\nthe card says: %s", err, s.now(ctx, card.TS))
	}
	table, err := s.reply(ctx, card, "is done")
	if err != nil {
		return err
	}
	s.check("the thread ends with a table of every table's bytes", strings.Contains(table.Plain(), "shop.orders"), table.Plain())
	if _, err := s.reply(ctx, card, "Bot restarted"); err != nil {
		return err
	}
	return s.checkRecycled(ctx, done)
}

// finished tells a final card from a running one.
func finished(m sandbox.Message) bool {
	t := strings.ToLower(m.Text)
	return strings.Contains(t, "done") || strings.Contains(t, "failed") || strings.Contains(t, "refused") || strings.Contains(t, "succeeded")
}

// crash kills the bot while the given step's statement runs on the server, and starts it again.
func (s *story) crash(ctx context.Context, step int) error {
	n := s.cluster.Nodes[2]
	tag := fmt.Sprintf("%% step=%d */%%", step)
	for {
		var running int
		err := n.DB().QueryRowContext(ctx, "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER /* recycler%' AND INFO LIKE ?", tag).Scan(&running)
		if err != nil {
			return fmt.Errorf("wait for step %d: %w", step, err)
		}
		if running > 0 {
			break
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for step %d to run: %w", step, ctx.Err())
		case <-time.After(5 * time.Millisecond):
		}
	}
	if err := s.bot.kill(); err != nil {
		return err
	}
	s.say("Killed the bot (SIGKILL) while table %d was being rebuilt; starting it again …", step)
	return s.startBot(ctx)
}

// refusePrimary: the primary is refused with reasons, and nothing is executed there.
func (s *story) refusePrimary(ctx context.Context) error {
	before, err := s.read(ctx, s.cluster.Nodes[0])
	if err != nil {
		return err
	}
	out, err := s.client.Slash(ctx, "alice", "#db-ops", "run db-prod-1")
	if err != nil {
		return err
	}
	s.check("the refusal was acknowledged within a second", out.OK && out.MS < 1000, fmt.Sprintf("%d ms", out.MS))
	answer, err := s.whisper(ctx, "alice", "db-prod-1")
	if err != nil {
		return err
	}
	text := answer.Plain()
	s.check("the refusal gives the validators' reasons", strings.Contains(text, "read_only=0") && strings.Contains(text, "replica"), text)
	ours := regexp.MustCompile(`recycler job=|OPTIMIZE|\bALTER\b`)
	lines, err := statements(s.cluster.Nodes[0], before, ours)
	if err != nil {
		return err
	}
	s.check("nothing was executed on the primary", len(lines) == 0, strings.Join(lines, "; "))
	return nil
}
