package configs

import (
	"fmt"
	"io"
	"log/slog"
)

// masked is what every secret prints as.
const masked = "<secret>"

// Secret is text that must not be seen. It prints as <secret> wherever it is printed, logged or
// marshalled, and as nothing when it is not set; only Reveal gives the text. The text is behind a
// pointer because fmt and reflection based printers look into unexported fields without asking a
// method, and then see an address.
type Secret struct{ text *string }

// NewSecret hides text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal gives the text. Call it where the secret is used, never to keep or print it.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// Set reports whether there is a text.
func (s Secret) Set() bool { return s.text != nil }

// String implements fmt.Stringer; zap and text/template print through it.
func (s Secret) String() string {
	if s.text == nil {
		return ""
	}
	return masked
}

// GoString implements fmt.GoStringer (%#v).
func (s Secret) GoString() string { return "configs.Secret(" + s.String() + ")" }

// Format implements fmt.Formatter, so that no verb, not even a wrong one, reaches the text.
func (s Secret) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		_, _ = io.WriteString(f, s.GoString())
		return
	}
	_, _ = io.WriteString(f, s.String())
}

// MarshalText implements encoding.TextMarshaler; encoding/json, XML and zap's reflection use it.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalJSON implements json.Marshaler.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + s.String() + `"`), nil }

// MarshalYAML implements the marshaler of go.yaml.in/yaml.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
