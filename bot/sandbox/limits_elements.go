package sandbox

import (
	"fmt"
	"regexp"
	"strings"
)

var (
	dateText = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	timeText = regexp.MustCompile(`^([01]\d|2[0-3]):[0-5]\d$`)
)

// element judges one interactive element, or an image beside a section.
func (k *checker) element(p string, e obj) {
	kind := str(e["type"])
	if kind == "image" {
		k.image(p, e, false)
		return
	}
	if !interactive[kind] {
		k.add(p+"/type", codeType, fmt.Sprintf("unsupported type: %s", kind), nil)
		return
	}
	k.within(p+"/action_id", e["action_id"], 255)
	k.unique(p+"/action_id", k.actions, e["action_id"])
	k.text(p+"/placeholder", e["placeholder"], 150, "plain_text", false)
	k.confirm(p+"/confirm", e["confirm"])
	switch kind {
	case "button", "workflow_button":
		k.button(p, e)
	case "overflow":
		k.options(p, e, 1, 5)
	case "checkboxes", "radio_buttons":
		k.options(p, e, 1, 10)
	case "static_select", "multi_static_select":
		if e["option_groups"] != nil {
			k.optionGroups(p, e)
		} else {
			k.options(p, e, 1, 100)
		}
	case "plain_text_input":
		if n, ok := e["max_length"].(float64); ok && (n < 1 || n > 3000) {
			k.add(p+"/max_length", codeLength, "must be between 1 and 3000", 3000)
		}
		if n, ok := e["min_length"].(float64); ok && (n < 0 || n > 3000) {
			k.add(p+"/min_length", codeLength, "must be between 0 and 3000", 3000)
		}
		k.within(p+"/initial_value", e["initial_value"], 3000)
	case "datepicker":
		k.shape(p+"/initial_date", e["initial_date"], dateText, "YYYY-MM-DD")
	case "timepicker":
		k.shape(p+"/initial_time", e["initial_time"], timeText, "HH:mm")
	case "number_input":
		if _, ok := e["is_decimal_allowed"].(bool); !ok {
			k.add(p+"/is_decimal_allowed", codeRequired, "missing required field", nil)
		}
	}
}

func (k *checker) shape(at string, v any, want *regexp.Regexp, name string) {
	if s := str(v); s != "" && !want.MatchString(s) {
		k.add(at, codeType, "must have the form "+name, nil)
	}
}

func (k *checker) button(p string, e obj) {
	k.text(p+"/text", e["text"], 75, "plain_text", true)
	k.within(p+"/value", e["value"], 2000)
	k.within(p+"/url", e["url"], 3000)
	k.within(p+"/accessibility_label", e["accessibility_label"], 75)
	if s, given := e["style"]; given && s != "primary" && s != "danger" {
		k.add(p+"/style", codeType, "must be primary or danger", nil)
	}
}

func (k *checker) confirm(p string, v any) {
	if v == nil {
		return
	}
	o, ok := v.(obj)
	if !ok {
		k.add(p, codeType, "must be an object", nil)
		return
	}
	k.text(p+"/title", o["title"], 100, "plain_text", true)
	k.text(p+"/text", o["text"], 300, "", true)
	k.text(p+"/confirm", o["confirm"], 30, "plain_text", true)
	k.text(p+"/deny", o["deny"], 30, "plain_text", true)
}

func (k *checker) options(p string, e obj, low, high int) {
	opts := list(e["options"])
	k.count(p+"/options", len(opts), low, high, "at least one option")
	k.optionList(p+"/options", opts)
}

func (k *checker) optionList(p string, opts []any) {
	for i, o := range opts {
		at := p + "/" + itoa(i)
		oo, _ := o.(obj)
		k.text(at+"/text", oo["text"], 75, "", true)
		k.text(at+"/description", oo["description"], 75, "", false)
		k.within(at+"/value", oo["value"], 150)
		if str(oo["value"]) == "" {
			k.add(at+"/value", codeRequired, "missing required field", nil)
		}
	}
}

func (k *checker) optionGroups(p string, e obj) {
	groups := list(e["option_groups"])
	k.count(p+"/option_groups", len(groups), 1, 100, "at least one group")
	for i, g := range groups {
		at := p + "/option_groups/" + itoa(i)
		o, _ := g.(obj)
		k.text(at+"/label", o["label"], 75, "plain_text", true)
		opts := list(o["options"])
		k.count(at+"/options", len(opts), 1, 100, "at least one option")
		k.optionList(at+"/options", opts)
	}
}

// richLeaves are the leaf types inside rich text.
var richLeaves = map[string]bool{
	"text": true, "link": true, "emoji": true, "user": true, "usergroup": true, "channel": true,
	"broadcast": true, "date": true, "color": true, "team": true,
}

func (k *checker) richText(p string, b obj) {
	els := list(b["elements"])
	if len(els) == 0 {
		k.add(p+"/elements", codeRequired, "must provide at least one element", nil)
	}
	for i, e := range els {
		eo, _ := e.(obj)
		k.richElement(p+"/elements/"+itoa(i), eo)
	}
}

func (k *checker) richElement(p string, e obj) {
	switch t := str(e["type"]); t {
	case "rich_text_list":
		if s := str(e["style"]); s != "bullet" && s != "ordered" {
			k.add(p+"/style", codeType, "must be bullet or ordered", nil)
		}
		for i, item := range list(e["elements"]) {
			io, _ := item.(obj)
			if str(io["type"]) != "rich_text_section" {
				k.add(p+"/elements/"+itoa(i)+"/type", codeType, "must be rich_text_section", nil)
				continue
			}
			k.richElement(p+"/elements/"+itoa(i), io)
		}
	case "rich_text_section", "rich_text_preformatted", "rich_text_quote":
		if e["elements"] == nil {
			k.add(p+"/elements", codeRequired, "missing required field", nil)
		}
		for i, leaf := range list(e["elements"]) {
			k.richLeaf(p+"/elements/"+itoa(i), leaf, t == "rich_text_preformatted")
		}
	default:
		k.add(p+"/type", codeType, fmt.Sprintf("unsupported type: %s", t), nil)
	}
}

func (k *checker) richLeaf(p string, leaf any, pre bool) {
	o, _ := leaf.(obj)
	t := str(o["type"])
	switch {
	case !richLeaves[t], pre && t != "text" && t != "link":
		k.add(p+"/type", codeType, fmt.Sprintf("unsupported type: %s", t), nil)
	case t == "text" && str(o["text"]) == "":
		k.add(p+"/text", codeLength, "must be more than 0 characters", 1)
	case t == "link" && !strings.Contains(str(o["url"]), ":"):
		k.add(p+"/url", codeRequired, "must be a url", nil)
	}
}

func (k *checker) table(p string, b obj) {
	k.tables++
	if k.tables > 1 {
		k.add(p, codeCount, "only one table block allowed", 1)
	}
	if k.surface != SurfaceMessage {
		k.add(p+"/type", codeType, "unsupported type: table", nil)
	}
	rows := list(b["rows"])
	k.count(p+"/rows", len(rows), 1, 100, "at least one row")
	for i, r := range rows {
		at := p + "/rows/" + itoa(i)
		cells := list(r)
		k.count(at, len(cells), 1, 20, "at least one cell")
		for j, c := range cells {
			if c == nil {
				continue // an empty cell
			}
			co, _ := c.(obj)
			switch t := str(co["type"]); t {
			case "raw_text", "raw_number":
			case "rich_text":
				k.richText(at+"/"+itoa(j), co)
			default:
				k.add(at+"/"+itoa(j)+"/type", codeType, fmt.Sprintf("unsupported type: %s", t), nil)
			}
		}
	}
	k.count(p+"/column_settings", len(list(b["column_settings"])), 0, 20, "")
}

func (k *checker) chart(p string, b obj) {
	k.charts++
	if k.charts > 2 {
		k.add(p, codeCount, "only two data_visualization blocks allowed", 2)
	}
	if str(b["title"]) == "" {
		k.add(p+"/title", codeRequired, "missing required field", nil)
	}
	k.within(p+"/title", b["title"], 50)
	c, _ := b["chart"].(obj)
	at := p + "/chart"
	switch t := str(c["type"]); t {
	case "pie":
		segs := list(c["segments"])
		k.count(at+"/segments", len(segs), 1, 6, "at least one segment")
		for i, s := range segs {
			so, _ := s.(obj)
			k.within(at+"/segments/"+itoa(i)+"/label", so["label"], 20)
			if v, _ := so["value"].(float64); v <= 0 {
				k.add(at+"/segments/"+itoa(i)+"/value", codeLength, "must be greater than 0", 0)
			}
		}
	case "bar", "line", "area":
		k.series(at, c)
	default:
		k.add(at+"/type", codeType, fmt.Sprintf("unsupported type: %s", t), nil)
	}
}

func (k *checker) series(at string, c obj) {
	axis, _ := c["axis_config"].(obj)
	cats := list(axis["categories"])
	k.count(at+"/axis_config/categories", len(cats), 1, 20, "at least one category")
	for i, cat := range cats {
		k.within(at+"/axis_config/categories/"+itoa(i), cat, 20)
	}
	all := list(c["series"])
	k.count(at+"/series", len(all), 1, 6, "at least one series")
	for i, s := range all {
		so, _ := s.(obj)
		p := at + "/series/" + itoa(i)
		k.within(p+"/name", so["name"], 20)
		if n := len(list(so["data"])); n != len(cats) {
			k.add(p+"/data", codeCount, "must hold one point for every category", len(cats))
		}
	}
}
