package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"mysql-recycler/bot/api"
	"mysql-recycler/bot/sandbox"
	"mysql-recycler/engine/mysqltest"
)

// TestScripts runs the scripts of testdata against a server process with a real cluster behind it:
// one finished job (JOB), and one that the throttle holds back for as long as they run (HELD).
func TestScripts(t *testing.T) {
	t.Parallel()
	p := startProgram(t)
	p.do(t, "alice", "discover db-2")
	job := p.driven(t, "db-2", "shop.orders")
	holdBack(t, p.cluster.Nodes[1])
	held := p.ask(t, "alice", "run db-2 --table shop.carts")
	p.until(t, "the job is held back", func() bool { return p.happened(t, held, "job.throttled") })

	t.Run("page", func(t *testing.T) { p.page(t, job, held) }) // before a script cancels what is held
	t.Run("scripts", func(t *testing.T) {                      // in a group of their own, so that what follows comes after them
		testscript.Run(t, testscript.Params{
			Dir: filepath.Join("testdata", "script"), RequireUniqueNames: true,
			Setup: func(e *testscript.Env) error {
				for k, v := range map[string]string{"PATH": p.dir + "/bin:" + e.Getenv("PATH"), asProgram: "1", "RECYCLER_SERVER": p.url,
					"RECYCLER_TOKEN_FILE": p.dir + "/reader", "ALICE": p.dir + "/alice", "BOB": p.dir + "/bob", "CAROL": p.dir + "/carol", "JOB": job, "HELD": held, "CONFIG": p.config} {
					e.Setenv(k, v)
				}
				return nil
			},
			Cmds: map[string]func(*testscript.TestScript, bool, []string){"eventually": eventually},
		})
	})
	p.scrape(t)
	p.traced(t, job)
	p.profiled(t)
	p.trouble(t)
	p.secrecy(t)
}

// eventually runs a program again until its output fits a pattern: eventually PATTERN PROGRAM ARG…
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN PROGRAM ARG...")
	}
	want := regexp.MustCompile(args[0])
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%q did not come; the last output:\n%s%s", args[0], ts.ReadFile("stdout"), ts.ReadFile("stderr"))
}

// program is recycler serve as a process, with a cluster and a chat.
type program struct {
	dir, config, url string
	cluster          *mysqltest.Cluster
	traces           *collected
	process          *os.Process
	secrets          *secrets
	wants            int // status from which on answers are expected; 0: only good ones are
}

func startProgram(t *testing.T) *program {
	t.Helper()
	p := &program{dir: t.TempDir()}
	p.cluster = mysqltest.MustStart(t, mysqltest.Options{Shape: "1+1", GeneralLog: true})
	p.secrets = newSecrets(t)
	require.NoError(t, p.cluster.CreateRecycler(t.Context(), "recycler", p.secrets.words["database password"]))
	require.NoError(t, mysqltest.Fill(t.Context(), p.cluster.Nodes[0],
		mysqltest.TableSpec{Schema: "shop", Name: "orders", Rows: 30_000, DeletePercent: 70},
		mysqltest.TableSpec{Schema: "shop", Name: "carts", Rows: 20_000, DeletePercent: 70}))
	require.NoError(t, p.cluster.WaitReplicated(t.Context()))
	require.NoError(t, p.cluster.WaitPurged(t.Context()))
	traces, traceURL := newCollected(t)
	p.traces = traces
	ws := sandbox.DefaultWorkspace()
	chat, err := sandbox.Start(t.Context(), sandbox.Config{Workspace: ws})
	require.NoError(t, err)
	t.Cleanup(func() { _ = chat.Close() }) // the test's context ended it
	p.secrets.chat = &sandbox.Client{BaseURL: chat.URL()}
	p.secrets.words["bot token"], p.secrets.words["app token"] = ws.BotToken, ws.AppToken
	before, err := p.cluster.Nodes[1].GeneralLog()
	require.NoError(t, err)
	p.secrets.logStart = len(before)
	p.config = filepath.Join(p.dir, "recycler.yaml")
	require.NoError(t, os.WriteFile(p.config, fmt.Appendf(nil, `
log: {level: debug}
node: {profile: "127.0.0.1:0"}
alerts: {webhook: "%[7]s/%[8]s"}
slack: {bot_token: %[1]s, app_token: %[2]s, api_url: "%[3]s/api/"}
storage: {url: "sqlite://%[4]s/state.db"}
engine: {cache: {dir: seen}}
traces: {url: "%[11]s"}
backup: {folder: backups, recipients: [age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p]}
api: {listen: "127.0.0.1:0", rate: 1000}
clusters:
  - name: db
    channel: C0DBOPS
    approvers: {users: [U0BOB]}
    external: {url: "%[7]s/role", token: %[9]s, json_path: role}
    mysql: {password: %[10]s, tls: {mode: disabled}}
    rebuild: {min_gain: 1MiB, min_serving: 0}
    limits: {disk_free: 0, long_trx: 1s}
    hosts:
      - {name: db-1, addr: "%[5]s"}
      - {name: db-2, addr: "%[6]s"}
`, ws.BotToken, ws.AppToken, chat.URL(), p.dir, p.cluster.Nodes[0].Addr(), p.cluster.Nodes[1].Addr(), p.secrets.url,
		p.secrets.words["webhook's path"], p.secrets.words["source's token"], p.secrets.words["database password"], traceURL), 0o600))
	p.prepare(t)
	return p
}

// callers are the holders of tokens, each in a file of their name.
var callers = []string{"reader", "alice", "bob", "carol"}

// prepare makes the binary and the tokens, and starts the process.
func (p *program) prepare(t *testing.T) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(p.dir, "bin"), 0o700))
	require.NoError(t, os.Symlink(self, filepath.Join(p.dir, "bin", "recycler")))
	for name, args := range map[string][]string{"reader": nil, "alice": {"--user=U0ALICE", "--scope=read,request,operate,review,admin"},
		"bob": {"--user=U0BOB", "--scope=read,request,operate,review"}, "carol": {"--user=U0CAROL", "--scope=read,operate,review"}} {
		var out bytes.Buffer
		require.Zero(t, run(append([]string{"token", "create", name, "--config", p.config}, args...), &out, io.Discard))
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, name), out.Bytes(), 0o600))
	}
	p.serve(t)
}

// serve starts the process and waits until it is ready.
func (p *program) serve(t *testing.T) {
	t.Helper()
	path := filepath.Join(p.dir, "log")
	log, err := os.Create(path)
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(p.dir, "bin", "recycler"), "serve", "--config", p.config)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	cmd.Stdout, cmd.Stderr = log, log
	require.NoError(t, cmd.Start())
	p.process = cmd.Process
	require.NoError(t, log.Close())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
		err := cmd.Wait()
		text, _ := os.ReadFile(path) // shown only when something is wrong
		require.NoError(t, err, string(text))
		for _, name := range callers {
			secret, err := os.ReadFile(filepath.Join(p.dir, name))
			require.NoError(t, err)
			require.NotContains(t, string(text), strings.TrimSpace(string(secret)))
		}
		if t.Failed() {
			t.Log(string(text))
		}
	})
	address := regexp.MustCompile(`"the API listens","addr":"([^"]+)"`)
	p.until(t, "the API listens", func() bool {
		text, err := os.ReadFile(path)
		if found := address.FindSubmatch(text); err == nil && found != nil {
			p.url = "http://" + string(found[1])
		}
		return p.url != ""
	})
	p.until(t, "the process is ready", func() bool {
		res, err := http.Get(p.url + "/api/v1/health/ready")
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
}

func (p *program) until(t *testing.T, what string, f func() bool) {
	t.Helper()
	require.Eventually(t, f, time.Minute, 50*time.Millisecond, what)
}

// call makes one call and reads its answer.
func (p *program) call(t *testing.T, who, method, path, body string, out any) {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(p.dir, who))
	require.NoError(t, err)
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header = http.Header{"Authorization": {"Bearer " + strings.TrimSpace(string(secret))}, "Content-Type": {"application/json"}}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	if p.wants == 0 {
		require.Less(t, res.StatusCode, 300, "%s %s: %s", method, path, b)
	} else {
		require.GreaterOrEqual(t, res.StatusCode, p.wants, "%s %s: %s", method, path, b)
	}
	if text, ok := out.(*string); ok {
		*text = string(b)
		return
	}
	require.NoError(t, json.Unmarshal(b, out))
}

// ask asks for work as somebody, and bob approves.
func (p *program) ask(t *testing.T, who, command string) string {
	t.Helper()
	var r api.RequestView
	p.call(t, who, http.MethodPost, "/api/v1/requests", fmt.Sprintf(`{"command": %q}`, command), &r)
	p.call(t, "bob", http.MethodPost, "/api/v1/requests/"+r.ID+"/reviews", fmt.Sprintf(`{"decision": "approve", "digest": %q}`, r.Digest), &r)
	require.Equal(t, "approved", r.State)
	return r.ID
}

// do asks for work and waits until it succeeded.
func (p *program) do(t *testing.T, who, command string) string {
	t.Helper()
	id := p.ask(t, who, command)
	p.ended(t, id)
	return id
}

// ended waits until a job succeeded.
func (p *program) ended(t *testing.T, id string) {
	t.Helper()
	var j api.JobView
	p.until(t, "the job ended", func() bool {
		p.call(t, "reader", http.MethodGet, "/api/v1/jobs/"+id, "", &j)
		return j.Times.Ended != nil
	})
	require.Equal(t, "succeeded", j.State, j.Reason)
}

func (p *program) happened(t *testing.T, job, kind string) bool {
	t.Helper()
	var l api.EventList
	p.call(t, "reader", http.MethodGet, "/api/v1/events?limit=1000&job="+job, "", &l)
	for _, e := range l.Items {
		if string(e.Kind) == kind {
			return true
		}
	}
	return false
}

// scrape looks at the numbers of everything that happened above.
func (p *program) scrape(t *testing.T) {
	t.Helper()
	var text string
	p.call(t, "reader", http.MethodGet, "/metrics", "", &text)
	for _, want := range []string{`recycler_jobs{state="succeeded"} 2`, `recycler_jobs{state="cancelled"} 1`, `recycler_tables_processed_total{result="done"} 1`,
		`recycler_slack_sockets{state="connected"} 2`, `recycler_cache_reads_total{layer="memory",result="hit",what="discovery"}`, `recycler_backup_failures_total 0`, `recycler_backup_last_bytes`, `recycler_rebuild_duration_seconds_count 1`, `recycler_prediction_error_ratio_count 1`} {
		require.Contains(t, text, want)
	}
	require.Regexp(t, `(?m)^recycler_freed_bytes_total [1-9]`, text)
	lookAtMetrics(t, text)
	require.Regexp(t, `(?m)^recycler_throttled_seconds_total\{reason="long_transaction"\} [0-9.]*[1-9]`, text)
}

// holdBack keeps a transaction open on a server until the test ends, which the throttle waits for.
func holdBack(t *testing.T, n *mysqltest.Node) {
	t.Helper()
	tx, err := n.DB().BeginTx(t.Context(), &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	require.NoError(t, err)
	t.Cleanup(func() {
		if err := tx.Rollback(); !errors.Is(err, sql.ErrTxDone) { // ended with the test's context
			require.NoError(t, err)
		}
	})
	var rows int64
	require.NoError(t, tx.QueryRowContext(t.Context(), "SELECT COUNT(*) FROM shop.carts").Scan(&rows))
	require.Eventually(t, func() bool {
		var old int
		err := n.DB().QueryRowContext(t.Context(), "SELECT COUNT(*) FROM information_schema.INNODB_TRX WHERE trx_started < NOW() - INTERVAL 2 SECOND").Scan(&old)
		return err == nil && old > 0
	}, 20*time.Second, 100*time.Millisecond, "the transaction is not long yet")
}

// profiled reads a profile from the listener of its own.
func (p *program) profiled(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "log"))
	require.NoError(t, err)
	found := regexp.MustCompile(`"profiles are served","addr":"([^"]+)"`).FindSubmatch(text)
	require.NotNil(t, found)
	res, err := http.Get("http://" + string(found[1]) + "/debug/pprof/goroutine?debug=1")
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Contains(t, string(b), "goroutine profile: total")
}
