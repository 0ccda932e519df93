package sandbox

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// initialValues is state.values of a view nobody has touched yet.
func initialValues(body obj) obj {
	values := obj{}
	for _, b := range list(body["blocks"]) {
		bo, _ := b.(obj)
		for _, e := range elementsOf(bo) {
			kind := str(e["type"])
			if !stateful[kind] {
				continue
			}
			acts, _ := values[str(bo["block_id"])].(obj)
			if acts == nil {
				acts = obj{}
				values[str(bo["block_id"])] = acts
			}
			acts[str(e["action_id"])] = initialValue(kind, e)
		}
	}
	return values
}

// stateful elements have an entry in state.values.
var stateful = map[string]bool{
	"plain_text_input": true, "email_text_input": true, "url_text_input": true, "number_input": true,
	"static_select": true, "external_select": true, "users_select": true, "conversations_select": true,
	"channels_select": true, "multi_static_select": true, "multi_external_select": true,
	"multi_users_select": true, "multi_conversations_select": true, "multi_channels_select": true,
	"checkboxes": true, "radio_buttons": true, "datepicker": true, "timepicker": true, "datetimepicker": true,
}

// field names the member of a state value, and of the element that presets it.
func field(kind string) (value, initial string) {
	switch kind {
	case "static_select", "external_select", "radio_buttons":
		return "selected_option", "initial_option"
	case "multi_static_select", "multi_external_select", "checkboxes":
		return "selected_options", "initial_options"
	case "users_select":
		return "selected_user", "initial_user"
	case "multi_users_select":
		return "selected_users", "initial_users"
	case "channels_select":
		return "selected_channel", "initial_channel"
	case "multi_channels_select":
		return "selected_channels", "initial_channels"
	case "conversations_select":
		return "selected_conversation", "initial_conversation"
	case "multi_conversations_select":
		return "selected_conversations", "initial_conversations"
	case "datepicker":
		return "selected_date", "initial_date"
	case "timepicker":
		return "selected_time", "initial_time"
	case "datetimepicker":
		return "selected_date_time", "initial_date_time"
	}
	return "value", "initial_value"
}

func initialValue(kind string, e obj) obj {
	value, initial := field(kind)
	v := e[initial]
	if v == nil && many(value) {
		v = []any{}
	}
	return obj{"type": kind, value: v}
}

func many(valueField string) bool { return valueField[len(valueField)-1] == 's' }

// stateValue turns what a person chose, a string, a list of strings or a whole
// option, into the state value of element e.
func stateValue(e obj, in any) (obj, error) {
	kind := str(e["type"])
	name, _ := field(kind)
	out := obj{"type": kind}
	switch name {
	case "selected_option":
		if in == nil || in == "" {
			out[name] = nil
			return out, nil
		}
		o, err := option(e, in)
		out[name] = o
		return out, err
	case "selected_options":
		picked := []any{}
		for _, v := range list(in) {
			o, err := option(e, v)
			if err != nil {
				return nil, err
			}
			picked = append(picked, o)
		}
		out[name] = picked
	case "value":
		s, ok := in.(string)
		if !ok && in != nil {
			s = fmt.Sprint(in)
		}
		out[name] = any(s)
		if s == "" {
			out[name] = nil
		}
	default:
		out[name] = in
		if in == "" {
			out[name] = nil
		}
	}
	return out, nil
}

// option finds the option with a value or a visible text among the element's own.
// An external select has none of its own: there the caller gives the whole option.
func option(e obj, in any) (obj, error) {
	if o, ok := in.(obj); ok {
		return o, nil
	}
	want := str(in)
	for _, o := range allOptions(e) {
		if str(o["value"]) == want || textOf(o["text"]) == want {
			return o, nil
		}
	}
	return nil, fmt.Errorf("no option %q in %s", want, str(e["action_id"]))
}

func allOptions(e obj) []obj {
	var out []obj
	add := func(l []any) {
		for _, v := range l {
			if o, ok := v.(obj); ok {
				out = append(out, o)
			}
		}
	}
	add(list(e["options"]))
	for _, g := range list(e["option_groups"]) {
		if go_, ok := g.(obj); ok {
			add(list(go_["options"]))
		}
	}
	return out
}

// textOf is the text of a text object.
func textOf(v any) string {
	o, _ := v.(obj)
	return str(o["text"])
}

// problems is what the person's own client would refuse before it sends a form:
// required inputs and length bounds, by block id.
func (v *view) problems() map[string]string {
	bad := map[string]string{}
	for _, b := range list(v.body["blocks"]) {
		bo, _ := b.(obj)
		if str(bo["type"]) != "input" {
			continue
		}
		e, _ := bo["element"].(obj)
		id := str(bo["block_id"])
		acts, _ := v.values[id].(obj)
		val, _ := acts[str(e["action_id"])].(obj)
		name, _ := field(str(e["type"]))
		got := val[name]
		empty := got == nil || got == "" || many(name) && len(list(got)) == 0
		if optional, _ := bo["optional"].(bool); empty && !optional {
			bad[id] = "Please complete this required field."
			continue
		}
		n := utf8.RuneCountInString(str(got))
		if low, ok := e["min_length"].(float64); ok && !empty && n < int(low) {
			bad[id] = fmt.Sprintf("Must be at least %d characters.", int(low))
		}
		if high, ok := e["max_length"].(float64); ok && n > int(high) {
			bad[id] = fmt.Sprintf("Must be at most %d characters.", int(high))
		}
	}
	return bad
}

// fill sets what a person entered. values maps a block id, or an action id, to
// the choice; {"block": {"action": choice}} works too.
func (v *view) fill(values obj) error {
	var unknown []string
	for key := range values {
		unknown = append(unknown, key)
	}
	for _, b := range list(v.body["blocks"]) {
		bo, _ := b.(obj)
		for _, e := range elementsOf(bo) {
			bid, aid := str(bo["block_id"]), str(e["action_id"])
			in, key, ok := entered(values, bid, aid)
			if !ok || !stateful[str(e["type"])] {
				continue
			}
			unknown = slices.DeleteFunc(unknown, func(k string) bool { return k == key })
			sv, err := stateValue(e, in)
			if err != nil {
				return err
			}
			if block, ok := v.values[bid].(obj); ok {
				block[aid] = sv
			}
		}
	}
	if len(unknown) > 0 {
		return fmt.Errorf("the view has no input %q", unknown[0])
	}
	return nil
}

func entered(values obj, bid, aid string) (any, string, bool) {
	if v, ok := values[bid]; ok {
		if m, isMap := v.(obj); isMap {
			if inner, has := m[aid]; has {
				return inner, bid, true
			}
			if m["value"] == nil || m["text"] == nil {
				return nil, "", false
			}
		}
		return v, bid, true
	}
	v, ok := values[aid]
	return v, aid, ok
}
