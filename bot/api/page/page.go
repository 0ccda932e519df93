// Package page is the status page: jobs with live bars, what waits, the topology drawn, bytes given
// back over time, tables worth a rebuild, and schedules. It only reads.
//
// The files are embedded and served as they are: no build step, nothing from elsewhere. The page
// knows no more than any caller of the API: it asks for a token with the scope read, keeps it in
// the tab's session storage, and calls /api/v1 with it. Every two seconds it asks whether
// the event log has grown, and only then reads the lists and the topology again; in between, what
// changes without an event: the progress of jobs, and the health. Without an answer it
// says since when what it shows is old, and goes on trying.
//
// What servers and people named reaches the page as text nodes only, and the content security
// policy refuses scripts and styles that are not files of this package.
package page

import (
	"embed"
	"net/http"
)

//go:embed *.html *.css *.js *.svg
var files embed.FS

// policy lets the page load its own files and call its own server, and be framed by nobody.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Handler serves the page at / and its files below it.
func Handler() http.Handler {
	serve := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache") // files of a newer program replace these at once
		serve.ServeHTTP(w, r)
	})
}
