package sandbox

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"
	"strings"
	"sync"
)

//go:embed page
var pageFiles embed.FS

// pageRoutes serves the page and what it loads. The policy forbids everything
// from elsewhere: the page must work without a network.
func (s *Server) pageRoutes(mux *http.ServeMux) {
	sub, err := fs.Sub(pageFiles, "page")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	files := http.FileServerFS(sub)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "+
			"img-src 'self' data: https: http:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-cache")
		files.ServeHTTP(w, r)
	})
}

// emoji are the short names the page can draw; reactions take no others.
var emoji = sync.OnceValue(func() map[string]string {
	raw, err := pageFiles.ReadFile("page/emoji.json")
	out := map[string]string{}
	if err != nil || json.Unmarshal(raw, &out) != nil {
		panic("sandbox: page/emoji.json is broken")
	}
	return out
})

func knownEmoji(name string) bool {
	name, _, _ = strings.Cut(name, "::") // skin tones
	_, ok := emoji()[name]
	return ok
}
