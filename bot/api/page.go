package api

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Filter narrows a page. Its fields are those of storage.Filter.
type Filter struct {
	State     string
	Cluster   string
	Host      string
	Requester string
	Request   string
}

// Place is where the page before ended. Its fields are those of storage.Place.
type Place struct {
	Created time.Time
	ID      string
}

// Paging is what every list takes.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"200" doc:"Where to go on: next_cursor of the page before"`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most"`
}

// place reads the cursor.
func (p Paging) place() (Place, error) {
	if p.Cursor == "" {
		return Place{}, nil
	}
	bad := refuse(http.StatusUnprocessableEntity, "bad_cursor", "The cursor is not one of ours.", "Use next_cursor of a page as it is, or leave it out.")
	b, err := base64.RawURLEncoding.DecodeString(p.Cursor)
	if err != nil {
		return Place{}, bad
	}
	ms, id, ok := strings.Cut(string(b), " ")
	n, err := strconv.ParseInt(ms, 10, 64)
	if !ok || err != nil || id == "" {
		return Place{}, bad
	}
	return Place{Created: time.UnixMilli(n), ID: id}, nil
}

// cursor writes a place.
func (p Place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(p.Created.UnixMilli(), 10) + " " + p.ID))
}

// cut takes one more row than asked for, and makes it the next cursor.
func cut[T any](rows []T, limit int, place func(T) Place) ([]T, string) {
	if len(rows) <= limit {
		return rows, ""
	}
	rows = rows[:limit]
	return rows, place(rows[limit-1]).cursor()
}
