package mysqltest

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// archive is a Debian mirror this machine already trusts.
type archive struct {
	uri      string
	signedBy string // path of the keyring
}

// debianKeyring is where Debian's own package puts its keys.
const debianKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// debianArchives reads the mirrors of the Debian archive from the machine's own
// sources in root (normally /etc/apt), in both formats apt knows. Mirrors of
// other things, the security archive among them, do not have the suites we ask
// for and are left out.
func debianArchives(root string) ([]archive, error) {
	files := []string{filepath.Join(root, "sources.list")}
	for _, pattern := range []string{"*.list", "*.sources"} {
		more, err := filepath.Glob(filepath.Join(root, "sources.list.d", pattern))
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	var found []archive
	seen := map[string]bool{}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read apt's sources: %w", err)
		}
		parse := parseOneLine
		if strings.HasSuffix(name, ".sources") {
			parse = parseDeb822
		}
		for _, a := range parse(string(text)) {
			if isDebian(a.uri) && !seen[a.uri] {
				seen[a.uri] = true
				found = append(found, a)
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("the package sources of this machine (%s) name no mirror of Debian; use another server with %s=/path/to/mysqld", root, EnvServers)
	}
	return found, nil
}

// isDebian tells the archive by the last element of its path, which every
// mirror keeps.
func isDebian(uri string) bool {
	return strings.HasSuffix(strings.TrimRight(uri, "/"), "/debian") || strings.Contains(filepath.Base(uri), "debian.list")
}

// parseOneLine reads "deb [signed-by=…] URI SUITE COMPONENT…" lines.
func parseOneLine(text string) []archive {
	var out []archive
	for lines := bufio.NewScanner(strings.NewReader(text)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb ")
		if !ok {
			continue
		}
		a := archive{signedBy: debianKeyring}
		rest = strings.TrimSpace(rest)
		if strings.HasPrefix(rest, "[") {
			options, after, closed := strings.Cut(rest[1:], "]")
			if !closed {
				continue
			}
			rest = after
			for _, o := range strings.Fields(options) {
				if key, ok := strings.CutPrefix(strings.ToLower(o), "signed-by="); ok && strings.HasPrefix(key, "/") {
					a.signedBy = o[len("signed-by="):]
				}
			}
		}
		if fields := strings.Fields(rest); len(fields) >= 2 {
			a.uri = fields[0]
			out = append(out, a)
		}
	}
	return out
}

// parseDeb822 reads paragraphs of "Key: value" with continuation lines. A
// Signed-By that holds a key instead of a path is left to Debian's keyring.
func parseDeb822(text string) []archive {
	var out []archive
	for _, paragraph := range strings.Split("\n"+strings.ReplaceAll(text, "\r", "")+"\n\n", "\n\n") {
		fields, last := map[string]string{}, ""
		for _, line := range strings.Split(paragraph, "\n") {
			if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
				continue
			}
			if line[0] == ' ' || line[0] == '\t' {
				fields[last] += " " + strings.TrimSpace(line)
				continue
			}
			key, value, _ := strings.Cut(line, ":")
			last = strings.ToLower(strings.TrimSpace(key))
			fields[last] = strings.TrimSpace(value)
		}
		if fields["enabled"] == "no" || !hasWord(fields["types"], "deb") {
			continue
		}
		keyring := debianKeyring
		if first, _, _ := strings.Cut(fields["signed-by"], " "); strings.HasPrefix(first, "/") {
			keyring = first
		}
		for _, uri := range strings.Fields(fields["uris"]) {
			out = append(out, archive{uri: uri, signedBy: keyring})
		}
	}
	return out
}

func hasWord(text, word string) bool {
	for _, w := range strings.Fields(text) {
		if w == word {
			return true
		}
	}
	return false
}
