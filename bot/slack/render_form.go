package slack

import (
	"encoding/json"
	"fmt"
	"strings"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// formRef travels in a form's private metadata: where the answer goes when the form comes back,
// because a submission names neither a channel nor a response URL.
type formRef struct {
	Ref     string `json:"r"`
	Channel string `json:"c,omitempty"`
	URL     string `json:"u,omitempty"`
	Until   int64  `json:"t,omitempty"` // when URL dies, Unix seconds
}

// drawForm renders a form as a modal view. What must come back unchanged and cannot (its id or
// reference) is an error; everything else is cut.
func drawForm(f bot.Form, ref formRef) (sdk.ModalViewRequest, error) {
	ref.Ref = f.Ref
	meta, err := json.Marshal(ref)
	if err != nil {
		return sdk.ModalViewRequest{}, fmt.Errorf("encode form reference: %w", err)
	}
	if size(string(meta)) > maxMetadata && ref.URL != "" {
		ref.URL = ""
		return drawForm(f, ref)
	}
	if size(string(meta)) > maxMetadata || size(f.ID) > maxID {
		return sdk.ModalViewRequest{}, fmt.Errorf("form %s: reference longer than %d characters", cut(f.ID, 40), maxMetadata)
	}
	v := sdk.ModalViewRequest{Type: sdk.VTModal, CallbackID: f.ID, PrivateMetadata: string(meta),
		Title: short(f.Title, "Recycle"), Submit: short(f.Submit, "Send"), Close: short(f.Cancel, "Cancel")}
	if els, _ := leaves(f.Intro, maxText); len(els) > 0 {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, sdk.NewRichTextBlock("", sdk.NewRichTextSection(els...)))
	}
	seen := map[string]bool{}
	for _, in := range f.Inputs {
		if in.ID == "" || size(in.ID) > maxID || seen[in.ID] || len(v.Blocks.BlockSet) >= maxViewBlocks {
			continue
		}
		seen[in.ID] = true
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, drawInput(in))
	}
	if len(v.Blocks.BlockSet) == 0 {
		v.Blocks.BlockSet = append(v.Blocks.BlockSet, sdk.NewDividerBlock())
	}
	return v, nil
}

func short(s, instead string) *sdk.TextBlockObject {
	if s = strings.TrimSpace(line(s)); s == "" {
		s = instead
	}
	return plainText(orDots(cut(s, maxTitle)))
}

func drawInput(in bot.Input) *sdk.InputBlock {
	label := strings.TrimSpace(line(in.Label))
	if label == "" {
		label = line(in.ID)
	}
	var hint *sdk.TextBlockObject
	if h := strings.TrimSpace(clean(in.Hint)); h != "" {
		hint = plainText(cut(h, 500))
	}
	b := sdk.NewInputBlock(in.ID, plainText(orDots(cut(label, 150))), hint, drawChoice(in))
	if b.Element == nil {
		b.Element = drawEntry(in)
	}
	b.Optional = in.Optional
	return b
}

func drawEntry(in bot.Input) *sdk.PlainTextInputBlockElement {
	el := sdk.NewPlainTextInputBlockElement(nil, in.ID)
	el.Multiline = in.Multi
	limit := maxText
	if in.MaxLen > 0 {
		limit = min(in.MaxLen, maxText)
		el.MaxLength = limit
	}
	el.InitialValue = cut(clean(in.Initial), limit)
	return el
}

// drawChoice draws a select, or nothing when no option can be shown. A value that is too long to
// come back unchanged is left out.
func drawChoice(in bot.Input) sdk.BlockElement {
	var opts []*sdk.OptionBlockObject
	var initial *sdk.OptionBlockObject
	seen := map[string]bool{}
	for _, o := range in.Options {
		opt := drawOption(o)
		if opt == nil || seen[o.Value] || len(opts) == maxOptions {
			continue
		}
		seen[o.Value] = true
		if o.Value == in.Initial {
			initial = opt
		}
		opts = append(opts, opt)
	}
	if in.Search {
		el := sdk.NewOptionsSelectBlockElement(sdk.OptTypeExternal, nil, in.ID)
		if p := strings.TrimSpace(line(in.Placeholder)); p != "" {
			el.Placeholder = plainText(cut(p, 150))
		}
		least := 0 // the choices are shown before anything is typed
		el.MinQueryLength, el.InitialOption = &least, initial
		return el
	}
	if len(opts) == 0 {
		return nil
	}
	el := sdk.NewOptionsSelectBlockElement(sdk.OptTypeStatic, nil, in.ID, opts...)
	el.InitialOption = initial
	return el
}

// drawOption draws one choice, or nothing when its value could not come back unchanged.
func drawOption(o bot.Option) *sdk.OptionBlockObject {
	if o.Value == "" || size(o.Value) > maxOptionValue {
		return nil
	}
	label := strings.TrimSpace(line(o.Label))
	if label == "" {
		label = line(o.Value)
	}
	return sdk.NewOptionBlockObject(o.Value, plainText(orDots(cut(label, maxOption))), nil)
}
