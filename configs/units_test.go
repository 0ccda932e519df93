package configs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.yaml.in/yaml/v3"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Size{
		"0": 0, "64MiB": 64 << 20, " 2 GiB ": 2 << 30, "1.5kib": 1536, "1TB": 1e12, "3MB": 3e6, "512B": 512, "1TiB": 1 << 40,
	} {
		got, err := ParseSize(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		back, err := ParseSize(got.String())
		require.NoError(t, err, text)
		require.Equal(t, got, back, text)
	}
	for _, text := range []string{"", "64", "MiB", "-1MiB", "1 XiB", "NaNB", "InfB", "9999999TiB", "0x10B "} {
		_, err := ParseSize(text)
		if text == "0x10B " { // a hexadecimal float needs an exponent
			require.Error(t, err)
		}
		require.ErrorContains(t, err, "is not a size", text)
	}
	require.Equal(t, "64MiB", Size(64<<20).String())
	require.Equal(t, "1537B", Size(1537).String())
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"10s": 10 * time.Second, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0": 0} {
		got, err := ParseDuration(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "10", "ten seconds", "d", "1.5d", "-1s", "-1d", "999999999d"} {
		_, err := ParseDuration(text)
		require.Error(t, err, text)
	}
}

// TestSecretNeverPrints prints a secret in every way a careless line could.
func TestSecretNeverPrints(t *testing.T) {
	t.Parallel()
	s := NewSecret("hunter2")
	type hidden struct{ inner Secret }
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%e", "%c"} {
		for _, v := range []any{s, &s, []Secret{s}, map[string]Secret{"a": s}, hidden{s}, &hidden{s}, Slack{BotToken: s}, errors.New(s.String())} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	b, err := json.Marshal(Config{Slack: Slack{BotToken: s}})
	require.NoError(t, err)
	out.Write(b)
	b, err = yaml.Marshal(Config{Slack: Slack{BotToken: s}})
	require.NoError(t, err)
	out.Write(b)
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zap.DebugLevel)
	logger := zap.New(core)
	logger.Info("x", zap.Any("a", s), zap.Any("b", &s), zap.Any("c", Slack{BotToken: s}), zap.Stringer("d", s),
		zap.Reflect("e", s), zap.Any("f", map[Secret]Secret{s: s}), zap.Any("g", hidden{s}))
	slog.New(slog.NewTextHandler(&out, nil)).Info("x", "a", s, "b", Slack{BotToken: s})
	require.NotContains(t, out.String(), "hunter2")
	require.NotContains(t, out.String(), "68756e74") // in hexadecimal
	require.Contains(t, out.String(), `"a":"<secret>"`)
	require.Contains(t, out.String(), "bot_token: <secret>")
	require.Equal(t, "hunter2", s.Reveal())
	require.Empty(t, fmt.Sprint(Secret{}))
}
