-- A message that somebody deleted, or whose channel is gone, is posted anew, once.

-- +goose Up

-- The message that stood for the post before, and is gone; empty: it never moved.
ALTER TABLE posts ADD COLUMN moved_from TEXT NOT NULL DEFAULT '';

DROP TRIGGER posts_sent;
-- +goose StatementBegin
CREATE TRIGGER posts_sent BEFORE UPDATE ON posts
WHEN NEW.rev < OLD.rev OR NEW.sent_rev < OLD.sent_rev
  OR (NEW.moved_from <> OLD.moved_from AND (OLD.moved_from <> '' OR NEW.moved_from <> OLD.ts OR NEW.ts = OLD.ts))
  OR (OLD.ts <> '' AND NEW.ts <> OLD.ts AND (NEW.ts = '' OR NEW.moved_from = OLD.moved_from))
BEGIN
  SELECT RAISE(ABORT, 'a message that was sent stays where it is, unless it is gone and posted anew for the first time');
END;
-- +goose StatementEnd
