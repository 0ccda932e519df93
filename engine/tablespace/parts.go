package tablespace

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"mysql-recycler/engine/dbconn"
)

// StatPartition reads the state of one partition as Stat does that of a table, of its sub-partitions
// together where it has any. A table or partition that is not there is ErrGone.
func StatPartition(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name, partition string) (State, error) {
	tables, _, err := one(ctx, q, v, schema, name)
	if err != nil {
		return State{}, err
	}
	t := tables[0]
	files, err := partFiles(ctx, q, v, schema, name)
	if err != nil {
		return State{}, err
	}
	if err := addSizes(ctx, q, v, tables); err != nil {
		return State{}, err
	}
	s, there := State{Created: t.CreateTime}, false
	for _, f := range files {
		if f.partition != partition {
			continue
		}
		there = true
		for _, sp := range t.spaces {
			if f.is(sp, t.disk) {
				s.Bytes += sp.bytes(t.pageCompressed())
				s.Spaces.add(sp.id)
			}
		}
	}
	for _, sp := range t.spaces {
		s.Newest = max(s.Newest, sp.id)
	}
	if !there {
		return s, fmt.Errorf("find partition %s of %s.%s: %w", partition, schema, name, ErrGone)
	}
	return s, nil
}

// partFile is the file of a partition, or of one sub-partition of it.
type partFile struct {
	partition string
	unit      string // as statistics and PARTITION (…) name it: the sub-partition where there is one
	suffix    string // what the tablespace's name has after the table's
}

// is reports whether a tablespace is this file. Servers write the marks #p# and #sp#, and since 8.0
// partition names too, in lower case; names of partitions that differ only by case do not exist.
func (f partFile) is(s space, table DiskName) bool {
	rest, ok := strings.CutPrefix(s.name, table.String())
	return ok && strings.EqualFold(rest, f.suffix)
}

// partFiles lists the files a partitioned table must have; none for another table.
func partFiles(ctx context.Context, q dbconn.Querier, v dbconn.Version, schema, name string) ([]partFile, error) {
	what := func(err error) error { return fmt.Errorf("list the partitions of %s.%s: %w", schema, name, err) }
	rows, err := q.QueryContext(ctx, "SELECT PARTITION_NAME, COALESCE(SUBPARTITION_NAME, ''), "+diskNameSQL(v, "PARTITION_NAME")+", "+
		diskNameSQL(v, "COALESCE(SUBPARTITION_NAME, '')")+` FROM information_schema.PARTITIONS
 WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND PARTITION_NAME IS NOT NULL
 ORDER BY PARTITION_ORDINAL_POSITION, SUBPARTITION_ORDINAL_POSITION`, schema, name)
	if err != nil {
		return nil, what(err)
	}
	defer func() { _ = rows.Close() }()
	var out []partFile
	for rows.Next() {
		var f partFile
		var sub, hex, subHex string
		if err := rows.Scan(&f.partition, &sub, &hex, &subHex); err != nil {
			return nil, what(err)
		}
		disk, err := decodeName(hex, subHex)
		if err != nil {
			return nil, what(err)
		}
		f.unit, f.suffix = f.partition, "#p#"+disk.Schema
		if sub != "" {
			f.unit, f.suffix = sub, f.suffix+"#sp#"+disk.Table
		}
		out = append(out, f)
	}
	if err := rows.Err(); err != nil {
		return nil, what(err)
	}
	return out, nil
}

// Part is what a rebuild of one partition is predicted to do, in bytes.
type Part struct {
	Name      string `json:"name"`
	Bytes     int64  `json:"bytes"` // on disk now
	Predicted int64  `json:"predicted"`
	Low       int64  `json:"low"`
	High      int64  `json:"high"`
}

// Worth reports whether the rebuild of one partition of t can be recommended, by the same rules as
// that of a table.
func (p Part) Worth(t Table, minBytes int64, minShare float64) bool {
	t.FileBytes = p.Bytes
	return Prediction{Bytes: p.Predicted, Low: p.Low, High: p.High}.Worth(t, minBytes, minShare)
}

// partSize is what one file of a partition takes now.
type partSize struct {
	partition, unit string
	bytes           int64
}

// sizes reads what the partitions take, while there is time for it; a table without any has none.
func (p *predictor) sizes(ctx context.Context) ([]partSize, error) {
	if p.t.Partitions == 0 {
		return nil, nil
	}
	files, err := partFiles(ctx, p.b, p.v, p.t.Schema, p.t.Name)
	if err != nil {
		return nil, err
	}
	disk, err := DiskNameOf(ctx, p.b, p.v, p.t.Schema, p.t.Name)
	if err != nil {
		return nil, err
	}
	spaces, err := readSpaces(ctx, p.b, p.v, disk.String()+"#")
	if err != nil {
		return nil, err
	}
	byName := make(map[string]space, len(spaces))
	for _, s := range spaces {
		byName[strings.ToLower(s.name[len(disk.String()):])] = s
	}
	var out []partSize
	for _, f := range files {
		s := byName[strings.ToLower(f.suffix)]
		out = append(out, partSize{f.partition, f.unit, s.bytes(p.t.Has(PageCompressed))})
	}
	return out, nil
}

// parts predicts the partitions one by one from what was read of them. Only those are told that may
// give something back, because a table can have thousands; one that was not read is never told.
func (p *predictor) parts(sizes []partSize, read []reading) (parts []Part, of int) {
	known := make(map[string]reading, len(read))
	for _, r := range read {
		known[r.name] = r
	}
	for i := 0; i < len(sizes); {
		whole, all := Part{Name: sizes[i].partition}, true
		for ; i < len(sizes) && sizes[i].partition == whole.Name; i++ {
			r, ok := known[sizes[i].unit]
			if all = all && ok; ok {
				p.addFile(&whole, sizes[i], r)
			}
		}
		of++
		if all && whole.High < whole.Bytes {
			parts = append(parts, whole)
		}
	}
	return parts, of
}

// addFile adds one file of a partition, of which rows were read.
func (p *predictor) addFile(whole *Part, f partSize, r reading) {
	one := p.size(r.unit, r.shape, r.rows)
	whole.Bytes += f.bytes
	whole.Predicted += one.Bytes
	whole.Low += one.Low
	whole.High += p.size(r.unit, copied(r.shape), r.rows).High
}

// unordered is by how much an index grows at worst whose entries come in any order: its pages are left
// about two thirds full.
const unordered = 1.45

// copied is a shape at worst after REBUILD PARTITION, which copies row by row in the order of the
// clustered key instead of sorting each index.
func copied(s shape) shape {
	s.secondary = slices.Clone(s.secondary)
	for i := range s.secondary {
		s.secondary[i].leaf *= unordered
	}
	return s
}
