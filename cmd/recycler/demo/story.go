package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"mysql-recycler/bot/sandbox"
)

// Play plays the whole story, prints the transcript of the channel and what was checked, and
// answers an error when any check failed or when it took too long.
func Play(ctx context.Context, o Options) error {
	within := cmp.Or(o.Within, DefaultWithin)
	late := fmt.Errorf("the story did not end within %s", within)
	ctx, cancel := context.WithTimeoutCause(ctx, within, late)
	defer cancel()
	err := play(ctx, o)
	if errors.Is(context.Cause(ctx), late) {
		return errors.Join(late, err)
	}
	return err
}

func play(ctx context.Context, o Options) (err error) {
	begun := time.Now()
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
	err = errors.Join(s.transcript(ctx), s.verdict(), played)
	w.say("The story took %.0f s.", time.Since(begun).Seconds())
	return err
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
	checks     []check
	discovered []row // the predictions that the thread showed
	plan       []row // the tables of the card that was approved
}

// play walks the scenes. A scene that cannot go on ends the story.
func (s *story) play(ctx context.Context) error {
	for _, scene := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"discover", s.discover}, {"recycle", s.recycle}, {"refuse the primary", s.refusePrimary},
	} {
		if err := scene.run(ctx); err != nil {
			return fmt.Errorf("scene %q: %w", scene.name, err)
		}
	}
	return nil
}

// discover: alice asks, cannot approve herself, bob approves, the thread gets tree and tables.
func (s *story) discover(ctx context.Context) error {
	card, err := s.ask(ctx, "discover "+names[target])
	if err != nil {
		return err
	}
	if err := s.selfApproval(ctx, card); err != nil {
		return err
	}
	if err := s.untouched(); err != nil {
		return err
	}
	if _, err := s.approve(ctx, card); err != nil {
		return err
	}
	found, err := s.reply(ctx, card, "Found ")
	if err != nil {
		return err
	}
	servers, err := s.truths(ctx)
	if err != nil {
		return err
	}
	s.checks = append(s.checks, treeChecks(readTree(text(found)), servers)...)
	s.discovered, _ = readRows(text(found))
	s.checks = append(s.checks, predictionChecks(text(found), s.discovered, s.before[target].sizes)...)
	files, err := s.pictures(ctx)
	if err != nil {
		return err
	}
	s.check("the topology is drawn, with its words", len(files) == 1 && strings.Contains(files[0].AltText, names[0]), fmt.Sprint(len(files), " files"))
	return nil
}

// recycle: the frozen plan, bob approves, the bot dies in the middle and goes on after its restart.
func (s *story) recycle(ctx context.Context) error {
	card, err := s.ask(ctx, "run "+names[target]+" --schema shop")
	if err != nil {
		return err
	}
	servers, err := s.truths(ctx)
	if err != nil {
		return err
	}
	shown := text(card)
	s.plan, _ = readRows(shown)
	s.checks = append(s.checks, planChecks(shown, button(card, "Approve").Value, s.plan, s.discovered, servers[target], servers)...)
	decided, err := s.approve(ctx, card)
	if err != nil {
		return err
	}
	s.check("what was approved is the plan that was shown", digest(shown) != "" && digest(text(decided)) == digest(shown), digest(text(decided)))
	const killedAt = 2
	if err := s.crash(ctx, killedAt); err != nil {
		return err
	}
	done, err := s.client.WaitMessage(ctx, func(m sandbox.Message) bool {
		return m.TS == card.TS && strings.Contains(strings.ToLower(m.Plain()), "given back") && len(m.Buttons()) == 0 && finished(m)
	})
	if err != nil {
		return fmt.Errorf("wait for the end of the job: %w\nthe card says: %s", err, s.now(ctx, card.TS))
	}
	table, err := s.reply(ctx, card, " is done: ")
	if err != nil {
		return err
	}
	if err := s.checkThread(ctx, card, killedAt); err != nil {
		return err
	}
	return s.checkRecycled(ctx, done, table)
}

// checkThread looks at how the run was told: one message edited in place, its thread, and where the new
// process went on.
func (s *story) checkThread(ctx context.Context, card sandbox.Message, killedAt int) error {
	all, err := s.client.Messages(ctx, "#db-ops")
	if err != nil {
		return err
	}
	versions, err := s.client.Edits(ctx, card.TS)
	if err != nil {
		return err
	}
	id := requestID.FindString(text(card))
	var parents, thread []string
	for _, m := range all {
		switch {
		case !m.FromBot || m.For != "" || len(m.Files) > 0: // a chart may come after the summary
		case m.ThreadTS == card.TS && m.TS != card.TS:
			thread = append(thread, text(m))
		case id != "" && strings.Contains(text(m), id):
			parents = append(parents, m.TS)
		}
	}
	done := bars(versions)
	s.check("the parent message was edited in place, with a bar that only grows", len(done) > 0 && slices.IsSorted(done), fmt.Sprintf("%d versions, bars at tables %v", len(versions), done))
	s.check("one message in the channel tells of the run, before and after the crash", len(parents) == 1, fmt.Sprint(parents))
	s.checks = append(s.checks, threadChecks(thread, named(s.plan), killedAt)...)
	return nil
}

// finished tells a final card from a running one.
func finished(m sandbox.Message) bool {
	t := strings.ToLower(m.Text)
	return strings.Contains(t, "done") || strings.Contains(t, "failed") || strings.Contains(t, "refused") || strings.Contains(t, "succeeded")
}

// crash kills the bot while the given step's statement runs on the server, and starts it again.
func (s *story) crash(ctx context.Context, step int) error {
	n := s.cluster.Nodes[target]
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
	shared, err := s.shared(ctx)
	if err != nil {
		return err
	}
	out, err := s.client.Slash(ctx, "alice", "#db-ops", "run "+names[0])
	if err != nil {
		return err
	}
	s.check("the refusal was acknowledged within a second", out.OK && out.MS < 1000, fmt.Sprintf("%d ms", out.MS))
	answer, err := s.whisper(ctx, "alice", names[0])
	if err != nil {
		return err
	}
	servers, err := s.truths(ctx)
	if err != nil {
		return err
	}
	s.checks = append(s.checks, refusalChecks(text(answer), servers)...)
	now, err := s.shared(ctx)
	if err != nil {
		return err
	}
	s.check("the refusal is told to alice alone", answer.For == "U0ALICE" && len(now) == len(shared), fmt.Sprintf("%d messages for all, then %d", len(shared), len(now)))
	lines, err := statements(s.cluster.Nodes[0], before, anyDDL)
	if err != nil {
		return err
	}
	s.check("nothing was executed on the primary", len(lines) == 0, strings.Join(lines, "; "))
	return nil
}
