package tablespace

import "time"

// Table is one base table with its size on disk and what a rebuild method depends on.
type Table struct {
	Schema     string    `json:"schema"`
	Name       string    `json:"name"`
	Engine     string    `json:"engine"`
	RowFormat  string    `json:"row_format"`
	FileBytes  int64     `json:"file_bytes"` // sum of FILE_SIZE (ALLOCATED_SIZE when page compressed) of its tablespaces
	DataFree   int64     `json:"data_free"`
	Rows       int64     `json:"rows"` // from statistics
	Space      Space     `json:"space"`
	Partitions int       `json:"partitions,omitempty"`
	Features   []Feature `json:"features,omitempty"`
	CreateTime time.Time `json:"create_time"`
}

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
)

// Prediction is the size of a table after a rebuild, with a range and the way it was found.
type Prediction struct {
	Bytes     int64  `json:"bytes"`
	Low       int64  `json:"low"`
	High      int64  `json:"high"`
	How       string `json:"how"` // sampled, sampled+count, statistics, used_pages
	RowsExact bool   `json:"rows_exact"`
	Note      string `json:"note,omitempty"`
}

// Filter selects tables. Patterns are globs (* and ?); empty means all. System schemas are never selected.
type Filter struct {
	Schemas  []string `json:"schemas,omitempty"`
	Tables   []string `json:"tables,omitempty"` // schema.table or table
	MinBytes int64    `json:"min_bytes,omitempty"`
}
