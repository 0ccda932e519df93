-- A token's rights are those it was made with, and a revoked one stays revoked.

-- +goose Up

-- +goose StatementBegin
CREATE TRIGGER api_tokens_frozen BEFORE UPDATE OF id, name, hash, scopes, team, user_id, created, created_by, expires ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'a token does not change; make another');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER api_tokens_revoked BEFORE UPDATE OF revoked ON api_tokens
WHEN OLD.revoked <> 0
BEGIN
  SELECT RAISE(ABORT, 'a revoked token stays revoked');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER api_tokens_kept BEFORE DELETE ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'tokens are kept');
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER api_tokens_once BEFORE INSERT ON api_tokens
BEGIN
  SELECT RAISE(ABORT, 'api_tokens rows are not replaced')
  WHERE EXISTS (SELECT 1 FROM api_tokens WHERE id = NEW.id OR hash = NEW.hash);
END;
-- +goose StatementEnd
