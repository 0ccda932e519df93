package bot

import "time"

// Message is what people read, free of any transport. Text lives in spans, so that a host name,
// a table name or a server's error can never become a mention or a link.
type Message struct {
	Summary string  `json:"summary"` // one complete sentence: notification and screen readers
	Blocks  []Block `json:"blocks,omitempty"`
	// Broadcast shows a reply in its channel too, for what must not wait for somebody to open the thread.
	Broadcast bool     `json:"broadcast,omitempty"`
	Picture   *Picture `json:"picture,omitempty"` // shown as a file with the summary; nothing else of the message is
}

// Picture is a drawing in a thread. It only repeats what a message says in words, so it is shown
// once, never edited, and let go when it cannot be shown.
type Picture struct {
	Name  string `json:"name"` // of the file
	Title string `json:"title"`
	Alt   string `json:"alt"` // the whole drawing in words
	PNG   []byte `json:"png"`
}

// Block is one part of a message; exactly one field is set.
type Block struct {
	Header  string   `json:"header,omitempty"`
	Text    []Span   `json:"text,omitempty"`
	Fields  []Field  `json:"fields,omitempty"` // label and value pairs, two columns
	Code    string   `json:"code,omitempty"`   // preformatted: trees, bars
	Table   *Table   `json:"table,omitempty"`
	Context []Span   `json:"context,omitempty"` // small print
	Actions []Button `json:"actions,omitempty"`
	Divider bool     `json:"divider,omitempty"`
}

// Span is a run of text. At most one of User, Channel, Time and Link is set.
type Span struct {
	Text    string    `json:"text,omitempty"`
	Bold    bool      `json:"bold,omitempty"`
	Code    bool      `json:"code,omitempty"`
	User    string    `json:"user,omitempty"`  // user id: rendered as a mention
	Group   string    `json:"group,omitempty"` // user group id: rendered as a mention of everybody in it
	Channel string    `json:"channel,omitempty"`
	Time    time.Time `json:"time,omitzero"` // rendered in the reader's time zone; Text is the fallback
	Link    string    `json:"link,omitempty"`
	Emoji   string    `json:"emoji,omitempty"` // short name; never the only signal
}

// Field is a label with its value.
type Field struct {
	Label string `json:"label"`
	Value []Span `json:"value"`
}

// Table is a small table; numbers are right aligned when Right says so.
type Table struct {
	Header []string   `json:"header"`
	Rows   [][]string `json:"rows"`
	Right  []bool     `json:"right,omitempty"`
}

// Button is something to click. Value comes back unchanged with the click.
type Button struct {
	Action  string   `json:"action"`
	Value   string   `json:"value"`
	Label   string   `json:"label"`
	Style   string   `json:"style,omitempty"` // primary, danger
	Confirm *Confirm `json:"confirm,omitempty"`
}

// Confirm is the dialog a button asks with before the click counts.
type Confirm struct {
	Title string `json:"title"`
	Text  string `json:"text"`
	Yes   string `json:"yes"`
	No    string `json:"no"`
}

// Form is a dialog with inputs; Ref comes back unchanged with the submission.
type Form struct {
	ID     string  `json:"id"` // deny_reason, new_recycle, …
	Ref    string  `json:"ref"`
	Title  string  `json:"title"`
	Submit string  `json:"submit"`
	Cancel string  `json:"cancel"`
	Intro  []Span  `json:"intro,omitempty"`
	Inputs []Input `json:"inputs"`
}

// Input is one field of a form.
type Input struct {
	ID       string   `json:"id"`
	Label    string   `json:"label"`
	Hint     string   `json:"hint,omitempty"`
	Multi    bool     `json:"multi,omitempty"` // several lines
	Optional bool     `json:"optional,omitempty"`
	Options  []Option `json:"options,omitempty"` // a choice instead of text
	Initial  string   `json:"initial,omitempty"`
	MaxLen   int      `json:"max_len,omitempty"`
	// Search makes it a choice that is searched while the person types: a Suggester answers.
	// Options then holds only what Initial names.
	Search      bool   `json:"search,omitempty"`
	Placeholder string `json:"placeholder,omitempty"`
}

// Option is one choice.
type Option struct {
	Value string `json:"value"`
	Label string `json:"label"`
}
