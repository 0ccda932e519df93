package slack

import (
	"bytes"
	"context"

	sdk "github.com/slack-go/slack"

	"mysql-recycler/bot"
)

// uploadTries is how often a picture is tried: its words are in the thread already, and what
// follows in the thread waits for it.
const uploadTries = 3

// upload shows a message's picture as a file in its thread. Slack answers an upload with the file,
// not with a message, so the file's id stands for the message and nothing is ever edited.
func (s *sender) upload(ctx context.Context, q bot.Queued, ch string, m bot.Message) {
	if q.TS != "" {
		s.saved(ctx, q, ch, q.TS) // a newer revision of a picture is not shown
		return
	}
	var file *sdk.FileSummary
	err := s.c.call(ctx, mUpload, func() (err error) {
		file, err = s.c.api.UploadFileContext(ctx, sdk.UploadFileParameters{
			Filename: m.Picture.Name, Title: clean(m.Picture.Title), AltTxt: clean(m.Picture.Alt),
			FileSize: len(m.Picture.PNG), Reader: bytes.NewReader(m.Picture.PNG),
			InitialComment: escape(m.Summary), Channel: ch, ThreadTimestamp: q.ParentTS,
		})
		return err
	})
	if err == nil {
		s.saved(ctx, q, ch, file.ID)
		return
	}
	s.putOff(ctx, q, backoff(s.c.o.Tuning.Retry, q.Attempts, mostWait), scrub(mUpload, err), q.Attempts+1 >= uploadTries)
}
