package bot

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/approvals"
	"mysql-recycler/engine"
)

// opens opens the form from a channel and returns it.
func (w *world) opens(who approvals.Actor, channel string) Form {
	w.t.Helper()
	require.Empty(w.t, w.saysIn(who, channel, "  "))
	return w.forms[len(w.forms)-1]
}

// sends sends a form in and returns the problems it shows.
func (w *world) sends(ref string, values map[string]string) map[string]string {
	w.t.Helper()
	bad, err := w.bot.Submit(w.t.Context(), Submission{Form: FormNew, Ref: ref, User: alice, Values: values, Reply: Reply{User: alice.ID}})
	require.NoError(w.t, err)
	return bad
}

func TestTheNewForm(t *testing.T) {
	t.Parallel()
	w := ready(t)
	f := w.opens(alice, "C1")
	require.Equal(t, "C1", f.Ref)
	require.True(t, f.Inputs[1].Search)
	require.Empty(t, w.sends("C1", map[string]string{"verb": "run", "host": "db-prod-3", "schema": "shop", "flags": "--min-share 30% --max-tables=2"}))
	require.Equal(t, "run db-prod-3 --schema=shop --min-share=30% --max-tables=2", w.requests[0].Command)
	require.Empty(t, w.sends("", map[string]string{"verb": "discover", "host": "shop", "flags": "--min-share 30%"}))
	require.Equal(t, "C1", w.requests[1].Channel, "asked from the home tab, it is shown in the cluster's channel")
}

func TestTheFormSaysAtTheFieldWhatIsWrong(t *testing.T) {
	t.Parallel()
	w := ready(t)
	for _, x := range []struct {
		host, schema, flags string
		field, want         string
	}{
		{"db-prod-9x", "", "", "host", "db-prod-9x is not a configured host or cluster."},
		{"db-prod-3", "<!channel>", "", "schema", "not a table pattern"},
		{"db-prod-3", "shpo", "", "schema", "Did you mean shop?"},
		{"db-prod-3", "", "--min-shre 3", "flags", "Did you mean --min-share?"},
		{"db-prod-3", "", "--after R-7QK2", "flags", "no flag --after"},
		{"db-prod-3", "", "shop.ordres", "flags", "Did you mean shop.orders?"},
		{"db-prod-3", "", "--min-share 99%", "host", "would give back enough"},
		{"db-prod-1", "", "", "host", "db-prod-1 is protected"},
	} {
		bad := w.sends("C1", map[string]string{"verb": "run", "host": x.host, "schema": x.schema, "flags": x.flags})
		require.Contains(t, bad[x.field], x.want, "%+v: %v", x, bad)
		require.Len(t, bad, 1)
	}
	require.Empty(t, w.requests)
	require.Empty(t, w.whispers)
}

func TestTheFormWhispersWhatHasAButton(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.Empty(t, w.sends("C1", map[string]string{"verb": "run", "host": "db-prod-3"}))
	require.Len(t, w.whispers, 1)
	require.Contains(t, Text(w.whispers[0].m), "[Discover first]")
}

func TestTheFormRemembersTheChannelsLastChoice(t *testing.T) {
	t.Parallel()
	w := ready(t)
	first := w.opens(bob, "C1")
	require.Equal(t, "discover", first.Inputs[0].Initial)
	require.Empty(t, first.Inputs[1].Options)
	w.says(alice, "run db-prod-3 shop.orders --schema shop,crm --min-share 30%")
	w.saysIn(alice, "CZH", "discover db-prod-2")
	w.requests = append(w.requests, approvals.Request{ID: "R-S", Channel: "C1", Command: "run db-prod-2", Requester: approvals.Schedule{ID: "S-7QK2"}.Actor()})
	f := w.opens(bob, "C1")
	require.Equal(t, "run", f.Inputs[0].Initial)
	require.Equal(t, []Option{{Value: "db-prod-3", Label: "db-prod-3 · shop"}}, f.Inputs[1].Options)
	require.Equal(t, "shop, crm", f.Inputs[2].Initial)
	require.Equal(t, `--table=shop.orders --min-share=30%`, f.Inputs[3].Initial)
	require.Equal(t, "db-prod-2", w.opens(bob, "CZH").Inputs[1].Initial)
	require.Equal(t, "db-prod-2", w.opens(alice, "").Inputs[1].Initial, "outside of channels it is the person's own")
}

func TestHostSearch(t *testing.T) {
	t.Parallel()
	w := ready(t)
	find := func(channel, query string) string {
		var out []string
		for _, o := range w.bot.Suggest(t.Context(), Suggestion{Form: FormNew, Ref: channel, Input: "host", Query: query}) {
			out = append(out, o.Value)
		}
		return strings.Join(out, " ")
	}
	for query, want := range map[string]string{"": "db-prod-1 db-prod-2 db-prod-3 shop", "sh": "shop", "PROD 3": "db-prod-3", "db-prod-4": "db-prod-1", "nothing like it": ""} {
		require.Equal(t, want, find("C1", query), query)
	}
	require.Empty(t, find("COTHER", "db"), "another team's hosts are not offered")
	require.Equal(t, "shop · 整个集群", w.bot.Suggest(t.Context(), Suggestion{Ref: "CZH", Query: "shop"})[0].Label)
}

// many is a fleet.
type many struct{ *world }

func (m many) Names() []string {
	out := make([]string, 3000)
	for i := range out {
		out[i] = fmt.Sprintf("db-%04d", i)
	}
	return out
}
func (m many) Find(name string) (engine.Target, error) {
	t, err := m.world.Find("db-prod-3")
	t.Host.Name = name
	return t, err
}

func TestHostSearchOverAFleet(t *testing.T) {
	t.Parallel()
	w := ready(t, func(o *Options) { o.Targets = many{o.Targets.(*world)} })
	begin := time.Now()
	require.Len(t, w.bot.Suggest(t.Context(), Suggestion{Ref: "C1", Query: "db"}), maxOptions)
	require.Len(t, w.bot.Suggest(t.Context(), Suggestion{Ref: "C1", Query: "29 7"}), 25)
	w.bot.Suggest(t.Context(), Suggestion{Ref: "C1", Query: "de-29999"})
	require.Less(t, time.Since(begin), time.Second, "three answers")
}

func TestAShortcutOnAMessageShowsItsRequest(t *testing.T) {
	t.Parallel()
	w := running(t)
	call := Command{User: bob, Channel: "C1", Reply: Reply{User: bob.ID, Channel: "C1"}}
	require.NoError(t, w.bot.Shortcut(t.Context(), call, `{"text":"alice asks to rebuild (R-7QK1)."}`))
	require.Contains(t, Text(w.whispers[len(w.whispers)-1].m), "Recycle db-prod-3: running")
	require.NoError(t, w.bot.Shortcut(t.Context(), call, "lunch?"))
	require.Equal(t, FormNew, w.forms[len(w.forms)-1].ID)
}
