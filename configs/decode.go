package configs

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

var (
	secretType   = reflect.TypeFor[Secret]()
	sizeType     = reflect.TypeFor[Size]()
	durationType = reflect.TypeFor[time.Duration]()
	clusterType  = reflect.TypeFor[Cluster]()
)

// decode stores what the file says in a value that already holds the defaults. It is our own and
// not koanf's Unmarshal, because that one forgets the unknown keys of a section that has another
// mistake, takes keys regardless of case, cuts 1.5 to 1, and puts values into its errors.
func decode(m *mistakes, path string, raw any, to reflect.Value) {
	if raw == nil { // "key:" with nothing behind it leaves the default
		return
	}
	switch to.Type() {
	case secretType:
		if text, ok := scalar[string](m, path, "text in quotes", raw); ok {
			to.Set(reflect.ValueOf(NewSecret(text)))
		}
		return
	case sizeType:
		parsed(m, path, raw, to, "a size, for example 64MiB", ParseSize)
		return
	case durationType:
		parsed(m, path, raw, to, "a length of time, for example 10s", ParseDuration)
		return
	}
	switch to.Kind() {
	case reflect.Struct:
		decodeStruct(m, path, raw, to)
	case reflect.Slice:
		decodeSlice(m, path, raw, to)
	case reflect.Map:
		decodeMap(m, path, raw, to)
	case reflect.String:
		if text, ok := scalar[string](m, path, "text", raw); ok {
			to.SetString(text)
		}
	case reflect.Bool:
		if yes, ok := scalar[bool](m, path, "true or false", raw); ok {
			to.SetBool(yes)
		}
	case reflect.Int, reflect.Int64:
		if n, ok := scalar[int](m, path, "a whole number", raw); ok {
			to.SetInt(int64(n))
		}
	case reflect.Float64:
		if n, whole := raw.(int); whole {
			raw = float64(n)
		}
		if n, ok := scalar[float64](m, path, "a number", raw); ok {
			to.SetFloat(n)
		}
	default: // a field of a kind nobody taught us is a defect of this package
		panic(fmt.Sprintf("configs: %s has the kind %s", path, to.Kind()))
	}
}

// decodeStruct takes a section key by key. At the top, keys beginning with x- are free for YAML
// anchors that several clusters share.
func decodeStruct(m *mistakes, path string, raw any, to reflect.Value) {
	section, ok := raw.(map[string]any)
	if !ok {
		m.addf(path, "expected a section with keys, got %s", kindOf(raw))
		return
	}
	known := keysOf(to.Type())
	for i, key := range known {
		if v, ok := section[key]; ok {
			decode(m, join(path, key), v, to.Field(i))
		}
	}
	unknown := make([]string, 0)
	for key := range section {
		if !slices.Contains(known, key) && (path != "" || !strings.HasPrefix(key, "x-")) {
			unknown = append(unknown, key)
		}
	}
	slices.Sort(unknown)
	for _, key := range unknown {
		if near := nearest(key, known); near != "" {
			m.addf(join(path, key), "unknown key; did you mean %s?", near)
		} else {
			m.addf(join(path, key), "unknown key; known here: %s", strings.Join(known, ", "))
		}
	}
}

// decodeSlice replaces a list as a whole; clusters begin with their defaults.
func decodeSlice(m *mistakes, path string, raw any, to reflect.Value) {
	list, ok := raw.([]any)
	if !ok {
		m.addf(path, "expected a list, got %s", kindOf(raw))
		return
	}
	out := reflect.MakeSlice(to.Type(), len(list), len(list))
	for i, item := range list {
		if to.Type().Elem() == clusterType {
			out.Index(i).Set(reflect.ValueOf(DefaultCluster()))
		}
		decode(m, fmt.Sprintf("%s[%d]", path, i), item, out.Index(i)) // an empty item fails validation
	}
	if len(list) == 0 {
		out = reflect.Zero(to.Type())
	}
	to.Set(out)
}

// decodeMap takes free keys with values of one kind.
func decodeMap(m *mistakes, path string, raw any, to reflect.Value) {
	section, ok := raw.(map[string]any)
	if !ok {
		m.addf(path, "expected a section with keys, got %s", kindOf(raw))
		return
	}
	if len(section) == 0 {
		return
	}
	out := reflect.MakeMap(to.Type())
	for _, key := range sortedKeys(section) {
		v := reflect.New(to.Type().Elem()).Elem()
		decode(m, join(path, key), section[key], v)
		out.SetMapIndex(reflect.ValueOf(key), v)
	}
	to.Set(out)
}

// parsed decodes text with a unit. The number 0 needs none.
func parsed[T any](m *mistakes, path string, raw any, to reflect.Value, want string, parse func(string) (T, error)) {
	if raw == 0 {
		raw = "0"
	}
	text, ok := scalar[string](m, path, want, raw)
	if !ok {
		return
	}
	v, err := parse(text)
	if err != nil {
		m.err(path, err)
		return
	}
	to.Set(reflect.ValueOf(v))
}

// scalar asserts one kind. The value itself is never in the mistake: it may be a secret.
func scalar[T any](m *mistakes, path, want string, raw any) (T, bool) {
	v, ok := raw.(T)
	if !ok {
		m.addf(path, "expected %s, got %s", want, kindOf(raw))
	}
	return v, ok
}

// kindOf names what YAML made of a value.
func kindOf(raw any) string {
	switch v := raw.(type) {
	case string:
		return "text"
	case bool:
		return "true or false"
	case int:
		return "a number (without a unit or quotes)"
	case int64, uint64:
		return "a very big number"
	case float64:
		if v == float64(int64(v)) {
			return "a number"
		}
		return "a number with a fraction"
	case []any:
		return "a list"
	case map[string]any:
		return "a section with keys"
	case time.Time:
		return "a date"
	default:
		return fmt.Sprintf("%T", raw)
	}
}

// keysOf lists the keys of a section in the order of its fields.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i], _, _ = strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
	}
	return keys
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// nearest returns the known key within two edits, or "".
func nearest(key string, known []string) string {
	best, at := "", 3
	for _, k := range known {
		if d := edits(strings.ToLower(key), k); d < at && d < len(k) {
			best, at = k, d
		}
	}
	return best
}

// edits counts the insertions, deletions and replacements between two words.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
