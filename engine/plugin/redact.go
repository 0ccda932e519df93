package plugin

import (
	"bytes"
	"regexp"
	"strings"

	"go.uber.org/zap"
)

// secrets are what tools commonly print of a login: password=…, -p…, p=… of a DSN, Bearer …,
// //user:password@, and the tokens of Slack.
var secrets = regexp.MustCompile(`(?i)((?:pass(?:word|wd)?|pwd|secret|token|api[_-]?key|authorization)["']?\s*[=:]\s*["']?|\bbearer\s+|(?:^|[\s,])p=|\s-p|://[^\s/:@]*:|identified by\s+['"]?)([^\s,'"@]+)|xox[a-z]-[\w-]+|xapp-[\w-]+`)

// redact replaces what looks like a secret.
func redact(text string) string { return secrets.ReplaceAllString(text, "${1}<secret>") }

// Bounds of what a plugin can write to our log.
const (
	maxLogged = 64 << 10
	maxLine   = 1 << 10
)

// lineLog writes lines to the log, up to a bound; what follows is read and dropped, so that the
// plugin does not block.
type lineLog struct {
	log    *zap.Logger
	hide   []string // values of the plugin's environment
	part   []byte
	total  int
	closed bool
}

// Write implements io.Writer and never fails.
func (l *lineLog) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && !l.closed {
		end := bytes.IndexByte(p, '\n')
		line := p
		if end >= 0 {
			line = p[:end]
		}
		if room := maxLine - len(l.part); room > 0 {
			l.part = append(l.part, line[:min(room, len(line))]...)
		}
		if end < 0 {
			break
		}
		l.flush()
		p = p[end+1:]
	}
	return n, nil
}

// flush writes the line that was collected.
func (l *lineLog) flush() {
	text := string(l.part)
	l.part = l.part[:0]
	if text == "" || l.closed {
		return
	}
	for _, h := range l.hide {
		text = strings.ReplaceAll(text, h, "<secret>")
	}
	if l.total += len(text); l.total > maxLogged {
		l.closed = true
		l.log.Warn("plugin wrote too much; the rest is not logged", zap.Int("bytes", maxLogged))
		return
	}
	l.log.Info("plugin says", zap.String("line", clean(text)))
}
