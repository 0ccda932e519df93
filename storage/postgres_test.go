package storage

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
)

// TestPostgres runs the tests that know no dialect on a real PostgreSQL server: newDB looks at
// the name they run under.
func TestPostgres(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"RequestRoundTrip": TestRequestRoundTrip, "ReviewApproves": TestReviewApproves, "ReviewConflicts": TestReviewConflicts,
		"ReviewNeedsWorkAndQueue": TestReviewNeedsWorkAndQueue, "TwoApprovalsAndDenial": TestTwoApprovalsAndDenial,
		"BusyHost": TestBusyHost, "OneDecisionWins": TestOneDecisionWins, "NewID": TestNewID,
		"JournalStepRoundTrip": TestJournalStepRoundTrip, "SettingKeepsFirstValue": TestSettingKeepsFirstValue,
		"LeaseFencing": TestLeaseFencing, "BotLease": TestBotLease, "LeaseDatabaseClock": TestLeaseDatabaseClock, "OneTakes": TestOneTakes,
		"Discoveries": TestDiscoveries, "OutboxRevisions": TestOutboxRevisions,
		"NothingScans": TestNothingScans, "ScanIsFound": TestScanIsFound, "Upgrade": TestUpgrade, "YearFits": TestYearFits, "Progress": TestProgress, "RetentionRules": TestRetentionRules, "OutboxRoutine": TestOutboxRoutineNeverHidesADecision, "OutboxOrder": TestOutboxOrder, "OutboxPrune": TestOutboxPrune,
		"OutboxPruneKeepsLiveStories": TestOutboxPruneKeepsLiveStories, "OutboxPruneKeepsOpenCampaigns": TestOutboxPruneKeepsOpenCampaigns,
		"OutboxMoves": TestOutboxMoves, "OutboxGivesUp": TestOutboxGivesUpTheRevisionThatFailed, "Inbox": TestInbox, "ListsAndWants": TestListsAndWants,
		"AuditTellsWhoDidWhat": TestAuditTellsWhoDidWhat, "AuditIsPartOfTheTransaction": TestAuditIsPartOfTheTransaction,
		"CancelBeforeItsTime": TestCancelBeforeItsTime,
		"EventsAppearInOrder": TestEventsAppearInOrder, "SchemaRefuses": TestSchemaRefuses,
		"SchemaAcceptsTheTrueWay": TestSchemaAcceptsTheTrueWay, "EveryTriggerStopsSomething": TestEveryTriggerStopsSomething,
		"Tokens": TestTokens, "IdempotencyKeys": TestIdempotencyKeys, "Pages": TestPages, "Ended": TestEnded, "Freed": TestFreed, "ListHasSummaries": TestListHasSummaries,
	} {
		t.Run(name, test)
	}
}

// Several nodes start on one empty database at the same moment.
func TestPostgresOpenConcurrently(t *testing.T) {
	t.Parallel()
	newPostgres(t) // boots the server
	url, _, err := server.s.Create(t.Context(), "")
	require.NoError(t, err)
	var g errgroup.Group
	for range 4 {
		g.Go(func() error {
			db, err := Open(t.Context(), url, zap.NewNop())
			if err != nil {
				return err
			}
			return db.Close()
		})
	}
	require.NoError(t, g.Wait())
}

// A password in the URL is never repeated.
func TestPostgresHidesPassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"postgres://u:hunter2@/x?host=/nowhere", "postgres://u:hunter2@[/x?sslmode=bad"} {
		_, err := Open(t.Context(), url, zap.NewNop())
		require.Error(t, err)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

// A node that freezes inside a transaction holds the writer's lock; the server takes it away, and
// the node cannot commit afterwards.
func TestPostgresFrozenWriter(t *testing.T) {
	t.Parallel()
	url := newPostgres(t)
	frozen, other := open(t, url), open(t, url)
	tx, end, err := frozen.d.begin(t.Context())
	require.NoError(t, err)
	_, err = tx.Exec(t.Context(), "INSERT INTO cursors (reader, seq) VALUES ('frozen', 1)")
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	require.NoError(t, NewOutbox(other).Put(ctx, "teller", 3, nil))
	require.Error(t, end.commit(t.Context()))
	_ = end.rollback(t.Context())
	seq, err := NewFacts(other).Cursor(t.Context(), "frozen")
	require.NoError(t, err)
	require.Zero(t, seq)
}
