// Package tablespace tells how big tables are on disk and how big they would be after a rebuild,
// from SQL alone: no file of the server is read, no table is scanned unless an exact row count
// is asked for.
//
// # Inventory
//
// The size of an InnoDB table is the sum of the sizes of its tablespaces: one per table or
// partition, and those that hold its full-text indexes. Sizes come from INNODB_TABLESPACES
// (INNODB_SYS_TABLESPACES before 8.0 and on MariaDB), which asks the file system. Tables in the
// system tablespace or in a general one have no file of their own and are marked so.
//
// # Prediction
//
// DATA_FREE counts free extents, not half-empty pages, and says 6 MiB of a file that shrinks by
// 40. So the prediction builds the new file on paper instead:
//
//	columns and indexes ─▶ layout of a record in every index
//	64 places in the primary key × 40 records ─▶ sizes of real records (and their density)
//	records ─▶ packed into pages as the bulk load does (15/16 of a clustered leaf)
//	pages ─▶ segments with their reserve (1/8 of a segment stays empty) ─▶ file, in its growth steps
//
// The number of rows is what it multiplies with: COUNT(*) when asked for and within the budget,
// else the density found between the sampled keys, else the statistics of InnoDB. Every
// prediction carries a range from these uncertainties and the way it was found. What cannot be
// sampled (compressed pages) is bounded by the pages in use and says so.
//
// # Bounds
//
// A prediction has a budget of time. Each statement carries what is left of it to the server, which
// ends it by itself: a client that walks away would leave it running. When the time is over the
// sample is what was read until then, places in a key and partitions being visited in an order that
// is spread over all of them. Partitions that were not read are taken to be like the others; a
// table of which nothing was read is bounded by its pages in use. The note says so.
//
// # Failure behaviour
//
// A table that disappears is ErrGone. A prediction that cannot be made is an error, never a
// guess without a range. Nothing is written anywhere, no session setting is left changed.
//
// # What it does not do
//
// It does not decide what to rebuild (engine) or how (rebuild), and it does not run ANALYZE: that
// is a write, and super_read_only refuses it.
package tablespace
