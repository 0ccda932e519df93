package tablespace

import (
	"slices"
	"time"
)

// Table is one base table with its size on disk and what a rebuild method depends on.
type Table struct {
	Schema     string    `json:"schema"`
	Name       string    `json:"name"`
	Engine     string    `json:"engine"`
	RowFormat  string    `json:"row_format"`
	FileBytes  int64     `json:"file_bytes"` // sum of FILE_SIZE (ALLOCATED_SIZE when page compressed) of its tablespaces
	DataFree   int64     `json:"data_free"`
	IndexBytes int64     `json:"index_bytes,omitempty"` // of all secondary indexes, from statistics; InnoDB
	Rows       int64     `json:"rows"`                  // from statistics
	Space      Space     `json:"space"`
	Partitions int       `json:"partitions,omitempty"`
	Features   []Feature `json:"features,omitempty"`
	CreateTime time.Time `json:"create_time"`

	state State // of a table that Find read
}

// Key is schema.name, for people and for maps; it is not quoted for SQL.
func (t Table) Key() string { return t.Schema + "." + t.Name }

// Has reports whether the table has a feature.
func (t Table) Has(f Feature) bool { return slices.Contains(t.Features, f) }

// Space is where a table's data lives.
type Space string

// Spaces. Only SpaceOwn gives bytes back to the file system when its table is rebuilt.
const (
	SpaceOwn     Space = "file_per_table"
	SpaceSystem  Space = "system"
	SpaceGeneral Space = "general"
)

// Feature is a property of a table that decides how it can be rebuilt.
type Feature string

// Features that restrict the algorithm, the lock or the prediction.
const (
	FullText       Feature = "fulltext"
	Spatial        Feature = "spatial"
	IndexedVirtual Feature = "indexed_virtual"
	Compressed     Feature = "compressed"
	PageCompressed Feature = "page_compressed"
	Encrypted      Feature = "encrypted"
	NoPrimaryKey   Feature = "no_primary_key"
	ForeignKey     Feature = "foreign_key"
	Functional     Feature = "functional_index"
	// ImplicitFormat marks a table whose row format was never written down and is not the
	// server's default any more: a rebuild changes it silently (COMPACT becomes DYNAMIC).
	ImplicitFormat Feature = "implicit_row_format"
)

// Prediction is the size of a table after a rebuild, with a range and the way it was found.
type Prediction struct {
	Bytes     int64  `json:"bytes"`
	Low       int64  `json:"low"`
	High      int64  `json:"high"`
	How       string `json:"how"` // sampled, sampled+count, statistics, used_pages
	RowsExact bool   `json:"rows_exact"`
	Note      string `json:"note,omitempty"`

	Parts   []Part `json:"parts,omitempty"`    // of a partitioned table: those a rebuild may make smaller
	PartsOf int    `json:"parts_of,omitempty"` // how many partitions it has
}

// The ways a prediction is found (Prediction.How), best first.
const (
	HowCount      = "sampled+count" // sampled records times COUNT(*)
	HowSampled    = "sampled"       // sampled records times the density of the sampled keys
	HowStatistics = "statistics"    // sampled records times the server's row estimate
	HowUsedPages  = "used_pages"    // pages in use by the server's statistics; wide range
)

// Gain is what a rebuild should give back, in bytes; negative when the table would grow.
func (p Prediction) Gain(t Table) int64 { return t.FileBytes - p.Bytes }

// Worth reports whether a rebuild of the table can be recommended: it must give back at least
// minBytes and minShare of the file, more than the step in which a file of its size grows, and
// something even at the high end of the range, so that a healthy table is never rebuilt on the
// strength of a rounding or a bad estimate.
func (p Prediction) Worth(t Table, minBytes int64, minShare float64) bool {
	step := int64(1 << 20)
	if t.FileBytes > 32*step {
		step *= 4
	}
	gain := p.Gain(t)
	return t.Space == SpaceOwn && gain > step && gain >= minBytes &&
		float64(gain) >= minShare*float64(t.FileBytes) && p.High < t.FileBytes
}
