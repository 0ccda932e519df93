package topology_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"mysql-recycler/engine/dbconn"
	"mysql-recycler/engine/topology"
)

// sample has one of everything a reader must be able to see.
func sample() topology.Topology {
	version, _ := dbconn.ParseVersion("9.7.4")
	server := func(name string, role topology.Role, source string) topology.Instance {
		i := topology.Instance{Name: name, Addr: dbconn.Addr{Host: name, Port: 3306}, Identity: dbconn.Identity("id-" + name),
			Version: version, Role: role, Reached: true, State: topology.State{ReadOnly: role != topology.RolePrimary}}
		if source != "" {
			i.Links = []topology.Link{{Source: dbconn.Addr{Host: source, Port: 3306}, SourceIdentity: dbconn.Identity("id-" + source),
				SourceLogFile: "b", IORunning: "Yes", SQLRunning: "Yes", Lag: &topology.Lag{Seconds: 2, From: topology.FromStatus}}}
		}
		return i
	}
	t := topology.Topology{Cluster: "orders", Partial: true, At: time.Date(2026, 3, 1, 14, 2, 0, 0, time.UTC)}
	primary := server("db-prod-1", topology.RolePrimary, "")
	middle := server("db-prod-3", topology.RoleIntermediate, "db-prod-1")
	broken := server("db-prod-4", topology.RoleReplica, "db-prod-3")
	broken.Links[0].SQLRunning, broken.Links[0].LastError, broken.Links[0].Lag = "No", "Error 'x'", nil
	delayed := server(`db-"dr"-with-a-very-long-name.eu-central-1.example`, topology.RoleReplica, "db-prod-1")
	delayed.Links[0].Delay = time.Hour
	dead := topology.Instance{Name: "db-prod-5", Addr: dbconn.Addr{Host: "db-prod-5", Port: 3306}, Identity: "id-db-prod-5",
		Role: topology.RoleUnknown, Unreached: "does not answer in time"}
	primary.Replicas = []topology.Downstream{{Identity: dead.Identity}}
	t.Instances = []topology.Instance{primary, server("db-prod-2", topology.RoleReplica, "db-prod-1"), middle, broken, dead, delayed}
	return t
}

func TestTree(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.TrimPrefix(`
db-prod-1                                              primary       MySQL 9.7.4  read_only=0
├─ db-prod-2                                           replica       MySQL 9.7.4  read_only=1  lag 2 s
├─ db-prod-3                                           intermediate  MySQL 9.7.4  read_only=1  lag 2 s
│  └─ db-prod-4                                        replica       MySQL 9.7.4  read_only=1  BROKEN (io Yes, sql No)
├─ db-"dr"-with-a-very-long-name.eu-central-1.example  replica       MySQL 9.7.4  read_only=1  lag 2 s (delayed by 3600 s)
└─ db-prod-5                                           unknown                    not reached: does not answer in time
`, "\n"), sample().Tree())
}

func TestJSON(t *testing.T) {
	t.Parallel()
	b, err := sample().JSON()
	require.NoError(t, err)
	var back topology.Topology
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, sample(), back, "what is stored is what was seen")
}

func TestDOT(t *testing.T) {
	t.Parallel()
	dot := sample().DOT()
	require.Equal(t, 6, strings.Count(dot, "shape="))
	require.Equal(t, 5, strings.Count(dot, " -> "))
	require.Contains(t, dot, `digraph "orders" {`)
	require.Contains(t, dot, `label="db-prod-1\nprimary\nMySQL 9.7.4\nread_only=0", shape=doubleoctagon`)
	require.Contains(t, dot, `[label="BROKEN (io Yes, sql No)", style=dashed]`)
	require.Contains(t, dot, `db-\"dr\"-with`)
}

func TestPictureAndAltText(t *testing.T) {
	t.Parallel()
	b, err := sample().PNG()
	require.NoError(t, err)
	img, err := png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Equal(t, 1080, img.Bounds().Dx(), "the width of a phone's screen")
	require.Less(t, len(b), 300_000)
	if dir := os.Getenv("TOPOLOGY_PICTURE_DIR"); dir != "" { // for eyes
		require.NoError(t, os.WriteFile(filepath.Join(dir, "topology.png"), b, 0o600))
	}
	again, err := sample().PNG()
	require.NoError(t, err)
	require.Equal(t, b, again)

	alt := sample().AltText()
	require.Contains(t, alt, "Cluster orders: 6 servers.")
	require.Contains(t, alt, "db-prod-4 is replica of db-prod-3, BROKEN (io Yes, sql No).")
	require.Contains(t, alt, "db-prod-5 was not reached: does not answer in time.")

	big := sample()
	for range 200 {
		big.Instances = append(big.Instances, big.Instances[1])
	}
	require.LessOrEqual(t, len(big.AltText()), 2000)
	require.Contains(t, big.AltText(), "BROKEN", "trouble is said first")
	b, err = big.PNG()
	require.NoError(t, err)
	img, err = png.Decode(bytes.NewReader(b))
	require.NoError(t, err)
	require.Less(t, img.Bounds().Dy(), 10_000)
	_, err = topology.Topology{}.PNG()
	require.NoError(t, err)
}

// What the picture says by drawing is really drawn: the shape of each role, the letterless edge of a
// server that was not reached, links in strokes where they are broken, and the lag.
func TestPictureDraws(t *testing.T) {
	t.Parallel()
	render := func(topo topology.Topology) image.Image {
		b, err := topo.PNG()
		require.NoError(t, err)
		img, err := png.Decode(bytes.NewReader(b))
		require.NoError(t, err)
		return img
	}
	var (
		img     = render(sample())
		paper   = color.RGBA{0xff, 0xff, 0xff, 0xff}
		stripe  = color.RGBA{0xf6, 0xf6, 0xf6, 0xff}
		faint   = color.RGBA{0x61, 0x60, 0x61, 0xff}
		line    = color.RGBA{0x9a, 0x9a, 0x9a, 0xff}
		alarm   = color.RGBA{0xb3, 0x26, 0x1e, 0xff}
		primary = color.RGBA{0x8a, 0x4b, 0x00, 0xff}
		middle  = color.RGBA{0x5b, 0x3a, 0x8c, 0xff}
		replica = color.RGBA{0x1b, 0x5e, 0x8a, 0xff}
	)
	// place is the corner of a row's shape: a tier is 72 to the right, a row 132 below.
	place := func(row, tier int) (x, y int) { return 36 + 72*tier, 110 + 132*row + 66 - 28 }
	at := func(x, y int) color.RGBA {
		r, g, b, a := img.At(x, y).RGBA()
		return color.RGBA{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8), uint8(a >> 8)}
	}
	background := []color.RGBA{paper, stripe}
	for _, row := range []struct {
		n, tier int
		x, y    int // within the shape's square of 56
		want    color.RGBA
		is      bool
	}{
		{0, 0, 28, 4, primary, true}, {0, 0, 3, 3, primary, false}, // an octagon has no corners
		{1, 1, 28, 5, replica, true}, {1, 1, 5, 5, replica, true}, // a square has
		{2, 1, 28, -3, middle, true}, {2, 1, 8, 8, middle, false}, // a diamond reaches over its square
		{3, 2, 5, 5, replica, true},
		{5, 1, 3, 28, faint, true}, {5, 1, 12, 28, faint, false}, // a hexagon, and only its edge
	} {
		x, y := place(row.n, row.tier)
		require.Equal(t, row.is, at(x+row.x, y+row.y) == row.want, "row %d at %d,%d is %v", row.n, row.x, row.y, at(x+row.x, y+row.y))
	}
	// stroke counts the colours of the line to a row's shape.
	stroke := func(row, tier int) map[color.RGBA]int {
		count := map[color.RGBA]int{}
		x, y := place(row, tier)
		for k := x - 44 + 2; k < x-4; k++ {
			count[at(k, y+28)]++
		}
		return count
	}
	require.Equal(t, map[color.RGBA]int{line: 38}, stroke(1, 1), "a link that works is one line")
	broken := stroke(3, 2)
	require.Positive(t, broken[alarm])
	require.Positive(t, broken[background[0]]+broken[background[1]], "a broken one has gaps: %v", broken)
	require.Zero(t, broken[line])

	// The lag is on the third line of its row: another lag changes that and nothing else.
	late := sample()
	late.Instances[1].Links[0].Lag = &topology.Lag{Seconds: 4711, From: topology.FromStatus}
	other := render(late)
	changed := image.Rectangle{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			if img.At(x, y) != other.At(x, y) {
				changed = changed.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	x, top := place(1, 1)
	top -= 38
	require.False(t, changed.Empty())
	require.True(t, changed.In(image.Rect(x+56, top+90, 1080, top+132)), "%v", changed)
}
