package sandbox

import (
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Surface is where blocks are shown; it decides how many there may be and which.
type Surface string

// The three surfaces of Block Kit.
const (
	SurfaceMessage Surface = "message"
	SurfaceModal   Surface = "modal"
	SurfaceHome    Surface = "home"
)

// Violation is one broken rule of Block Kit.
type Violation struct {
	Pointer    string `json:"pointer"` // JSON pointer to the place
	Code       string `json:"code"`
	Message    string `json:"message"`
	Constraint any    `json:"constraint,omitempty"` // the number that was passed over
}

// String is the line Slack puts into response_metadata.messages.
func (v Violation) String() string {
	return "[ERROR] " + v.Message + " [json-pointer:" + v.Pointer + "]"
}

const (
	codeLength   = "length"
	codeCount    = "count"
	codeRequired = "required"
	codeType     = "type"
	codeUnique   = "unique"
	codeTooLong  = "total_length"
)

// maxBlocksText is the total of characters in a message's blocks. It is not
// documented; slackapi/bolt-js issue 2509 found about 13,200.
const maxBlocksText = 13_200

// checker collects what is wrong.
type checker struct {
	surface Surface
	found   []Violation
	blocks  map[string]bool // block_ids seen
	actions map[string]bool // action_ids seen
	tables  int
	charts  int
	md      int
}

// CheckBlocks judges blocks by the limits Slack documents for a surface. The
// result is empty when Slack would take them. A message whose text is too long
// altogether yields a first finding with code "total_length".
func CheckBlocks(blocks []any, surface Surface) []Violation {
	k := &checker{surface: surface, blocks: map[string]bool{}, actions: map[string]bool{}}
	k.all("/blocks", blocks)
	if surface == SurfaceMessage {
		if n := textTotal(blocks); n > maxBlocksText {
			k.found = append([]Violation{{"/blocks", codeTooLong, "blocks hold " + strconv.Itoa(n) + " characters", maxBlocksText}}, k.found...)
		}
	}
	return k.found
}

// CheckView judges a modal or a Home tab with its blocks.
func CheckView(view map[string]any) []Violation {
	surface := Surface(str(view["type"]))
	k := &checker{surface: surface, blocks: map[string]bool{}, actions: map[string]bool{}}
	k.within("/view/private_metadata", view["private_metadata"], 3000)
	k.within("/view/callback_id", view["callback_id"], 255)
	k.within("/view/external_id", view["external_id"], 255)
	blocks := list(view["blocks"])
	if surface == SurfaceModal {
		k.text("/view/title", view["title"], 24, "plain_text", true)
		k.text("/view/submit", view["submit"], 24, "plain_text", false)
		k.text("/view/close", view["close"], 24, "plain_text", false)
		for i, b := range blocks {
			if bo, _ := b.(obj); str(bo["type"]) == "input" && view["submit"] == nil {
				k.add("/view/blocks/"+itoa(i), codeRequired, "submit is required when an input block is in the view", nil)
				break
			}
		}
	}
	k.all("/view/blocks", blocks)
	return k.found
}

func itoa(i int) string { return strconv.Itoa(i) }

func (k *checker) add(at, code, msg string, limit any) {
	k.found = append(k.found, Violation{at, code, msg, limit})
}

func (k *checker) within(at string, v any, most int) {
	if utf8.RuneCountInString(str(v)) > most {
		k.add(at, codeLength, fmt.Sprintf("must be less than %d characters", most+1), most)
	}
}

func (k *checker) count(at string, n, low, high int, what string) {
	switch {
	case n > high:
		k.add(at, codeCount, fmt.Sprintf("no more than %d items allowed", high), high)
	case n < low:
		k.add(at, codeCount, "must provide "+what, low)
	}
}

func (k *checker) unique(at string, seen map[string]bool, v any) {
	id := str(v)
	if id == "" {
		return
	}
	if seen[id] {
		k.add(at, codeUnique, fmt.Sprintf("%q is used more than once", id), nil)
	}
	seen[id] = true
}

// text judges a text object. kind "" allows plain_text and mrkdwn.
func (k *checker) text(at string, v any, most int, kind string, required bool) {
	if v == nil {
		if required {
			k.add(at, codeRequired, "missing required field", nil)
		}
		return
	}
	o, ok := v.(obj)
	t := str(o["type"])
	switch {
	case !ok:
		k.add(at, codeType, "must be a text object", nil)
		return
	case t != "plain_text" && (t != "mrkdwn" || kind == "plain_text"):
		k.add(at+"/type", codeType, fmt.Sprintf("unsupported text type %q", t), nil)
	case str(o["text"]) == "":
		k.add(at+"/text", codeLength, "must be more than 0 characters", 1)
	}
	if t == "plain_text" && o["verbatim"] != nil {
		k.add(at+"/verbatim", codeType, "verbatim is for mrkdwn only", nil)
	}
	k.within(at+"/text", o["text"], most)
}

func (k *checker) all(at string, blocks []any) {
	most := 50
	if k.surface != SurfaceMessage {
		most = 100
	}
	k.count(at, len(blocks), 0, most, "")
	for i, b := range blocks {
		p := at + "/" + itoa(i)
		bo, ok := b.(obj)
		if !ok {
			k.add(p, codeType, "must be an object", nil)
			continue
		}
		k.within(p+"/block_id", bo["block_id"], 255)
		k.unique(p+"/block_id", k.blocks, bo["block_id"])
		k.block(p, bo)
	}
}

// block judges one block by its type.
func (k *checker) block(p string, b obj) {
	switch t := str(b["type"]); t {
	case "section":
		k.section(p, b)
	case "divider":
	case "header":
		k.text(p+"/text", b["text"], 150, "plain_text", true)
	case "context":
		k.context(p, b)
	case "actions":
		k.elements(p, list(b["elements"]), 25)
	case "context_actions":
		k.elements(p, list(b["elements"]), 5)
	case "input":
		k.input(p, b)
	case "image":
		k.image(p, b, true)
	case "rich_text":
		k.richText(p, b)
	case "table":
		k.table(p, b)
	case "markdown":
		k.md += utf8.RuneCountInString(str(b["text"]))
		if str(b["text"]) == "" {
			k.add(p+"/text", codeRequired, "missing required field", nil)
		}
		if k.md > 12_000 {
			k.add(p+"/text", codeLength, "must be less than 12001 characters in all markdown blocks", 12_000)
		}
	case "data_visualization":
		k.chart(p, b)
	case "video", "file", "call", "data_table", "task_card", "plan", "alert", "card", "carousel", "container", "layout":
		// Real types that the bot has no use for: taken, not judged.
	default:
		k.add(p+"/type", codeType, fmt.Sprintf("unsupported type: %s", t), nil)
	}
}

func (k *checker) section(p string, b obj) {
	fields := list(b["fields"])
	if b["text"] == nil && len(fields) == 0 {
		k.add(p, codeRequired, "text or fields is required", nil)
	}
	k.text(p+"/text", b["text"], 3000, "", false)
	k.count(p+"/fields", len(fields), 0, 10, "")
	for i, f := range fields {
		k.text(p+"/fields/"+itoa(i), f, 2000, "", true)
	}
	if acc, ok := b["accessory"].(obj); ok {
		k.element(p+"/accessory", acc)
	}
}

func (k *checker) context(p string, b obj) {
	els := list(b["elements"])
	k.count(p+"/elements", len(els), 1, 10, "at least one element")
	for i, e := range els {
		at := p + "/elements/" + itoa(i)
		eo, _ := e.(obj)
		if str(eo["type"]) == "image" {
			k.image(at, eo, false)
			continue
		}
		k.text(at, e, 3000, "", true)
	}
}

func (k *checker) elements(p string, els []any, most int) {
	k.count(p+"/elements", len(els), 1, most, "at least one element")
	for i, e := range els {
		at := p + "/elements/" + itoa(i)
		if eo, ok := e.(obj); ok {
			k.element(at, eo)
		} else {
			k.add(at, codeType, "must be an object", nil)
		}
	}
}

func (k *checker) input(p string, b obj) {
	k.text(p+"/label", b["label"], 2000, "plain_text", true)
	k.text(p+"/hint", b["hint"], 2000, "plain_text", false)
	e, ok := b["element"].(obj)
	if !ok {
		k.add(p+"/element", codeRequired, "missing required field", nil)
		return
	}
	if str(e["type"]) == "button" || str(e["type"]) == "overflow" {
		k.add(p+"/element/type", codeType, fmt.Sprintf("unsupported type: %s", str(e["type"])), nil)
	}
	k.element(p+"/element", e)
}

func (k *checker) image(p string, b obj, block bool) {
	if str(b["alt_text"]) == "" {
		k.add(p+"/alt_text", codeRequired, "missing required field", nil)
	}
	k.within(p+"/alt_text", b["alt_text"], 2000)
	k.within(p+"/image_url", b["image_url"], 3000)
	if str(b["image_url"]) == "" && b["slack_file"] == nil {
		k.add(p+"/image_url", codeRequired, "image_url or slack_file is required", nil)
	}
	if block {
		k.text(p+"/title", b["title"], 2000, "plain_text", false)
	}
}

// textTotal counts the characters people read in blocks.
func textTotal(v any) int {
	n := 0
	switch x := v.(type) {
	case []any:
		for _, e := range x {
			n += textTotal(e)
		}
	case obj:
		for key, e := range x {
			if s, ok := e.(string); ok && key == "text" {
				n += utf8.RuneCountInString(s)
				continue
			}
			n += textTotal(e)
		}
	}
	return n
}
