-- A message that somebody deleted, or whose channel is gone, is posted anew, once. The same rules as
-- for SQLite.

-- +goose Up

-- The message that stood for the post before, and is gone; empty: it never moved.
ALTER TABLE posts ADD COLUMN moved_from TEXT NOT NULL DEFAULT '';

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION posts_sent() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.rev < OLD.rev OR NEW.sent_rev < OLD.sent_rev
    OR (NEW.moved_from <> OLD.moved_from AND (OLD.moved_from <> '' OR NEW.moved_from <> OLD.ts OR NEW.ts = OLD.ts))
    OR (OLD.ts <> '' AND NEW.ts <> OLD.ts AND (NEW.ts = '' OR NEW.moved_from = OLD.moved_from))) THEN
    RAISE EXCEPTION 'a message that was sent stays where it is, unless it is gone and posted anew for the first time' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
