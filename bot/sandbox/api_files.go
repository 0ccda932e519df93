package sandbox

import (
	"io"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// File is an uploaded file.
type File struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Title    string `json:"title"`
	AltText  string `json:"alt_txt,omitempty"`
	MIME     string `json:"mimetype"`
	Size     int    `json:"size"`
	URL      string `json:"url_private"` // path on this server
	Channel  string `json:"channel,omitempty"`
	ThreadTS string `json:"thread_ts,omitempty"`

	want int // the announced length
	body []byte
}

func (f File) wire(base string) obj {
	return obj{"id": f.ID, "name": f.Name, "title": f.Title, "alt_txt": f.AltText, "mimetype": f.MIME,
		"size": f.Size, "url_private": base + f.URL, "permalink": base + f.URL, "mode": "hosted",
		"filetype": strings.TrimPrefix(path.Ext(f.Name), ".")}
}

// filesGetUploadURL announces a file. slack-go says alt_txt, the Node client alt_text.
func filesGetUploadURL(s *Server, c *call) (obj, error) {
	n, err := strconv.Atoi(c.str("length"))
	if err != nil || n <= 0 || c.str("filename") == "" {
		return nil, refuse("invalid_arguments")
	}
	name := path.Base(c.str("filename"))
	f := &File{ID: s.st.ids.next("F0", 9), Name: name, Title: name, want: n, AltText: c.str("alt_txt")}
	if f.AltText == "" {
		f.AltText = c.str("alt_text")
	}
	f.MIME = mime.TypeByExtension(path.Ext(name))
	if f.MIME == "" {
		f.MIME = "text/plain; charset=utf-8"
	}
	f.URL = "/files/" + f.ID + "/" + name
	s.st.files[f.ID] = f
	return obj{"upload_url": "http://" + c.host + "/upload/v1/" + f.ID, "file_id": f.ID}, nil
}

// serveUpload takes the bytes, as one multipart part of any name or as the raw body.
func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	if f := s.takeFault("upload"); f != nil && f.answer(w) {
		return
	}
	body, err := readUpload(r)
	if err != nil {
		http.Error(w, "bad upload: "+err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.st.files[r.PathValue("id")]
	switch {
	case f == nil:
		http.Error(w, "no such upload", http.StatusNotFound)
	case len(body) != f.want:
		http.Error(w, "length differs from the announced "+strconv.Itoa(f.want), http.StatusBadRequest)
	default:
		f.body, f.Size = body, len(body)
		_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(body)))
	}
}

func readUpload(r *http.Request) ([]byte, error) {
	const most = 16 << 20
	mr, err := r.MultipartReader()
	if err != nil {
		return io.ReadAll(io.LimitReader(r.Body, most))
	}
	for {
		part, err := mr.NextPart()
		if err != nil {
			return nil, err
		}
		if part.FileName() != "" || part.FormName() == "body" || part.FormName() == "file" {
			return io.ReadAll(io.LimitReader(part, most))
		}
	}
}

// filesCompleteUpload shares uploaded files, with a message when a channel is given.
func filesCompleteUpload(s *Server, c *call) (obj, error) {
	in, err := c.json("files")
	if err != nil || len(list(in)) == 0 {
		return nil, refuse("invalid_arguments")
	}
	var files []File
	var out []any
	for _, v := range list(in) {
		o, _ := v.(obj)
		f := s.st.files[str(o["id"])]
		if f == nil || f.body == nil {
			return nil, refuse("file_not_found")
		}
		if t := str(o["title"]); t != "" {
			f.Title = t
		}
		files = append(files, *f)
		out = append(out, f.wire("http://"+c.host))
	}
	c.args["channel"] = c.str("channel_id")
	if c.str("channel_id") == "" {
		return obj{"files": out}, nil
	}
	ch, err := s.target(c)
	if err != nil {
		return nil, err
	}
	for i := range files {
		files[i].Channel, files[i].ThreadTS = ch.ID, c.str("thread_ts")
		*s.st.files[files[i].ID] = files[i]
	}
	m := &Message{User: s.st.ws.BotUserID, FromBot: true, Subtype: "file_share", Text: c.str("initial_comment"),
		ThreadTS: c.str("thread_ts"), Files: files}
	s.place(m, ch, c)
	return obj{"files": out}, nil
}

// serveFile gives a file back to the page. Only pictures are shown in place: an
// uploaded page or script must never run with the sandbox's origin.
func (s *Server) serveFile(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	f := s.st.files[r.PathValue("id")]
	var body []byte
	var kind string
	if f != nil {
		body, kind = f.body, f.MIME
	}
	s.mu.Unlock()
	if body == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Content-Security-Policy", "sandbox; default-src 'none'")
	if !strings.HasPrefix(kind, "image/") {
		kind = "text/plain; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	_, _ = w.Write(body)
}
