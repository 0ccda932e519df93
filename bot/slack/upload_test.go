package slack

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"mysql-recycler/bot"
)

// pictureBody is a message with a picture.
func pictureBody(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))))
	body, err := json.Marshal(bot.Message{Summary: "Topology of <!channel>",
		Picture: &bot.Picture{Name: "topology.png", Title: "Topology", Alt: "db-1 is primary.", PNG: b.Bytes()}})
	require.NoError(t, err)
	return body
}

func TestPictureIsAFileInTheThread(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")},
		bot.Post{Key: "k/map", Channel: dbOps, Parent: "k", Body: pictureBody(t)},
		bot.Post{Key: "k/2", Channel: dbOps, Parent: "k", Body: say("after the picture")})
	parent := s.shows(dbOps, "card")
	s.shows(dbOps, "after the picture")
	files, err := s.sb.Files(s.ctx)
	require.NoError(t, err)
	require.Len(t, files, 1)
	thread, err := s.sb.Thread(s.ctx, dbOps, parent.TS)
	require.NoError(t, err)
	require.Len(t, thread, 3)
	require.Len(t, thread[1].Files, 1, "it stands between the two in the thread")
	s.put(bot.Post{Key: "k/map", Channel: dbOps, Parent: "k", Body: say("a newer revision is not shown")},
		bot.Post{Key: "k/3", Channel: dbOps, Parent: "k", Body: say("last")})
	s.shows(dbOps, "last")
	require.Empty(t, s.calls("files.delete"))
	s.clean()
}

// A picture that cannot be shown is let go, and the thread goes on.
func TestAPictureThatFailsHoldsUpNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t, nil)
	require.NoError(t, s.sb.Do(s.ctx, "fault", map[string]any{"method": mUpload, "times": 99, "error": "missing_scope"}, nil))
	s.put(bot.Post{Key: "k", Channel: dbOps, Body: say("card")},
		bot.Post{Key: "k/map", Channel: dbOps, Parent: "k", Body: pictureBody(t)},
		bot.Post{Key: "k/2", Channel: dbOps, Parent: "k", Body: say("the story goes on")})
	s.shows(dbOps, "the story goes on")
	files, err := s.sb.Files(s.ctx)
	require.NoError(t, err)
	require.Empty(t, files)
}
