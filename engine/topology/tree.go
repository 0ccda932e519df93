package topology

import (
	"fmt"
	"strings"
)

// Tree is the topology as text for a fixed-width font, one server a line, sources above replicas:
//
//	db-prod-1      primary       MySQL 9.7.4  read_only=0
//	├─ db-prod-2   replica       MySQL 9.7.4  read_only=1  lag 0 s
//	└─ db-prod-3   intermediate  MySQL 9.7.4  read_only=1  lag 2 s
//	   └─ db-dr-1  replica       not reached: does not answer in time
//
// A server with several sources is drawn under each of them, in full only once; a ring is cut
// where the drawing would come back to its start.
func (t Topology) Tree() string {
	d := drawing{index: newIndex(&t), drawn: map[int]bool{}}
	for _, n := range d.tops() {
		if !d.drawn[n] {
			d.add(n, "", "")
		}
	}
	return d.text()
}

// drawing collects the lines of a tree: branch with name, and three columns.
type drawing struct {
	*index
	drawn map[int]bool
	rows  [][]string
}

// add draws a server and what is below it. first is the branch before its name, rest the one
// before its children.
func (d *drawing) add(n int, first, rest string) {
	i := d.instances[n]
	if d.drawn[n] {
		d.rows = append(d.rows, []string{first + i.Name, "", "", "(see above)"})
		return
	}
	d.drawn[n] = true
	d.rows = append(d.rows, append([]string{first + i.Name}, i.columns()...))
	for k, c := range d.down[n] {
		if k == len(d.down[n])-1 {
			d.add(c, rest+"└─ ", rest+"   ")
			continue
		}
		d.add(c, rest+"├─ ", rest+"│  ")
	}
}

// columns are role, version and the marks of a server.
func (i Instance) columns() []string {
	if !i.Reached {
		return []string{string(i.Role), "", "not reached: " + i.Unreached}
	}
	return []string{string(i.Role), i.Version.String(), strings.Join(i.marks(), "  ")}
}

// marks are what a reader must see of a server at a glance.
func (i Instance) marks() []string {
	marks := []string{"read_only=" + bit(i.State.ReadOnly)}
	if i.Version.Dialect().SuperReadOnly && i.State.SuperReadOnly {
		marks = append(marks, "super_read_only=1")
	}
	if i.Group != "" {
		marks = append(marks, i.Group)
	}
	for _, l := range i.Links {
		marks = append(marks, l.mark(len(i.Links) > 1))
	}
	if i.ErrantGTID != "" {
		marks = append(marks, "ERRANT "+i.ErrantGTID)
	}
	if len(i.Missing) > 0 {
		marks = append(marks, "INCOMPLETE")
	}
	return marks
}

// mark is the state of one channel in words.
func (l Link) mark(several bool) string {
	name := ""
	if several {
		name = fmt.Sprintf("[%s] ", orWord(l.Channel, "default"))
	}
	var text string
	switch {
	case !l.Configured():
		text = "channel never started"
	case !l.Running() && l.LastError != "":
		text = fmt.Sprintf("BROKEN (io %s, sql %s)", l.IORunning, l.SQLRunning)
	case !l.Running():
		text = fmt.Sprintf("STOPPED (io %s, sql %s)", l.IORunning, l.SQLRunning)
	case l.Lag == nil:
		text = "lag unknown"
	default:
		text = fmt.Sprintf("lag %s s", seconds(l.Lag.Seconds))
	}
	if l.Delay > 0 {
		text += fmt.Sprintf(" (delayed by %s s)", seconds(l.Delay.Seconds()))
	}
	return name + text
}

// text aligns the columns. Widths count runes; all used here are single-width.
func (d *drawing) text() string {
	var widths [4]int
	for _, r := range d.rows {
		if r[1] == "" { // a reference or an unreached server: its last column stands alone
			widths[0] = max(widths[0], len([]rune(r[0])))
			continue
		}
		for c, cell := range r {
			widths[c] = max(widths[c], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for _, r := range d.rows {
		line := ""
		for c, cell := range r {
			line += cell + strings.Repeat(" ", max(0, widths[c]-len([]rune(cell)))) + "  "
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	return b.String()
}

// bit is 0 or 1.
func bit(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// seconds prints whole seconds without a fraction.
func seconds(s float64) string {
	if s == float64(int64(s)) {
		return fmt.Sprintf("%d", int64(s))
	}
	return fmt.Sprintf("%.1f", s)
}

// orWord is s, or a word for its absence.
func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}
