package configs

import (
	"fmt"
	"strings"
)

// Mistake is one thing to put right, at its path in the file: clusters[1].hosts[0].addr.
type Mistake struct {
	Path string
	Text string
}

// String is "path: text".
func (m Mistake) String() string {
	if m.Path == "" {
		return m.Text
	}
	return m.Path + ": " + m.Text
}

// Error lists everything wrong with a configuration, first what could not be read, then what
// makes no sense, each in the order of the sections.
type Error struct {
	File     string
	Mistakes []Mistake
}

// Error implements error: a line that counts, and one for each mistake.
func (e *Error) Error() string {
	count := "1 mistake"
	if len(e.Mistakes) != 1 {
		count = fmt.Sprintf("%d mistakes", len(e.Mistakes))
	}
	lines := []string{fmt.Sprintf("the configuration %s has %s:", e.File, count)}
	for _, m := range e.Mistakes {
		lines = append(lines, "  "+m.String())
	}
	return strings.Join(lines, "\n")
}

// Sentence is what people read, the whole list.
func (e *Error) Sentence() string { return e.Error() }

// Hint is what to do next.
func (e *Error) Hint() string {
	return "configs/recycler.example.yaml shows every key with its default"
}

// mistakes collects while the rest is still checked.
type mistakes []Mistake

// addf notes a mistake at a path.
func (m *mistakes) addf(path, format string, args ...any) {
	*m = append(*m, Mistake{Path: path, Text: fmt.Sprintf(format, args...)})
}

// err notes an error, if there is one.
func (m *mistakes) err(path string, err error) {
	if err != nil {
		*m = append(*m, Mistake{Path: path, Text: err.Error()})
	}
}

// has reports whether a path already has a mistake, so that one slip is not told twice.
func (m *mistakes) has(path string) bool {
	for _, k := range *m {
		if k.Path == path {
			return true
		}
	}
	return false
}
