package bot

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/text/unicode/norm"

	"mysql-recycler/engine/rebuild"
)

// units of sizes: MB is decimal as disks are sold, MiB and M are binary as MySQL counts.
var units = []struct {
	name  string
	bytes int64
}{
	{"TIB", 1 << 40}, {"GIB", 1 << 30}, {"MIB", 1 << 20}, {"KIB", 1 << 10},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"B", 1},
}

// unitNames spells the units as formatSize writes them.
var unitNames = []string{"TiB", "GiB", "MiB", "KiB", "TB", "GB", "MB", "KB"}

// parseSize reads 64MB, 1GiB, 1.5G or a number of bytes.
func parseSize(s string) (int64, bool) {
	up := strings.ToUpper(strings.TrimSpace(s))
	by := int64(1)
	for _, u := range units {
		if n, ok := strings.CutSuffix(up, u.name); ok {
			up, by = strings.TrimSpace(n), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(up, 10, 64); err == nil {
		if n < 0 || (by > 1 && n > math.MaxInt64/by) {
			return 0, false
		}
		return n * by, true
	}
	f, ok := parsePlainFloat(up)
	if f *= float64(by); !ok || f < 0 || f >= math.MaxInt64 {
		return 0, false
	}
	return int64(f), true
}

// parsePlainFloat reads digits with at most one point; no exponents, infinities or hex.
func parsePlainFloat(s string) (float64, bool) {
	if s == "" || strings.Trim(s, "0123456789.") != "" {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

// formatSize writes a size so that parseSize reads the same number.
func formatSize(n int64) string {
	for i, name := range unitNames {
		if by := units[i].bytes; n >= by && n%by == 0 {
			return strconv.FormatInt(n/by, 10) + name
		}
	}
	return strconv.FormatInt(n, 10)
}

// parseShare reads 20% or 0.2.
func parseShare(s string) (float64, bool) {
	n, percent := strings.CutSuffix(strings.TrimSpace(s), "%")
	f, ok := parsePlainFloat(strings.TrimSpace(n))
	if percent {
		f /= 100
	}
	return f, ok && f <= 1
}

// parseWait reads a duration: 10s, 2m, 1m30s, or a number of seconds.
func parseWait(s string) (time.Duration, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if f, ok := parsePlainFloat(s); ok {
		if f > 1e6 {
			return 0, false
		}
		return time.Duration(f * float64(time.Second)), true
	}
	d, err := time.ParseDuration(strings.Replace(s, "min", "m", 1))
	return d, err == nil && d >= 0 && d <= 1e6*time.Second
}

// parseParallel reads how many tables run at once.
func parseParallel(s string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	return n, err == nil && n >= 1 && n <= 16
}

// parseMode reads a mode; the dash may be missing.
func parseMode(s string) (rebuild.Mode, bool) {
	switch strings.ReplaceAll(strings.ToLower(strings.TrimSpace(s)), "-", "") {
	case "binlogoff", "off":
		return rebuild.BinlogOff, true
	case "binlogon", "on":
		return rebuild.BinlogOn, true
	}
	return "", false
}

// hostName is what may be looked up as a host or cluster; everything else is refused before.
var hostName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,253}(:[0-9]{1,5})?$`)

// parseHost folds a host or cluster name: full-width letters and capitals are meant as plain ones.
// Look-alikes from other alphabets stay what they are and are refused.
func parseHost(s string) (string, bool) {
	s = strings.ToLower(norm.NFKC.String(strings.TrimSpace(s)))
	return s, hostName.MatchString(s)
}

// parsePattern reads a schema or table pattern. Characters that mean something to a chat are not
// accepted; a glob with ? reaches such names.
func parsePattern(s string) (string, bool) {
	s = strings.TrimSpace(s)
	return s, s != "" && len(s) <= 200 && !strings.ContainsAny(s, "<>&,\\")
}

// requestID folds a request id as people type it (r7qk2, 7QK2, R-7QK2) to its form R-7QK2. Ids are
// Crockford's base 32: O is 0, I and L are 1.
func requestID(s string) (string, bool) {
	s = strings.ToUpper(norm.NFKC.String(strings.TrimSpace(s)))
	s, _, _ = strings.Cut(s, ".") // a job of the request
	body, ok := strings.CutPrefix(s, "R-")
	if !ok {
		body = s
		if len(s) > 4 {
			body = strings.TrimPrefix(s, "R")
		}
	}
	body = crockford.Replace(body)
	return "R-" + body, requestBody.MatchString(body)
}

var (
	crockford = strings.NewReplacer("O", "0", "I", "1", "L", "1")
	// requestIn finds a request's id in a text.
	requestIn   = regexp.MustCompile(`\bR-[0-9A-HJKMNP-TV-Z]{3,12}\b`)
	requestBody = regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{3,12}$`)
)

// quote writes a word so that split reads it back.
func quote(s string) string {
	if s != "" && strings.Trim(s, plainWord) == "" {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

const plainWord = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._*?:/@%-"

// formatShare writes a share so that parseShare reads the same number.
func formatShare(f float64) string {
	if s := strconv.FormatFloat(math.Round(f*100), 'f', -1, 64) + "%"; f >= 0.01 {
		if again, ok := parseShare(s); ok && again == f {
			return s
		}
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

var _ fmt.Stringer = Line{}
