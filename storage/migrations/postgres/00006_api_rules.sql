-- A token's rights are those it was made with, and a revoked one stays revoked. The same rules as
-- for SQLite.

-- +goose Up

-- +goose StatementBegin
CREATE FUNCTION api_tokens_frozen() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'a token does not change; make another' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER api_tokens_frozen BEFORE UPDATE OF id, name, hash, scopes, team, user_id, created, created_by, expires ON api_tokens FOR EACH ROW EXECUTE FUNCTION api_tokens_frozen();

-- +goose StatementBegin
CREATE FUNCTION api_tokens_revoked() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD.revoked <> 0 THEN
    RAISE EXCEPTION 'a revoked token stays revoked' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER api_tokens_revoked BEFORE UPDATE OF revoked ON api_tokens FOR EACH ROW EXECUTE FUNCTION api_tokens_revoked();

-- +goose StatementBegin
CREATE FUNCTION api_tokens_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'tokens are kept' USING ERRCODE = 'check_violation';
END $$;
-- +goose StatementEnd
CREATE TRIGGER api_tokens_kept BEFORE DELETE ON api_tokens FOR EACH ROW EXECUTE FUNCTION api_tokens_kept();
